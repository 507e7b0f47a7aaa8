package vnode

import "github.com/dee2748c/baton/cluster/ring"

// RequestID names one sending of a request. An origin never uses one twice.
type RequestID struct {
	Node        ring.NodeID
	Incarnation uint64
	Seq         uint64
}

// recentRequests is how many requests a vnode remembers.
const recentRequests = 1024

// Recent remembers the last requests that a vnode served, so that one that a
// network delivers twice is served once. A forwarded request keeps its id. The
// window does not move with the partition. The zero Recent is empty.
type Recent struct {
	set  map[RequestID]struct{}
	last []RequestID
	next int
}

// Add notes a request and reports whether it is new.
func (r *Recent) Add(id RequestID) bool {
	if _, ok := r.set[id]; ok {
		return false
	}
	if r.set == nil {
		r.set = make(map[RequestID]struct{})
	}
	r.set[id] = struct{}{}
	if len(r.last) < recentRequests {
		r.last = append(r.last, id)
		return true
	}
	delete(r.set, r.last[r.next])
	r.last[r.next] = id
	r.next = (r.next + 1) % recentRequests
	return true
}

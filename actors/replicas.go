package actors

import (
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/replica"
)

// Replicas returns where the n copies of what belongs to a head partition are
// by the newest record applied here: fewer if the ring is smaller, none if
// there is no such kind or partition. It costs O(n) while all owners seem up.
func (h *Host) Replicas(kind topology.Kind, head ring.Partition, n int) replica.Set {
	v := h.View()
	set := replica.Set{Head: head, Self: h.opts.Self.Node, Grace: v.Grace()}
	size := v.RingSize()
	if owner, _ := v.Owner(kind, head); owner == "" || n < 1 {
		return set
	}
	n = min(n, size)
	set.Copies = make([]replica.Copy, n)
	down := false
	for i := range set.Copies {
		c := &set.Copies[i]
		c.Partition = head.Next(i, size)
		c.Node, _ = v.Owner(kind, c.Partition)
		c.Up = h.up(v, c.Node)
		down = down || !c.Up
	}
	if down {
		h.addSpares(v, kind, &set)
	}
	return set
}

// addSpares names a stand-in for each copy whose node is not up.
func (h *Host) addSpares(v *View, kind topology.Kind, set *replica.Set) {
	last := set.Copies[len(set.Copies)-1].Partition
	taken := func(n ring.NodeID) bool {
		return slices.ContainsFunc(set.Copies, func(c replica.Copy) bool { return c.Node == n || c.Spare == n })
	}
	for i := range set.Copies {
		if c := &set.Copies[i]; !c.Up {
			c.Spare = h.spare(v, kind, last, taken, func(n ring.NodeID) bool { return n == c.Node })
		}
	}
}

// spare returns the node of the first vnode behind partition p that is up and
// does not take part in the request yet. When all that are up do, it is the
// first of those; never one that is barred, and empty if there is none.
func (h *Host) spare(v *View, kind topology.Kind, p ring.Partition, takesPart, barred func(ring.NodeID) bool) ring.NodeID {
	var second ring.NodeID
	size := v.RingSize()
	for i := 1; i <= size; i++ {
		node, _ := v.Owner(kind, p.Next(i, size))
		if node == second || barred(node) || !h.up(v, node) {
			continue
		}
		if !takesPart(node) {
			return node
		}
		if second == "" {
			second = node
		}
	}
	return second
}

// up reports whether a node seems to answer: it is a member, and nobody says
// that it doesn't.
func (h *Host) up(v *View, node ring.NodeID) bool {
	if node == h.opts.Self.Node {
		return true
	}
	_, member := v.Peer(node)
	return member && (h.opts.Up == nil || h.opts.Up(node))
}

package actors

import (
	"sync"
	"sync/atomic"
)

// endpoint is a party of this node, not a vnode, that frames address: a waiting
// request, a sender, a sink, a worker's outbox.
type endpoint interface {
	// take gets a frame and must not block.
	take(f *letter)
	// link hears of a change of a link and must not block.
	link(e LinkEvent)
	// viewed hears that the record moved on and must not block.
	viewed(v *View)
	// stopped ends the endpoint because the host stops.
	stopped(err error)
}

const endpointShards = 64

// firstEndpoint leaves the numbers below it to the well-known endpoints.
const firstEndpoint = 16

// endpoints is the table of a host's endpoints. The zero value is ready.
type endpoints struct {
	last   atomic.Uint64
	shards [endpointShards]struct {
		mu sync.RWMutex
		m  map[uint64]endpoint
	}
}

// number returns a number for an endpoint or a request that is never used again
// in this life.
func (e *endpoints) number() uint64 { return e.last.Add(1) + firstEndpoint }

// add registers d and returns its number, which is never used again in this life.
func (e *endpoints) add(d endpoint) uint64 {
	id := e.number()
	s := &e.shards[id%endpointShards]
	s.mu.Lock()
	if s.m == nil {
		s.m = make(map[uint64]endpoint)
	}
	s.m[id] = d
	s.mu.Unlock()
	return id
}

func (e *endpoints) get(id uint64) (endpoint, bool) {
	s := &e.shards[id%endpointShards]
	s.mu.RLock()
	d, ok := s.m[id]
	s.mu.RUnlock()
	return d, ok
}

func (e *endpoints) remove(id uint64) {
	s := &e.shards[id%endpointShards]
	s.mu.Lock()
	delete(s.m, id)
	s.mu.Unlock()
}

// each calls f for every endpoint, outside of the locks.
func (e *endpoints) each(f func(endpoint)) {
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.RLock()
		all := make([]endpoint, 0, len(s.m))
		for _, d := range s.m {
			all = append(all, d)
		}
		s.mu.RUnlock()
		for _, d := range all {
			f(d)
		}
	}
}

func (e *endpoints) failAll(err error) { e.each(func(d endpoint) { d.stopped(err) }) }

// Waiting returns how many requests, senders and jobs of this node wait for
// others, for people and tests.
func (h *Host) Waiting() int { return h.ends.len() }

// len counts the endpoints.
func (e *endpoints) len() int {
	n := 0
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.RLock()
		n += len(s.m)
		s.mu.RUnlock()
	}
	return n
}

package cluster

import (
	"context"
	"maps"
	"sync/atomic"

	"github.com/dee2748c/baton/cluster/ring"
)

// Reach says whether a node's process seems to answer.
type Reach uint8

// The steps of suspicion. A node that is not known at all is Reachable: the
// record says who is a member, and advice starts from trust.
const (
	// Reachable: the node answers.
	Reachable Reach = iota
	// Suspect: the node missed answers and may refute it; others stand in for it.
	Suspect
	// Unreachable: the node did not refute in time. It keeps what it owns and
	// its identity, and comes back by answering.
	Unreachable
	// Struggling: the node answers, and says that it does not keep up with the
	// requests to its vnodes. Others stand in for it.
	Struggling
)

// String returns the reach in lower case.
func (r Reach) String() string {
	switch r {
	case Reachable:
		return "reachable"
	case Suspect:
		return "suspect"
	case Unreachable:
		return "unreachable"
	case Struggling:
		return "struggling"
	}
	return "unknown reach"
}

// Health is what a liveness detector believes of the nodes that it watches: an
// immutable value.
type Health struct {
	reach      map[ring.NodeID]Reach
	struggling int
}

// NewHealth returns a health of the given nodes: all that are watched.
func NewHealth(reach map[ring.NodeID]Reach) Health {
	h := Health{reach: maps.Clone(reach)}
	for _, r := range reach {
		if r == Struggling {
			h.struggling++
		}
	}
	return h
}

// Of returns what is believed of a node; Reachable when nothing is known.
func (h Health) Of(node ring.NodeID) Reach { return h.reach[node] }

// Up reports whether the node's process answers: new transfers may involve it.
func (h Health) Up(node ring.NodeID) bool {
	r := h.reach[node]
	return r == Reachable || r == Struggling
}

// Serves reports whether requests may be sent to the node: it is up, and keeps up
// with what it has. When more than half of all struggle, the load is too much for
// the cluster and not one node's trouble: sparing those that struggle would bring
// the rest down, so they all serve.
func (h Health) Serves(node ring.NodeID) bool {
	r := h.reach[node]
	return r == Reachable || r == Struggling && 2*h.struggling > len(h.reach)
}

// Equal reports whether both believe the same.
func (h Health) Equal(o Health) bool {
	for n, r := range h.reach {
		if o.reach[n] != r {
			return false
		}
	}
	for n, r := range o.reach {
		if h.reach[n] != r {
			return false
		}
	}
	return true
}

// Liveness tells which nodes seem to answer. It is advice: it chooses fallbacks
// and who tries, never who owns. It is safe for concurrent use.
type Liveness interface {
	// Health returns the newest belief, without blocking.
	Health() Health
	// Watch returns a channel with the newest belief at once and after every
	// change; older ones are replaced, never queued. It is closed when ctx ends
	// or the detector is closed.
	Watch(ctx context.Context) <-chan Health
}

// A HealthBoard keeps the newest health and tells watchers; detectors embed it
// to implement Liveness. The zero board trusts everybody.
type HealthBoard struct {
	now   atomic.Pointer[Health]
	watch watchers[Health]
}

// Health returns the newest belief.
func (b *HealthBoard) Health() Health {
	if h := b.now.Load(); h != nil {
		return *h
	}
	return Health{}
}

// Publish makes h the newest belief. Calls must not be concurrent.
func (b *HealthBoard) Publish(h Health) {
	if old := b.now.Load(); old != nil && old.Equal(h) {
		return
	}
	b.now.Store(&h)
	b.watch.publish(h)
}

// Watch returns the newest belief and its changes.
func (b *HealthBoard) Watch(ctx context.Context) <-chan Health {
	return b.watch.watch(ctx, b.Health())
}

// Close ends all watches. It is idempotent.
func (b *HealthBoard) Close() { b.watch.close() }

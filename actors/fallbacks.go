package actors

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// FallbackProgress says what this node keeps for the owner of a partition.
type FallbackProgress struct {
	Kind      topology.Kind
	Partition ring.Partition
	// Owner is who gets it back.
	Owner ring.NodeID
	// State is the fallback's, in words.
	State string
	// Since is when this process began to serve it; zero before.
	Since time.Time
	// Items and Bytes are what is left.
	Items, Bytes uint64
	// Err is the last error, nil if there was none.
	Err error
}

// fallback is a fallback as others see it.
type fallback struct {
	inbox
	progress atomic.Pointer[fallbackShown]
}

// fallbackShown is what changes seldom of a FallbackProgress, and where to read
// the rest.
type fallbackShown struct {
	FallbackProgress
	part   store.Partition
	absent bool
}

// show publishes where the fallback stands.
func (a *fallbackActor) show() {
	_, absent := a.life.State().(vnode.FallbackAbsent)
	a.shown.progress.Store(&fallbackShown{
		FallbackProgress: FallbackProgress{
			Kind: a.of.Kind, Partition: a.of.Partition, State: a.life.State().String(), Since: a.since, Err: a.err,
		},
		part: a.part, absent: absent && a.err == nil,
	})
}

// Fallbacks returns what this node keeps for others, by kind and partition.
func (h *Host) Fallbacks() []FallbackProgress {
	var out []FallbackProgress
	v := h.View()
	for _, e := range h.kinds {
		e.mu.RLock()
		for _, f := range e.fallbacks {
			shown := f.progress.Load()
			if shown == nil || shown.absent {
				continue
			}
			p := shown.FallbackProgress
			p.Owner, _ = v.Owner(p.Kind, p.Partition)
			if shown.part != nil {
				s := shown.part.Summary()
				p.Items, p.Bytes = s.Items, s.Bytes
			}
			out = append(out, p)
		}
		e.mu.RUnlock()
	}
	slices.SortFunc(out, func(a, b FallbackProgress) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Partition, b.Partition))
	})
	return out
}

// HandBack has all fallbacks of this node hand back what they can without
// waiting for a quiet moment.
func (h *Host) HandBack() {
	for _, e := range h.kinds {
		h.tellFallbacks(e, fallbackStep{vnode.ReturnWanted{}})
	}
}

package actors

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
)

// TransferProgress is how far one side of a transfer has come. Counts start anew with
// each stream of the session.
type TransferProgress struct {
	Session   uint64
	Kind      topology.Kind
	Partition ring.Partition
	Source    ring.NodeID
	Target    ring.NodeID
	// Outgoing: this node is the source.
	Outgoing bool
	// Started and Updated are times of this node's clock.
	Started, Updated time.Time
	// Items and Bytes were sent or received so far, changes included; Bytes as
	// they travel.
	Items, Bytes uint64
	// TotalItems and TotalBytes are what the source's snapshot holds, keys and
	// values; 0 at the target and for kinds that export their state.
	TotalItems, TotalBytes uint64
	// Attempt is the number of the stream under the session, from 1.
	Attempt int
}

// Size is what one partition of one kind holds on this node.
type Size struct {
	ID           store.ID
	Items, Bytes uint64
}

// progresses are the transfers that this node sends or receives now.
type progresses struct {
	mu   sync.Mutex
	all  map[progressKey]*TransferProgress
	rate float64 // of finished outgoing ones, bytes/s, weighted towards the latest
}

// measured is the least size of a transfer whose rate says something, in bytes.
const measured = 1 << 20

type progressKey struct {
	session  uint64
	outgoing bool
}

// begin starts the count of one stream.
func (p *progresses) begin(x TransferProgress) {
	x.Started = time.Now()
	x.Updated = x.Started
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = make(map[progressKey]*TransferProgress)
	}
	p.all[progressKey{x.Session, x.Outgoing}] = &x
}

// change updates a count that was begun.
func (p *progresses) change(session uint64, outgoing bool, f func(*TransferProgress)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x := p.all[progressKey{session, outgoing}]; x != nil {
		f(x)
		x.Updated = time.Now()
	}
}

func (p *progresses) end(session uint64, outgoing bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := progressKey{session, outgoing}
	if x := p.all[k]; x != nil && outgoing && x.Bytes >= measured {
		rate := float64(x.Bytes) / max(x.Updated.Sub(x.Started).Seconds(), 1e-3)
		if p.rate > 0 {
			rate = (3*p.rate + rate) / 4
		}
		p.rate = rate
	}
	delete(p.all, k)
}

// moved counts a batch.
func moved(items, bytes int) func(*TransferProgress) {
	return func(p *TransferProgress) {
		p.Items += uint64(items)
		p.Bytes += uint64(bytes)
	}
}

// Transfers returns how far the transfers at this node are, in session order.
func (h *Host) Transfers() []TransferProgress {
	h.progress.mu.Lock()
	defer h.progress.mu.Unlock()
	out := make([]TransferProgress, 0, len(h.progress.all))
	for _, p := range h.progress.all {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b TransferProgress) int { return cmp.Compare(a.Session, b.Session) })
	return out
}

// Sizes returns what the partitions that this node owns hold, by kind and
// partition. Kinds that keep their state outside the store are left out.
func (h *Host) Sizes() ([]Size, error) {
	var out []Size
	v := h.View()
	for _, spec := range v.Kinds() {
		e := h.kinds[spec.Name]
		ids, err := e.engine.Partitions()
		if err != nil {
			return nil, fmt.Errorf("sizes of kind %s: %w", spec.Name, err)
		}
		for _, id := range ids {
			if owner, _ := v.Owner(id.Kind, id.Partition); id.Kind != spec.Name || owner != h.opts.Self.Node {
				continue
			}
			part, err := e.engine.Open(id)
			if err != nil {
				return nil, fmt.Errorf("size of %v: %w", id, err)
			}
			if s := part.Summary(); s.Items > 0 {
				out = append(out, Size{id, s.Items, s.Bytes})
			}
		}
	}
	return out, nil
}

// TransferRate returns how fast the latest transfers from this node went, in
// bytes per second; 0 before the first that was worth measuring.
func (h *Host) TransferRate() float64 {
	h.progress.mu.Lock()
	defer h.progress.mu.Unlock()
	return h.progress.rate
}

package actors

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
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
	// ItemRate and ByteRate are what was moved per second in the latest seconds.
	ItemRate, ByteRate float64
	// Stall is what took most of the latest seconds, if anything did.
	Stall handoff.Wait
}

// Size is what one partition of one kind holds on this node.
type Size struct {
	ID           store.ID
	Items, Bytes uint64
}

// progresses are the transfers that this node sends or receives now, and what
// bounds and delays them.
type progresses struct {
	mu    sync.Mutex
	all   map[progressKey]*metered
	rate  float64 // of finished outgoing ones, bytes/s, weighted towards the latest
	pace  handoff.Pace
	line  chan struct{} // holds a token: the stream that has it is the next to send
	seals cluster.Seals
}

// metered is one stream, seen from one side.
type metered struct {
	TransferProgress
	meter handoff.Meter
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
		p.all = make(map[progressKey]*metered)
	}
	p.all[progressKey{x.Session, x.Outgoing}] = &metered{x, handoff.NewMeter(x.Started)}
}

// change updates a stream that was begun.
func (p *progresses) change(session uint64, outgoing bool, f func(x *metered, now time.Time)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x := p.all[progressKey{session, outgoing}]; x != nil {
		f(x, time.Now())
	}
}

// moved counts a batch.
func (p *progresses) moved(session uint64, outgoing bool, items, bytes int) {
	p.change(session, outgoing, func(x *metered, now time.Time) {
		x.Items += uint64(items)
		x.Bytes += uint64(bytes)
		x.Updated = now
		x.meter.Moved(now, items, bytes)
	})
}

// spent counts bytes that are sent against the node's rate.
func (p *progresses) spent(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pace.Charge(time.Now(), bytes)
}

// waits says what a stream waits for from now on.
func (p *progresses) waits(session uint64, outgoing bool, w handoff.Wait) {
	p.change(session, outgoing, func(x *metered, now time.Time) { x.meter.Waits(now, w) })
}

// end forgets a stream, and returns how far it came.
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

// setRate bounds what this node sends, in bytes per second; 0 is no bound.
func (p *progresses) setRate(rate uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pace.SetRate(time.Now(), rate)
}

// follow takes in a record.
func (p *progresses) follow(s topology.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seals.Follow(s, time.Now())
}

// look is how long a stream waits for its turn at most before it asks again: the
// rate may be another by then.
const look = 100 * time.Millisecond

// sliceBytes is how much of its snapshot a stream sends at its turn where the node
// has a rate: some tens of microseconds of work. All streams together send one
// slice after the other, since requests wait behind what many send at once.
const sliceBytes = 64 << 10

// paced reports whether streams have to wait for their turn.
func (p *progresses) paced() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pace.Bound()
}

// turn returns how long a stream has to wait before it may send more of its
// snapshot. Changes wait for nothing.
func (p *progresses) turn() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(p.pace.Wait(time.Now()), look)
}

// Transfers returns how far the transfers at this node are, in session order.
func (h *Host) Transfers() []TransferProgress {
	p := &h.progress
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	out := make([]TransferProgress, 0, len(p.all))
	for _, x := range p.all {
		t := x.TransferProgress
		t.ItemRate, t.ByteRate = x.meter.Rates(now)
		t.Stall = x.meter.Stall(now)
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b TransferProgress) int { return cmp.Compare(a.Session, b.Session) })
	return out
}

// perSecond is for people: whole numbers, also of what took no time.
func perSecond(n uint64, d time.Duration) uint64 {
	return uint64(float64(n) / max(d.Seconds(), 1e-6))
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

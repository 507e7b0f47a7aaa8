package actors

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
)

// Fault is what happens to frames on their way from one node to another. The zero Fault is a perfect link.
type Fault struct {
	// Drop, Duplicate, Reorder and Corrupt are probabilities for each frame, 0 to 1. A reordered frame comes up to one
	// Delay late, at least up to 1 ms. A corrupted frame has one bit flipped.
	Drop, Duplicate, Reorder, Corrupt float64
	// Delay holds each frame back; Jitter adds up to as much again. Streams know only these two.
	Delay, Jitter time.Duration
}

// SwitchboardOptions configure a Switchboard.
type SwitchboardOptions struct {
	// Seed decides all faults: the n-th frame from one node to another meets the same ones in every run.
	Seed uint64
	// ByReference hands frames over as they are; default false: each is encoded and parsed as on a wire.
	ByReference bool
}

// Switchboard connects any number of nodes within the process, through faults that a test sets while it runs. It has no
// sockets, and all its waiting is on channels and timers, so a whole cluster runs in a testing/synctest bubble.
type Switchboard struct {
	opts SwitchboardOptions

	mu     sync.Mutex
	nodes  map[string]*SwitchboardTransport // by address
	lines  map[direction]*line
	faults Fault // for lines that have none of their own
	wires  map[*wire]struct{}
	calls  map[*call]struct{}
}

// direction is the way from one node to another; the way back is another.
type direction struct{ from, to ring.NodeID }

// line is the state of one direction. It outlives links and lives of nodes.
type line struct {
	frames  *rand.Rand // decides about frames of links
	streams *rand.Rand // decides about frames of streams
	fault   *Fault     // nil: the switchboard's
	cut     bool
}

// NewSwitchboard returns a switchboard without nodes.
func NewSwitchboard(opts SwitchboardOptions) *Switchboard {
	return &Switchboard{
		opts: opts, nodes: make(map[string]*SwitchboardTransport), lines: make(map[direction]*line),
		wires: make(map[*wire]struct{}), calls: make(map[*call]struct{}),
	}
}

// Node connects a node and returns its transport. A node that was closed or killed may come back at its address with a
// higher incarnation. The error is messages.ErrInvalid, or ErrAddrInUse.
func (sb *Switchboard) Node(opts TransportOptions) (*SwitchboardTransport, error) {
	opts = opts.withDefaults()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if opts.Addr == "" {
		opts.Addr = string(opts.Node)
	}
	sb.mu.Lock()
	defer sb.mu.Unlock()
	if sb.nodes[opts.Addr] != nil {
		return nil, fmt.Errorf("listen on %s: %w: stop the node that uses it or choose another address", opts.Addr, ErrAddrInUse)
	}
	t := newSwitchboardTransport(sb, opts)
	sb.nodes[opts.Addr] = t
	return t, nil
}

// SetFaults sets the faults of all directions that have none of their own.
func (sb *Switchboard) SetFaults(f Fault) {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	sb.faults = f
}

// SetFault sets the faults from one node to another.
func (sb *Switchboard) SetFault(from, to ring.NodeID, f Fault) {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	sb.line(direction{from, to}).fault = &f
}

// Cut cuts both directions between two nodes: links and streams break at once, and new ones can't be made.
func (sb *Switchboard) Cut(a, b ring.NodeID) {
	sb.cut(direction{a, b}, direction{b, a})
}

// CutOneWay stops frames from one node to another; those of the other direction pass. Streams need both.
func (sb *Switchboard) CutOneWay(from, to ring.NodeID) {
	sb.cut(direction{from, to})
}

// Heal mends both directions between two nodes.
func (sb *Switchboard) Heal(a, b ring.NodeID) {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	sb.line(direction{a, b}).cut = false
	sb.line(direction{b, a}).cut = false
}

// HealAll mends all directions and takes all faults away.
func (sb *Switchboard) HealAll() {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	sb.faults = Fault{}
	for _, l := range sb.lines {
		l.cut, l.fault = false, nil
	}
}

// Kill ends a node as a crash does: nothing is sent any more, its links and streams break, its own sends fail. Its
// address is free when Kill returns. It reports whether the node was there.
func (sb *Switchboard) Kill(node ring.NodeID) bool {
	t := sb.find(node)
	if t == nil {
		return false
	}
	t.links.abort()
	t.leave(fmt.Errorf("node %s killed: %w", node, messages.ErrUnavailable))
	return true
}

func (sb *Switchboard) find(node ring.NodeID) *SwitchboardTransport {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	for _, t := range sb.nodes {
		if t.id.opts.Node == node {
			return t
		}
	}
	return nil
}

func (sb *Switchboard) cut(ways ...direction) {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	for _, way := range ways {
		sb.line(way).cut = true
		for w := range sb.wires {
			if w.way == way {
				w.fail(cutError(way))
			}
		}
		for c := range sb.calls {
			if c.way == way || c.way == way.back() {
				c.fail(cutError(way))
			}
		}
	}
}

func cutError(way direction) error {
	return fmt.Errorf("line from %s to %s cut: %w", way.from, way.to, messages.ErrUnavailable)
}

func (d direction) back() direction { return direction{d.to, d.from} }

// line returns the state of a direction. The caller holds the lock.
func (sb *Switchboard) line(way direction) *line {
	l := sb.lines[way]
	if l == nil {
		h := fnv.New64a()
		_, _ = fmt.Fprintf(h, "%q%q", way.from, way.to)
		l = &line{
			frames:  rand.New(rand.NewPCG(sb.opts.Seed, h.Sum64())),
			streams: rand.New(rand.NewPCG(sb.opts.Seed, ^h.Sum64())),
		}
		sb.lines[way] = l
	}
	return l
}

// fate is what faults make of one frame.
type fate struct {
	drop, duplicate, late bool
	delay                 time.Duration
	flip                  int // the bit to flip, -1 for none
}

// fates draws what happens to n frames of the given sizes in one direction.
func (sb *Switchboard) fates(way direction, frames []messages.Frame) []fate {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	l := sb.line(way)
	fault := sb.fault(l)
	if fault == (Fault{}) {
		return nil
	}
	out := make([]fate, len(frames))
	for i := range frames {
		out[i] = fault.draw(l.frames, frames[i].Size())
	}
	return out
}

// delay draws how long a frame of a stream is held back.
func (sb *Switchboard) delay(way direction) time.Duration {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	l := sb.line(way)
	fault := sb.fault(l)
	return fault.Delay + time.Duration(l.streams.Float64()*float64(fault.Jitter))
}

func (sb *Switchboard) fault(l *line) Fault {
	if l.fault != nil {
		return *l.fault
	}
	return sb.faults
}

// draw takes the same number of random values for every frame, so that one fault doesn't shift the others.
func (f Fault) draw(r *rand.Rand, size int) fate {
	drop, duplicate, late, corrupt := r.Float64(), r.Float64(), r.Float64(), r.Float64()
	jitter, lateness, bit := r.Float64(), r.Float64(), r.IntN(size*8)
	out := fate{
		drop: drop < f.Drop, duplicate: duplicate < f.Duplicate, late: late < f.Reorder, flip: -1,
		delay: f.Delay + time.Duration(jitter*float64(f.Jitter)),
	}
	if out.late {
		out.delay += time.Duration(lateness * float64(max(f.Delay, time.Millisecond)))
	}
	if corrupt < f.Corrupt {
		out.flip = bit
	}
	return out
}

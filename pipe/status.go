package pipe

import (
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

// States of a worker, as WorkStatus tells them.
const (
	StateNone      = "none"      // nothing to do
	StateWorking   = "working"   // it has inputs
	StateWaiting   = "waiting"   // it waits for inputs
	StateArchiving = "archiving" // it was asked for its archive
	StateLimit     = "limit"     // it waits for room to start
	StateDone      = "done"
	StateFailed    = "failed"
)

// WorkStatus is one fitting at one partition.
type WorkStatus struct {
	Key
	Coordinator Address
	Fitting     string // name; empty while the spec is not known
	Partition   ring.Partition
	State       string // of the worker
	Moving      bool   // the partition is being handed off
	EOI         bool   // the end of inputs was announced
	Items       int    // queued and acknowledged
	Bytes       int
	HeldItems   int // held back, so that senders wait
	HeldBytes   int
	In, Out     uint64 // items processed and emitted, as the worker said last
	Faults      uint64 // inputs that a worker failed at, each time
}

// Status returns what the vnode holds of every pipe, in order of first
// appearance.
func (q *Queues) Status() []WorkStatus {
	var all []WorkStatus
	q.each(func(f *fitting) {
		s := WorkStatus{
			Key: f.key, Coordinator: f.pipe.coordinator, Partition: q.opt.Partition, State: f.state(),
			Moving: q.moving, EOI: f.eoi != nil, Items: f.items, Bytes: f.bytes + f.owned, HeldBytes: f.heldBytes,
			In: f.in, Out: f.out, Faults: f.faults,
		}
		if f.pipe.spec != nil && f.key.Fitting < len(f.pipe.spec.Fittings) {
			s.Fitting = f.pipe.spec.Fittings[f.key.Fitting].Name
		}
		for _, b := range f.own {
			s.Items += b.Len()
		}
		for _, e := range f.held {
			s.HeldItems += e.Batch.Len()
		}
		all = append(all, s)
	})
	return all
}

func (f *fitting) state() string {
	switch {
	case f.failed != nil:
		return StateFailed
	case f.waits:
		return StateLimit
	case f.worker == nil && f.done != nil:
		return StateDone
	case f.worker == nil:
		return StateNone
	case f.worker.ordered:
		return StateArchiving
	case f.worker.waiting:
		return StateWaiting
	default:
		return StateWorking
	}
}

// Limits of what is traced.
const (
	traceItems = 16 // of one batch
	traceBytes = 4 << 10
	traceEarly = 64 // notes from before the spec was known
)

// TraceAll in Spec.Trace asks for everything.
const TraceAll = "*"

// traces reports whether somebody asked for a note, by its tag, the fitting's
// name or the node.
func (s *Spec) traces(fitting int, node ring.NodeID, tag string) bool {
	return slices.Contains(s.Trace, tag) || slices.Contains(s.Trace, TraceAll) ||
		slices.Contains(s.Trace, string(node)) || slices.Contains(s.Trace, s.Fittings[fitting].Name)
}

func (q *Queues) trace(f *fitting, tag string, n int) {
	if q.traced(f) {
		q.note(f, Traced{Tag: tag, N: n})
	}
}

// traceBatch is trace with the items.
func (q *Queues) traceBatch(f *fitting, tag string, b Batch) {
	if !q.traced(f) {
		return
	}
	t := Traced{Tag: tag, N: b.Len()}
	size := 0
	for item := range b.All() {
		if b.own && len(item) > 0 {
			item = item[1:]
		}
		if size += len(item); len(t.Items) == traceItems || size > traceBytes {
			break
		}
		t.Items = append(t.Items, item)
	}
	q.note(f, t)
}

// traced reports whether a note may be wanted.
func (q *Queues) traced(f *fitting) bool {
	return q.opt.Trace || f.pipe.spec == nil || len(f.pipe.spec.Trace) > 0
}

func (q *Queues) note(f *fitting, t Traced) {
	t.Key, t.To = f.key, f.pipe.coordinator
	switch s := f.pipe.spec; {
	case q.opt.Trace:
		q.emit(t)
	case s == nil:
		if len(f.pipe.early) < traceEarly {
			f.pipe.early = append(f.pipe.early, t)
		}
	case f.key.Fitting < len(s.Fittings) && s.traces(f.key.Fitting, q.opt.Node, t.Tag):
		q.emit(t)
	}
}

// traceLate tells what was noted before the spec was known.
func (q *Queues) traceLate(p *pipeState) {
	early := p.early
	p.early = nil
	for _, t := range early {
		if t.Key.Fitting < len(p.spec.Fittings) && p.spec.traces(t.Key.Fitting, q.opt.Node, t.Tag) {
			q.emit(t)
		}
	}
}

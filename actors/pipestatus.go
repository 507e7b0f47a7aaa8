package actors

import (
	"context"
	"slices"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/pipe"
)

// PipeWork is one fitting of one pipe at one partition, and the node that has
// it.
type PipeWork struct {
	pipe.WorkStatus
	Node ring.NodeID
}

// PipeStatus is what the partitions of the cluster hold of pipes.
type PipeStatus struct {
	Work []PipeWork // by pipe, fitting and partition
	// Missing are the partitions that did not answer in time: what they hold is
	// not in Work.
	Missing []ring.Partition
}

// PipeStatus asks every partition, wherever it is now and also while it moves,
// what it holds of pipes. It returns when all have answered, or when ctx ends.
func (h *Host) PipeStatus(ctx context.Context) PipeStatus {
	ask := &statusAsker{replies: make(chan *letter, 16), done: make(chan struct{})}
	id := h.ends.add(ask)
	defer h.ends.remove(id)
	defer close(ask.done)
	me := pipe.Address{Node: h.opts.Self.Node, Incarnation: h.opts.Self.Incarnation, Endpoint: id}
	answered := make([]bool, h.View().RingSize())
	var s PipeStatus
	for left := len(answered); left > 0; {
		for p := range answered {
			if !answered[p] {
				h.toPipe(ring.Partition(p), &messages.GetWork{ReplyTo: addressOut(me)})
			}
		}
		again := time.NewTimer(h.opts.RetryAfter)
		for waiting := true; waiting && left > 0; {
			select {
			case l := <-ask.replies:
				if p := int(l.Partition); p < len(answered) && !answered[p] {
					if work, ok := workIn(l); ok {
						answered[p] = true
						left--
						s.Work = append(s.Work, work...)
					}
				}
			case <-again.C:
				waiting = false
			case <-ctx.Done():
				again.Stop()
				return s.sorted(answered)
			case <-h.ctx.Done():
				again.Stop()
				return s.sorted(answered)
			}
		}
		again.Stop()
	}
	return s.sorted(answered)
}

func (s PipeStatus) sorted(answered []bool) PipeStatus {
	for p, ok := range answered {
		if !ok {
			s.Missing = append(s.Missing, ring.Partition(p))
		}
	}
	slices.SortFunc(s.Work, func(a, b PipeWork) int {
		if c := slices.Compare(a.Pipe[:], b.Pipe[:]); c != 0 {
			return c
		}
		if a.Key.Fitting != b.Key.Fitting {
			return a.Key.Fitting - b.Key.Fitting
		}
		return int(a.Partition) - int(b.Partition)
	})
	return s
}

// statusAsker waits for the answers to GetWork.
type statusAsker struct {
	replies chan *letter
	done    chan struct{}
}

func (a *statusAsker) take(l *letter) {
	if l.Type != messages.TypeWorkReply {
		return // turned away; asked again
	}
	select {
	case a.replies <- l:
	case <-a.done:
	default: // asked again
	}
}

func (a *statusAsker) link(LinkEvent) {}
func (a *statusAsker) viewed(*View)   {}
func (a *statusAsker) stopped(error)  {}

func workReply(all []pipe.WorkStatus) *messages.WorkReply {
	reply := &messages.WorkReply{Work: make([]*messages.Work, len(all))}
	for i := range all {
		s := &all[i]
		reply.Work[i] = &messages.Work{
			Pipe: s.Pipe[:], Fitting: int32(s.Key.Fitting), Name: s.Fitting, Coordinator: addressOut(s.Coordinator),
			State: s.State, Moving: s.Moving, Eoi: s.EOI, Items: uint64(s.Items), Bytes: uint64(s.Bytes),
			HeldItems: uint64(s.HeldItems), HeldBytes: uint64(s.HeldBytes), In: s.In, Out: s.Out, Faults: s.Faults,
		}
	}
	return reply
}

func workIn(l *letter) ([]PipeWork, bool) {
	body, err := l.open()
	m, ok := body.(*messages.WorkReply)
	if err != nil || !ok {
		return nil, false
	}
	all := make([]PipeWork, len(m.Work))
	for i, w := range m.Work {
		all[i] = PipeWork{Node: ring.NodeID(l.From), WorkStatus: pipe.WorkStatus{
			Key: pipe.Key{Pipe: pipeID(w.Pipe), Fitting: int(w.Fitting)}, Coordinator: addressIn(w.Coordinator),
			Fitting: w.Name, Partition: ring.Partition(l.Partition), State: w.State, Moving: w.Moving, EOI: w.Eoi,
			Items: int(w.Items), Bytes: int(w.Bytes), HeldItems: int(w.HeldItems), HeldBytes: int(w.HeldBytes),
			In: w.In, Out: w.Out, Faults: w.Faults,
		}}
	}
	return all, true
}

// TraceNote is a note of a pipe's trace.
type TraceNote struct {
	Node      ring.NodeID
	Fitting   string
	Partition ring.Partition
	Tag       string // see the Trace constants of package pipe
	Items     int
	Some      [][]byte // of the items, where they were queued or failed
	Cause     string   // of a failure
}

func (r *Run) traced(l *letter, m *messages.Trace, tell func(TraceNote)) {
	if tell == nil || m.Fitting < 0 || int(m.Fitting) >= len(r.spec.Fittings) {
		return
	}
	tell(TraceNote{
		Node: ring.NodeID(l.From), Fitting: r.spec.Fittings[m.Fitting].Name, Partition: ring.Partition(l.Partition),
		Tag: m.Tag, Items: int(m.N), Some: m.Items, Cause: m.Cause,
	})
}

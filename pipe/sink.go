package pipe

import "slices"

// SinkEvent is what happened to a sink: *Enqueue from workers, Want from its
// consumer, *SinkEnd from the coordinator.
type SinkEvent interface{ sinkEvent() }

// SinkAction is what the shell of a sink must do: Deliver to the consumer, send
// *Ack and *Refuse to workers, *SinkDone to the coordinator, tell the consumer
// *Complete.
type SinkAction interface{ sinkAction() }

type (
	// Want: the consumer has room for Batches more batches.
	Want struct{ Batches int }
	// Deliver gives a batch of results to the consumer, which had room for it;
	// it counts as taken.
	Deliver struct {
		From  uint64 // partition of the worker
		Batch Batch
	}
	// Complete: there will be no more results. Err tells whether all came.
	Complete struct {
		Items uint64
		Err   error
	}
)

func (*Enqueue) sinkEvent() {}
func (Want) sinkEvent()     {}
func (*SinkEnd) sinkEvent() {}

func (Deliver) sinkAction()   {}
func (*Ack) sinkAction()      {}
func (*Refuse) sinkAction()   {}
func (*SinkDone) sinkAction() {}
func (*Complete) sinkAction() {}

// SinkOptions configures a sink.
type SinkOptions struct {
	Spec    *Spec
	MaxHeld int // bytes of batches waiting for the consumer, default 16 MiB
}

// Sink is the end of a pipe. Results of one worker are delivered in order,
// each once, as fast as the consumer wants them: workers get no
// acknowledgement before, and so slow down to its pace. Not safe for
// concurrent use.
type Sink struct {
	opt      SinkOptions
	seen     map[Stream]*window
	held     []*Enqueue
	bytes    int
	credit   int
	items    uint64
	end      *SinkEnd
	complete bool
	out      []SinkAction
}

// NewSink returns a sink whose consumer has no room yet.
func NewSink(opt SinkOptions) *Sink {
	if opt.MaxHeld <= 0 {
		opt.MaxHeld = defaultMaxHeld
	}
	return &Sink{opt: opt, seen: make(map[Stream]*window)}
}

// Items returns the number of items delivered.
func (s *Sink) Items() uint64 { return s.items }

// Step applies one event. The result is valid until the next call.
func (s *Sink) Step(e SinkEvent) []SinkAction {
	clear(s.out)
	s.out = s.out[:0]
	switch e := e.(type) {
	case *Enqueue:
		s.enqueue(e)
	case Want:
		s.credit += e.Batches
		s.deliver()
	case *SinkEnd:
		if e.Pipe == s.opt.Spec.ID {
			s.end = e
			s.finish()
		}
	}
	return s.out
}

func (s *Sink) enqueue(e *Enqueue) {
	if e.Pipe != s.opt.Spec.ID {
		return
	}
	w := s.seen[e.Stream]
	if w == nil {
		w = new(window)
		s.seen[e.Stream] = w
	}
	switch {
	case e.Seq <= w.acked:
		s.ack(e, w.acked)
	case e.Seq <= w.accepted:
		for i, h := range s.held {
			if h.Stream == e.Stream && h.Seq == e.Seq {
				s.held[i] = e // where the sender is now
			}
		}
	case e.Seq > w.accepted+1:
		s.out = append(s.out, &Refuse{
			To: e.ReplyTo, Pipe: e.Pipe, Fitting: e.Fitting, Stream: e.Stream, Expected: w.accepted + 1, Round: e.Round,
		})
	case s.complete:
	case s.bytes+e.Batch.Size() <= s.opt.MaxHeld || len(s.held) == 0:
		w.accepted = e.Seq
		s.held = append(s.held, e)
		s.bytes += e.Batch.Size()
		s.deliver()
	}
}

func (s *Sink) ack(e *Enqueue, seq uint64) {
	s.out = append(s.out, &Ack{To: e.ReplyTo, Pipe: e.Pipe, Fitting: e.Fitting, Stream: e.Stream, Seq: seq})
}

func (s *Sink) deliver() {
	n := min(s.credit, len(s.held))
	for _, e := range s.held[:n] {
		s.items += uint64(e.Batch.Len())
		s.bytes -= e.Batch.Size()
		s.seen[e.Stream].acked = e.Seq
		s.out = append(s.out, Deliver{From: e.Stream.From, Batch: e.Batch})
		s.ack(e, e.Seq)
	}
	s.held = slices.Delete(s.held, 0, n)
	s.credit -= n
	if n > 0 {
		s.finish()
	}
}

// finish answers the coordinator once the consumer has everything.
func (s *Sink) finish() {
	if s.end == nil || s.end.Err == nil && len(s.held) > 0 {
		return
	}
	s.out = append(s.out, &SinkDone{To: s.end.ReplyTo, Pipe: s.end.Pipe, Items: s.items})
	if s.complete {
		return
	}
	s.complete = true
	done := &Complete{Items: s.items, Err: s.end.Err}
	if done.Err == nil && s.items != s.end.Items {
		done.Err = &CountsError{Fitting: "sink", Sent: s.end.Items, Processed: s.items}
	}
	s.held, s.bytes = nil, 0
	s.out = append(s.out, done)
}

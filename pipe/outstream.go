package pipe

import (
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

// outStream is the sequence to one destination.
type outStream struct {
	partition  ring.Partition
	build      Builder
	sealed     []*Enqueue // unacknowledged, by sequence
	sent       int        // the first of sealed, under way
	acked      uint64
	ackRound   uint8  // round of the last acknowledgement
	items      uint64 // emitted in all
	tickMark   uint64 // oldest under way at the last tick
	recovering bool   // one batch was sent again on suspicion; the rest follows its acknowledgement
	backTo     uint64 // last refusal that was answered
	backRound  uint8
	marked     uint64 // the last mark since which it was used
}

func (o *Outbox) stream(p ring.Partition) *outStream {
	c := o.chunks[p/chunk]
	if c == nil {
		c = new([chunk]*outStream)
		o.chunks[p/chunk] = c
	}
	s := c[p%chunk]
	if s == nil {
		s = &outStream{partition: p, build: Builder{room: o.room}}
		c[p%chunk] = s
		o.active = append(o.active, s)
	}
	return s
}

// seal closes the batch being built and sends it if the window has room.
func (o *Outbox) seal(s *outStream) {
	o.seat(s, s.build.Seal())
	o.advance(s)
}

// seat gives a batch its place in the sequence.
func (o *Outbox) seat(s *outStream, b Batch) {
	b.own = o.opt.Own
	e := &Enqueue{
		Pipe: o.opt.Spec.ID, Fitting: o.to, Partition: s.partition, Stream: o.opt.Stream,
		Seq: s.acked + uint64(len(s.sealed)) + 1, Coordinator: o.opt.Spec.Coordinator,
		ReplyTo: o.opt.ReplyTo, Round: o.round, Batch: b,
	}
	e.Payload()
	if len(s.sealed) == s.sent {
		o.stalled++
	}
	s.sealed = append(s.sealed, e)
}

// advance sends what the window has room for.
func (o *Outbox) advance(s *outStream) {
	if s.sent == len(s.sealed) {
		return
	}
	for s.sent < min(len(s.sealed), o.opt.Window) {
		o.transmit(s.sealed[s.sent])
		s.sent++
	}
	if s.sent == len(s.sealed) {
		o.stalled--
	}
}

func (o *Outbox) transmit(e *Enqueue) {
	if e.Round != o.round {
		again := *e
		again.Round = o.round
		e = &again
	}
	o.out = append(o.out, Transmit{ToSink: o.sink, Enqueue: e})
}

func (o *Outbox) acked(s *outStream, seq uint64) {
	if seq <= s.acked || seq > s.acked+uint64(s.sent) {
		return
	}
	n := int(seq - s.acked)
	for _, e := range s.sealed[:n] {
		o.bytes -= e.Batch.Size()
	}
	waiting := s.sent < len(s.sealed)
	s.sealed = slices.Delete(s.sealed, 0, n)
	s.sent -= n
	s.acked, s.ackRound = seq, o.round
	if s.recovering {
		s.recovering = false
		for _, e := range s.sealed[:s.sent] {
			o.transmit(e)
		}
	}
	if waiting {
		o.advance(s)
	}
	if len(s.sealed) > 0 {
		return
	}
	if s.build.count > 0 {
		o.seal(s)
	} else {
		o.unsettled--
	}
}

// refused goes back to where the destination is. A destination that expects
// what it has acknowledged before this batch was sent has forgotten it: rounds
// tell that apart from a refusal that was merely late.
func (o *Outbox) refused(s *outStream, e *Refuse) {
	if e.Expected <= s.acked {
		if int8(e.Round-s.ackRound) > 0 {
			o.out = append(o.out, Lost{ToSink: o.sink, Partition: s.partition})
		}
		return
	}
	if s.backTo == e.Expected && s.backRound == o.round {
		return
	}
	s.backTo, s.backRound = e.Expected, o.round
	for _, b := range s.sealed[:s.sent] {
		if b.Seq >= e.Expected {
			o.transmit(b)
		}
	}
}

// probe sends the oldest batch under way again. Its acknowledgement, old or
// new, tells what to do with the rest.
func (o *Outbox) probe(s *outStream) {
	if s.sent > 0 {
		s.recovering = true
		o.transmit(s.sealed[0])
	}
}

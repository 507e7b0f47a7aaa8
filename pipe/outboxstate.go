package pipe

import (
	"encoding/binary"
	"fmt"
)

const outboxVersion = 1

// AppendBinary appends the outbox's whole state: for every destination where
// its sequence stands and what is not acknowledged. It moves with a worker, so
// that the sequences go on where they were.
func (o *Outbox) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, outboxVersion)
	b = appendStream(b, o.opt.Stream)
	b = append(b, o.round)
	b = appendBool(b, o.opt.Own)
	b = binary.AppendUvarint(b, uint64(len(o.active)))
	for _, s := range o.active {
		b = binary.AppendUvarint(b, uint64(s.partition))
		b = binary.AppendUvarint(b, s.acked)
		b = binary.AppendUvarint(b, s.items)
		n := len(s.sealed)
		if s.build.count > 0 {
			n++
		}
		b = binary.AppendUvarint(b, uint64(n))
		for _, e := range s.sealed {
			b = appendBatch(b, e.Batch)
		}
		if s.build.count > 0 {
			b = appendBatch(b, Batch{count: s.build.count, room: o.room, own: o.opt.Own, buf: s.build.buf})
		}
	}
	return b, nil
}

// RestoreOutbox returns the outbox whose state was encoded, under the stream
// that it had. It keeps data. Everything unacknowledged is sent again by the
// first Flush; destinations that have it already say so. The errors are
// ErrDamaged, ErrVersion and those of NewOutbox.
func RestoreOutbox(opt OutboxOptions, reg *Registry, data []byte) (*Outbox, error) {
	r := reader{b: data}
	r.version(outboxVersion)
	opt.Stream = r.stream()
	if r.err == nil && opt.Stream.Fitting >= len(opt.Spec.Fittings) {
		r.fail(ErrDamaged)
	}
	if r.err != nil {
		return nil, fmt.Errorf("restore outbox of %d bytes: %w", len(data), r.err)
	}
	round := r.byte()
	opt.Own = r.bool()
	if r.err != nil || opt.Own && opt.Stream.Fitting < 0 {
		return nil, fmt.Errorf("restore outbox of %d bytes: %w", len(data), ErrDamaged)
	}
	o, err := NewOutbox(opt, reg)
	if err != nil {
		return nil, err
	}
	// What was sent before belongs to earlier rounds; see refused.
	o.round = round + 1
	n := r.count()
	for range n {
		if o.restoreStream(&r); r.err != nil {
			break
		}
	}
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("restore outbox of %d bytes: %w", len(data), err)
	}
	return o, nil
}

func (o *Outbox) restoreStream(r *reader) {
	p := r.partition()
	if int(p) >= o.opt.Spec.RingSize || o.sink && p != 0 {
		r.fail(ErrDamaged)
		return
	}
	s := o.stream(p)
	if s.items > 0 || len(s.sealed) > 0 { // listed twice
		r.fail(ErrDamaged)
		return
	}
	s.acked, s.items, s.ackRound = r.uvarint(), r.uvarint(), o.round-1
	o.items += s.items
	n := r.count()
	for range n {
		b := r.batch()
		if r.err != nil {
			return
		}
		o.seat(s, b)
		o.bytes += b.Size()
	}
	if n > 0 {
		o.unsettled++
		o.idle = append(o.idle, s)
	}
}

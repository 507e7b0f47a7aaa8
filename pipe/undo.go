package pipe

// mark is where an outbox stood when the call of a worker's code began that is
// under way. Nothing is sent and no acknowledgement comes before it ends.
type mark struct {
	number                               uint64 // 0: no mark was ever set
	touched                              []savepoint
	idle, out, bytes, stalled, unsettled int
}

// savepoint is where a stream stood before the first item since the mark.
type savepoint struct {
	stream       *outStream
	sealed, sent int
	count, size  int // of the batch being built; size with its room
	items        uint64
}

// Mark sets the point to which Undo goes back. Step and Flush end it.
func (o *Outbox) Mark() {
	m := &o.mark
	m.number++
	m.touched = m.touched[:0]
	m.idle, m.out, m.bytes, m.stalled, m.unsettled = len(o.idle), len(o.out), o.bytes, o.stalled, o.unsettled
}

// save notes where a stream stands that is used for the first time since the
// mark.
func (o *Outbox) save(s *outStream) {
	s.marked = o.mark.number
	o.mark.touched = append(o.mark.touched, savepoint{
		stream: s, sealed: len(s.sealed), sent: s.sent, count: s.build.count, size: len(s.build.buf), items: s.items,
	})
}

// Undo takes back every item emitted since the last Mark.
func (o *Outbox) Undo() {
	m := &o.mark
	for _, p := range m.touched {
		s := p.stream
		buf := s.build.buf
		if len(s.sealed) > p.sealed {
			buf = s.sealed[p.sealed].Batch.buf // begins with what was being built
		}
		clear(s.sealed[p.sealed:])
		o.items -= s.items - p.items
		s.sealed, s.sent, s.items = s.sealed[:p.sealed], p.sent, p.items
		s.build.buf, s.build.count = nil, p.count
		if p.count > 0 {
			s.build.buf = buf[:p.size]
		}
	}
	m.touched = m.touched[:0]
	clear(o.out[m.out:])
	o.idle, o.out = o.idle[:m.idle], o.out[:m.out]
	o.bytes, o.stalled, o.unsettled = m.bytes, m.stalled, m.unsettled
}

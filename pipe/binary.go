package pipe

import (
	"encoding/binary"

	"github.com/dee2748c/baton/cluster/ring"
)

// Encodings of this package start with a version byte; numbers are uvarints,
// byte strings are prefixed with their length.

func appendBytes[T ~string | ~[]byte](b []byte, v T) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendAddress(b []byte, a Address) []byte {
	b = appendBytes(b, a.Node)
	b = binary.AppendUvarint(b, a.Incarnation)
	return binary.AppendUvarint(b, a.Endpoint)
}

func appendStream(b []byte, s Stream) []byte {
	b = binary.AppendVarint(b, int64(s.Fitting))
	b = binary.AppendUvarint(b, s.From)
	return binary.AppendUvarint(b, uint64(s.Attempt))
}

func appendBatch(b []byte, batch Batch) []byte {
	b = binary.AppendUvarint(b, uint64(batch.Len()))
	b = appendBool(b, batch.own)
	return appendBytes(b, batch.Bytes())
}

func appendCounts(b []byte, c Counts) []byte {
	b = binary.AppendUvarint(b, c.In)
	b = appendAside(b, c.Aside, c.Letters)
	b = appendSent(b, c.Sent)
	return appendSent(b, c.Own)
}

func appendSent(b []byte, sent []Sent) []byte {
	b = binary.AppendUvarint(b, uint64(len(sent)))
	for _, s := range sent {
		b = binary.AppendUvarint(b, uint64(s.Partition))
		b = binary.AppendUvarint(b, s.Items)
	}
	return b
}

// reader decodes; its first failure sticks and everything read after it is
// zero. Byte strings alias the input.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

// version reads the leading byte, which must be want.
func (r *reader) version(want byte) {
	if v := r.byte(); r.err == nil && v != want {
		r.fail(ErrVersion)
	}
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail(ErrDamaged)
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) bool() bool {
	v := r.byte()
	if v > 1 {
		r.fail(ErrDamaged)
	}
	return v == 1
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail(ErrDamaged)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail(ErrDamaged)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// bounded reads a number that must not exceed limit.
func (r *reader) bounded(limit uint64) uint64 {
	v := r.uvarint()
	if v > limit {
		r.fail(ErrDamaged)
		return 0
	}
	return v
}

// count reads the length of a list whose elements take at least one byte each.
func (r *reader) count() int { return int(r.bounded(uint64(len(r.b)))) }

func (r *reader) bytes() []byte {
	n := r.bounded(uint64(len(r.b)))
	// The length itself was consumed after the bound was taken.
	if n > uint64(len(r.b)) {
		r.fail(ErrDamaged)
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) string() string { return string(r.bytes()) }

func (r *reader) id() ID {
	if len(r.b) < len(ID{}) {
		r.fail(ErrDamaged)
		return ID{}
	}
	id := ID(r.b[:len(ID{})])
	r.b = r.b[len(id):]
	return id
}

func (r *reader) partition() ring.Partition { return ring.Partition(r.bounded(1<<32 - 1)) }

func (r *reader) address() Address {
	return Address{Node: ring.NodeID(r.string()), Incarnation: r.uvarint(), Endpoint: r.uvarint()}
}

func (r *reader) stream() Stream {
	f := r.varint()
	if f < Input || f > MaxFittings {
		r.fail(ErrDamaged)
		return Stream{}
	}
	return Stream{Fitting: int(f), From: r.uvarint(), Attempt: uint32(r.bounded(1<<32 - 1))}
}

func (r *reader) batch() Batch {
	n := r.count()
	own := r.bool()
	data := r.bytes()
	if r.err != nil {
		return Batch{}
	}
	b, err := DecodeBatch(n, data)
	b.own = own
	if err != nil {
		r.fail(ErrDamaged)
	}
	return b
}

func (r *reader) counts() Counts {
	c := Counts{In: r.uvarint()}
	c.Aside, c.Letters = r.aside()
	c.Sent, c.Own = r.sent(), r.sent()
	if r.err != nil {
		return Counts{}
	}
	return c
}

func (r *reader) sent() []Sent {
	var all []Sent
	for n := r.count(); n > 0 && r.err == nil; n-- {
		all = append(all, Sent{Partition: r.partition(), Items: r.uvarint()})
	}
	return all
}

// end returns the first failure; bytes left over are one.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail(ErrDamaged)
	}
	return r.err
}

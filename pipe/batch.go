package pipe

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// Limits of items and batches, in bytes.
const (
	MaxItem       = 124 << 20 // the largest item: one that fits a frame between nodes
	MaxErrorInput = 1 << 10   // what a WorkerError keeps of its input
	batchFull     = 64 << 10  // a batch of at least this size is sealed
	batchStart    = 128       // first buffer of a builder
)

// Batch is an immutable sequence of items in one buffer: for each item its
// length as uvarint, then its bytes. The same buffer is queued, given to the
// worker and put on the wire. The zero Batch is empty.
type Batch struct {
	count int
	room  int    // bytes before the items that the owner may use for a header
	own   bool   // from the fitting itself: each item begins with the partitions tried before
	buf   []byte // room, then the items
}

// BatchOf returns a batch of copies of the items.
func BatchOf(items ...[]byte) Batch {
	var b Builder
	for _, it := range items {
		b.Append(it)
	}
	return b.Seal()
}

// DecodeBatch returns the batch of count items that lies in data, which it
// keeps. It fails with ErrDamaged unless data holds exactly these.
func DecodeBatch(count int, data []byte) (Batch, error) {
	rest := data
	for range count {
		n, w := binary.Uvarint(rest)
		if w <= 0 || n > uint64(len(rest)-w) {
			return Batch{}, fmt.Errorf("decode batch of %d items: %w", count, ErrDamaged)
		}
		rest = rest[w+int(n):]
	}
	if count < 0 || len(rest) != 0 {
		return Batch{}, fmt.Errorf("decode batch of %d items: %d bytes left over: %w", count, len(rest), ErrDamaged)
	}
	return Batch{count: count, buf: data}, nil
}

// Len returns the number of items.
func (b Batch) Len() int { return b.count }

// Size returns the encoded size of the items in bytes.
func (b Batch) Size() int { return len(b.buf) - b.room }

// Bytes returns the encoded items; it aliases the batch.
func (b Batch) Bytes() []byte { return b.buf[b.room:] }

// Cursor returns a cursor before the first item.
func (b Batch) Cursor() Cursor { return Cursor{left: b.count, own: b.own, rest: b.buf[b.room:]} }

// All returns the items in order; they alias the batch.
func (b Batch) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		c := b.Cursor()
		for it, ok := c.Next(); ok; it, ok = c.Next() {
			if !yield(it) {
				return
			}
		}
	}
}

// Cursor walks through a batch.
type Cursor struct {
	left int
	own  bool // see Batch
	rest []byte
}

// Next returns the next item, which aliases the batch and has no spare
// capacity, or false at the end.
func (c *Cursor) Next() ([]byte, bool) {
	if c.left == 0 {
		return nil, false
	}
	n, w := uint64(c.rest[0]), 1
	if n >= 0x80 {
		n, w = binary.Uvarint(c.rest)
	}
	end := w + int(n)
	it := c.rest[w:end:end]
	c.rest = c.rest[end:]
	c.left--
	return it, true
}

// Rest returns the items not yet returned by Next as a batch of its own.
func (c *Cursor) Rest() Batch { return Batch{count: c.left, own: c.own, buf: c.rest} }

// Builder collects items into a batch. The zero Builder is ready to use and
// leaves no room for a header.
type Builder struct {
	room  int
	hint  int // size of the last batch
	count int
	buf   []byte
}

// NewBuilder returns a builder whose batches have room bytes for a header in
// front of the items.
func NewBuilder(room int) *Builder { return &Builder{room: room} }

// Append copies an item into the batch.
func (b *Builder) Append(item []byte) {
	if b.buf == nil {
		b.buf = make([]byte, b.room, b.room+b.capacity())
	}
	if n := len(item); n < 0x80 {
		b.buf = append(b.buf, byte(n))
	} else {
		b.buf = binary.AppendUvarint(b.buf, uint64(n))
	}
	b.buf = append(b.buf, item...)
	b.count++
}

// capacity is what the next batch is expected to take: about as much as the
// last.
func (b *Builder) capacity() int {
	if b.hint == 0 {
		return batchStart
	}
	return b.hint + b.hint/8
}

// Len returns the number of items so far.
func (b *Builder) Len() int { return b.count }

// Size returns the encoded size of the items so far in bytes.
func (b *Builder) Size() int { return max(0, len(b.buf)-b.room) }

// Seal returns what was collected, without copying, and leaves the builder
// empty with no claim on the buffer.
func (b *Builder) Seal() Batch {
	if b.buf == nil {
		return Batch{}
	}
	sealed := Batch{count: b.count, room: b.room, buf: b.buf}
	b.hint = min(sealed.Size(), batchFull)
	b.buf, b.count = nil, 0
	return sealed
}

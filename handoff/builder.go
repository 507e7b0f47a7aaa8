package handoff

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/dee2748c/baton/messages"
)

// DefaultBatchBytes is the size of a batch, in bytes, where nobody says otherwise.
const DefaultBatchBytes = 256 << 10

// ItemsBuilder encodes items into one contiguous batch. The zero value is ready
// and makes batches of DefaultBatchBytes. It belongs to one goroutine.
type ItemsBuilder struct {
	buf   []byte
	count uint32
	limit int
}

// NewItemsBuilder returns a builder of batches of at most limit bytes; 0 means
// DefaultBatchBytes. A single item that is larger makes a batch of its own.
func NewItemsBuilder(limit int) *ItemsBuilder {
	b := new(ItemsBuilder)
	b.Limit(limit)
	return b
}

// Limit changes the size of a batch, in bytes. 0 means DefaultBatchBytes.
func (b *ItemsBuilder) Limit(limit int) {
	b.limit = min(max(limit, 0), messages.MaxPayloadSize)
}

// Len returns the number of items in the batch begun.
func (b *ItemsBuilder) Len() int { return int(b.count) }

// Size returns the number of bytes of the batch begun, 0 when it is empty.
func (b *ItemsBuilder) Size() int { return len(b.buf) }

// Put adds an item, copying key and value. Errors: ErrBatchFull, after which
// the same item fits the next batch; ErrItemTooLarge.
func (b *ItemsBuilder) Put(key, value []byte, version uint64) error {
	if err := b.reserve(len(key), len(value)); err != nil {
		return err
	}
	// reserve has made room for the longest header.
	at := b.buf[len(b.buf):cap(b.buf)]
	at[0] = flagPut
	n := 1 + binary.PutUvarint(at[1:], uint64(len(key)))
	n += binary.PutUvarint(at[n:], version)
	n += binary.PutUvarint(at[n:], uint64(len(value)))
	n += copy(at[n:], key)
	n += copy(at[n:], value)
	b.buf = b.buf[:len(b.buf)+n]
	b.count++
	return nil
}

// Delete adds the removal of a key, copying it. Errors as Put.
func (b *ItemsBuilder) Delete(key []byte) error {
	if err := b.reserve(len(key), 0); err != nil {
		return err
	}
	b.buf = append(b.buf, flagDelete)
	b.buf = binary.AppendUvarint(b.buf, uint64(len(key)))
	b.buf = append(b.buf, key...)
	b.count++
	return nil
}

// Take returns the batch and begins an empty one; the caller owns the returned
// bytes. It returns nil for an empty batch. What it returns has little room
// unused: a store may keep it for as long as it keeps one of its values.
func (b *ItemsBuilder) Take() []byte {
	if b.count == 0 {
		return nil
	}
	binary.LittleEndian.PutUint32(b.buf[1:], b.count)
	batch := b.buf
	b.count = 0
	if len(batch) < cap(batch)-cap(batch)/8 {
		b.buf = batch[:0]
		return bytes.Clone(batch)
	}
	b.buf = nil
	return batch
}

// Recycle begins an empty batch in the room of buf, which nobody else may use
// any more.
func (b *ItemsBuilder) Recycle(buf []byte) { b.buf, b.count = buf[:0], 0 }

func (b *ItemsBuilder) reserve(key, value int) error {
	limit := b.limit
	if limit == 0 {
		limit = DefaultBatchBytes
	}
	need := maxItemHeader + key + value
	if itemsHeaderSize+need > messages.MaxPayloadSize {
		return fmt.Errorf("add item of %d bytes: %w", key+value, ErrItemTooLarge)
	}
	if b.count > 0 {
		if len(b.buf)+need > limit {
			return ErrBatchFull
		}
		b.buf = slices.Grow(b.buf, need) // does nothing unless the limit was raised meanwhile
		return nil
	}
	if room := max(limit, itemsHeaderSize+need); cap(b.buf) < room {
		b.buf = make([]byte, 0, room)
	}
	b.buf = append(b.buf[:0], Codec, 0, 0, 0, 0)
	return nil
}

package handoff

import (
	"errors"
	"fmt"

	"github.com/dee2748c/baton/store"
)

// Encode turns an item's value into the form in which it travels. An error
// fails the handoff (F8). nil means the value as it is.
type Encode func(key, value []byte) ([]byte, error)

// BulkReader cuts a snapshot into batches. It belongs to one goroutine; the
// iterator remains its maker's to close.
type BulkReader struct {
	it     store.Iterator
	encode Encode
	b      ItemsBuilder
	held   bool // the current item did not fit the last batch
	ended  bool // the last batch was read
}

// NewBulkReader returns a reader of all that it yields.
func NewBulkReader(it store.Iterator, encode Encode) *BulkReader {
	return &BulkReader{it: it, encode: encode}
}

// Read returns the next batch of at most maxBytes as BulkRead, or Unreadable.
// After the last batch, and after an error, it is not called again.
func (r *BulkReader) Read(maxBytes int) SenderEvent {
	r.b.Limit(maxBytes)
	for r.held || r.it.Next() {
		item := r.it.Item()
		err := putEncoded(&r.b, item.Key, item.Value, item.Version, r.encode)
		if r.held = errors.Is(err, ErrBatchFull); r.held {
			return r.take(false)
		}
		if err != nil {
			return Unreadable{Err: err}
		}
	}
	if err := r.it.Err(); err != nil {
		return Unreadable{Err: fmt.Errorf("read snapshot: %w", err)}
	}
	return r.take(true)
}

// Recycle lets the next batch use the room of one that nobody else may use any
// more.
func (r *BulkReader) Recycle(payload []byte) { r.b.Recycle(payload) }

// Ended reports whether Read has returned the last batch.
func (r *BulkReader) Ended() bool { return r.ended }

func (r *BulkReader) take(last bool) BulkRead {
	r.ended = last
	n := r.b.Len()
	return BulkRead{Items: n, Payload: r.b.Take(), Last: last}
}

// putEncoded adds an item in the form in which it travels, and names the item
// in every error but ErrBatchFull.
func putEncoded(b *ItemsBuilder, key, value []byte, version uint64, encode Encode) error {
	if encode != nil {
		var err error
		if value, err = encode(key, value); err != nil {
			return fmt.Errorf("encode item %q: %w", key, err)
		}
	}
	err := b.Put(key, value, version)
	if err != nil && !errors.Is(err, ErrBatchFull) {
		return fmt.Errorf("item %q: %w", key, err)
	}
	return err
}

package handoff

import (
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
)

// Codec is the number of this package's encoding of items, named in the
// handshake. Peers without a common number refuse each other.
const Codec = 1

// The layout of a batch, integers little endian:
//
//	offset size field
//	     0    1 codec, 1
//	     1    4 number of items
//	     5      items, one behind the other
//
//	put:    0, uvarint key length, uvarint version, uvarint value length, key, value
//	delete: 1, uvarint key length, key
//
// Uvarints are in their shortest form, so that a batch has one encoding.
const (
	itemsHeaderSize = 5
	minItemSize     = 2
	maxItemHeader   = 1 + 3*binary.MaxVarintLen64

	flagPut    = 0
	flagDelete = 1
)

// Items is a batch that was parsed and found whole: puts and deletes in the
// order in which they take effect. It is a view of the payload; nothing is
// copied.
type Items struct {
	body  []byte
	count int
}

// ParseItems checks a whole batch before any of it is used, so that a batch is
// applied in full or not at all. The error is messages.ErrDamaged, or
// messages.ErrCodec for another encoding. It allocates nothing but the error
// and never panics, whatever the bytes.
func ParseItems(payload []byte) (Items, error) {
	if len(payload) < itemsHeaderSize {
		return Items{}, fmt.Errorf("parse items: %d bytes of at least %d: %w", len(payload), itemsHeaderSize, messages.ErrDamaged)
	}
	if payload[0] != Codec {
		return Items{}, fmt.Errorf("parse items: codec %d, this node speaks %d: %w", payload[0], Codec, messages.ErrCodec)
	}
	count := binary.LittleEndian.Uint32(payload[1:])
	body := payload[itemsHeaderSize:]
	rest := body
	for i := range count {
		var ok bool
		if _, rest, ok = cutItem(rest); !ok {
			return Items{}, fmt.Errorf("parse items: item %d of %d: %w", i, count, messages.ErrDamaged)
		}
	}
	if len(rest) > 0 {
		return Items{}, fmt.Errorf("parse items: %d bytes behind item %d: %w", len(rest), count, messages.ErrDamaged)
	}
	return Items{body: body, count: int(count)}, nil
}

// Len returns the number of items.
func (it Items) Len() int { return it.count }

// Size returns the size of the items as they travel, in bytes.
func (it Items) Size() int { return len(it.body) }

// All returns the items in order. Keys and values alias the payload and stay
// valid as long as it is not written to, which it never is.
func (it Items) All() iter.Seq[store.Op] {
	return func(yield func(store.Op) bool) {
		rest := it.body
		for len(rest) > 0 {
			op, next, ok := cutItem(rest)
			if !ok || !yield(op) {
				return
			}
			rest = next
		}
	}
}

// AddTo appends the items to a store batch, without copying keys or values.
func (it Items) AddTo(b *store.Batch) {
	for op := range it.All() {
		if op.Delete {
			b.Delete(op.Key)
		} else {
			b.Put(op.Key, op.Value, op.Version)
		}
	}
}

// cutItem reads the item at the start of b. It is the only reader of the
// layout: the check and the use of a batch can't disagree.
func cutItem(b []byte) (op store.Op, rest []byte, ok bool) {
	if len(b) < minItemSize {
		return op, nil, false
	}
	flag, b := b[0], b[1:]
	keyLen, b, ok := cutUvarint(b)
	if !ok || flag > flagDelete {
		return op, nil, false
	}
	var valueLen uint64
	if flag == flagPut {
		if op.Version, b, ok = cutUvarint(b); !ok {
			return op, nil, false
		}
		if valueLen, b, ok = cutUvarint(b); !ok {
			return op, nil, false
		}
	}
	// Compared one by one: the sum of two forged lengths could wrap around.
	if keyLen > uint64(len(b)) || valueLen > uint64(len(b))-keyLen {
		return op, nil, false
	}
	op.Key = b[:keyLen:keyLen]
	if flag == flagDelete {
		op.Delete = true
		return op, b[keyLen:], true
	}
	end := keyLen + valueLen
	op.Value = b[keyLen:end:end]
	return op, b[end:], true
}

// cutUvarint reads one integer in its shortest form.
func cutUvarint(b []byte) (v uint64, rest []byte, ok bool) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), b[1:], true
	}
	if len(b) > 1 && b[1]-1 < 0x7f { // the second byte ends it and is not 0
		return uint64(b[0]&0x7f) | uint64(b[1])<<7, b[2:], true
	}
	v, n := binary.Uvarint(b)
	if n <= 0 || b[n-1] == 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}

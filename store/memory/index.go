package memory

import (
	"hash/maphash"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
)

// record is one item as reads of its key find it: 64 bytes. Its strings are the
// batch's own bytes, which nobody changes.
type record struct {
	key, value string
	version    uint64
	hash       topology.ItemHash
	state      recordState
}

type recordState uint8

const (
	recordFree    recordState = iota // no item
	recordFresh                      // not in the tree yet: the generation has it in its list
	recordRemoved                    // no item any more, and still in that list
	recordOrdered                    // in the tree too
)

func (r *record) item() store.Item {
	return store.Item{Key: asBytes(r.key), Value: asBytes(r.value), Version: r.version}
}

func (r *record) size() int { return len(r.key) + len(r.value) }

// chunkRecords is how many records are allocated at once: 32 KiB, which the
// allocator puts on pages of its own.
const (
	chunkBits    = 9
	chunkRecords = 1 << chunkBits
)

// maxRecords is how many records an index is used for: numbers have 32 bits.
const maxRecords = 1 << 31

// index is the records of a generation and a hash table that finds them by their
// keys. The table has no pointers, and records stand side by side in chunks: so
// the collector follows nothing but the records' strings. A record is named by
// its number; its address changes when the first chunk grows, so it counts until
// the next insert only. What removed items took is used again by new ones, and
// given back with the generation.
type index struct {
	seed   maphash.Seed
	slots  []slotWord // a power of two of them, at most two thirds in use; nil at first
	used   int
	chunks [][]record
	next   uint32   // the first number that was never given
	free   []uint32 // numbers to be given again
}

// slotWord is a place of the table: half of the key's hash, and the number of its
// record plus 1. 0 is an empty place.
type slotWord uint64

func newSlotWord(tag, number uint32) slotWord { return slotWord(tag)<<32 | slotWord(number+1) }

func (s slotWord) tag() uint32    { return uint32(s >> 32) }
func (s slotWord) number() uint32 { return uint32(s) - 1 }

func newIndex() index { return index{seed: maphash.MakeSeed()} }

// tag returns the half of a key's hash that the table goes by.
func (x *index) tag(key string) uint32 { return uint32(maphash.String(x.seed, key)) }

// record returns the record of a number.
func (x *index) record(number uint32) *record {
	return &x.chunks[number>>chunkBits][number&(chunkRecords-1)]
}

// get returns the record of a key, nil if there is none.
func (x *index) get(tag uint32, key string) *record {
	if x.used == 0 {
		return nil
	}
	_, r := x.find(tag, key)
	return r
}

// find returns the place of a key and its record; nil, and the place where it
// would stand, if there is none. The table has an empty place.
func (x *index) find(tag uint32, key string) (at int, r *record) {
	mask := len(x.slots) - 1
	for at = int(tag) & mask; ; at = (at + 1) & mask {
		s := x.slots[at]
		if s == 0 {
			return at, nil
		}
		if s.tag() == tag {
			if r = x.record(s.number()); r.key == key {
				return at, r
			}
		}
	}
}

// put returns the record of a key and its number; a free one, which the caller
// fills, if there is none.
func (x *index) put(tag uint32, key string) (r *record, number uint32) {
	if 3*(x.used+1) > 2*len(x.slots) {
		x.grow()
	}
	at, r := x.find(tag, key)
	if r != nil {
		return r, x.slots[at].number()
	}
	number = x.take()
	x.slots[at] = newSlotWord(tag, number)
	x.used++
	return x.record(number), number
}

// remove takes a key out of the table and returns its record, nil if there is
// none. The record stays as it is until it is released.
func (x *index) remove(tag uint32, key string) (r *record, number uint32) {
	if x.used == 0 {
		return nil, 0
	}
	hole, r := x.find(tag, key)
	if r == nil {
		return nil, 0
	}
	number = x.slots[hole].number()
	// What stands behind the hole moves into it, unless that is before its place.
	mask := len(x.slots) - 1
	for at := (hole + 1) & mask; x.slots[at] != 0; at = (at + 1) & mask {
		home := int(x.slots[at].tag()) & mask
		if (at-home)&mask >= (at-hole)&mask {
			x.slots[hole] = x.slots[at]
			hole = at
		}
	}
	x.slots[hole] = 0
	x.used--
	return r, number
}

// grow doubles the table. It reads no key again.
func (x *index) grow() {
	old := x.slots
	x.slots = make([]slotWord, max(16, 2*len(old)))
	mask := len(x.slots) - 1
	for _, s := range old {
		if s == 0 {
			continue
		}
		at := int(s.tag()) & mask
		for x.slots[at] != 0 {
			at = (at + 1) & mask
		}
		x.slots[at] = s
	}
}

// take returns the number of a free record.
func (x *index) take() uint32 {
	if n := len(x.free); n > 0 {
		number := x.free[n-1]
		x.free = x.free[:n-1]
		return number
	}
	number := x.next
	x.next++
	switch chunk := int(number >> chunkBits); {
	case chunk == len(x.chunks) && chunk > 0:
		x.chunks = append(x.chunks, make([]record, chunkRecords))
	case chunk == len(x.chunks):
		x.chunks = append(x.chunks, make([]record, 8))
	case int(number)&(chunkRecords-1) == len(x.chunks[chunk]): // the first chunk is small at first
		grown := make([]record, 2*len(x.chunks[chunk]))
		copy(grown, x.chunks[chunk])
		x.chunks[chunk] = grown
	}
	return number
}

// release makes a record free that is not in the table.
func (x *index) release(number uint32) {
	*x.record(number) = record{}
	x.free = append(x.free, number)
}

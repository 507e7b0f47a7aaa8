package mapreduce

import (
	"hash/maphash"
	"unsafe"
)

// table is a hash table from encoded keys to values that combines in place: one
// probe for each pair, no allocation for a key that is there already. Slots
// hold the upper half of a key's hash and its entry's number, so that a probe
// touches an entry only when the hashes agree, and growing touches none.
// Entries stay in order of insertion. The zero table is not ready: use newTable.
type table[V any] struct {
	slots   []uint64 // hash<<32 | entry+1; 0 is free
	mask    uint32
	seed    maphash.Seed
	entries [][]entry[V] // full pages and one that fills: entries never move
	count   int
	chunk   []byte // the tail of the keys' memory
	bytes   int    // estimate of the memory in use
}

type entry[V any] struct {
	key   string
	value V
}

const (
	tableStart = 1 << 8   // slots; three quarters of them may be taken
	pageBits   = 8        // log2 of the entries of a page
	keyChunk   = 16 << 10 // bytes of keys allocated at once
)

func newTable[V any]() *table[V] {
	t := &table[V]{seed: maphash.MakeSeed()}
	t.reset()
	return t
}

// reset empties the table and lets go of its memory.
func (t *table[V]) reset() {
	t.slots, t.mask = make([]uint64, tableStart), tableStart-1
	t.entries, t.count, t.chunk, t.bytes = nil, 0, nil, 0
}

// at returns entry i, in order of insertion.
func (t *table[V]) at(i int) *entry[V] { return &t.entries[i>>pageBits][i&(1<<pageBits-1)] }

// find returns the entry of key, and whether it is new: then its value is the
// zero value. The key is copied when it is new.
func (t *table[V]) find(key string) (e *entry[V], isNew bool) {
	h := uint32(maphash.String(t.seed, key))
	i := h & t.mask
	for s := t.slots[i]; s != 0; s = t.slots[i] {
		if uint32(s>>32) == h {
			if e := t.at(int(uint32(s)) - 1); e.key == key {
				return e, false
			}
		}
		i = (i + 1) & t.mask
	}
	return t.insert(i, h, key), true
}

func (t *table[V]) insert(slot, h uint32, key string) *entry[V] {
	page := t.count >> pageBits
	if page == len(t.entries) {
		t.entries = append(t.entries, make([]entry[V], 1<<pageBits))
	}
	e := t.at(t.count)
	e.key = t.own(key)
	t.count++
	t.slots[slot] = uint64(h)<<32 | uint64(t.count)
	t.bytes += len(key) + int(unsafe.Sizeof(*e)) + 16
	if t.count*4 > len(t.slots)*3 {
		t.grow()
	}
	return e
}

// own copies the key into memory of the table.
func (t *table[V]) own(key string) string {
	if len(key) > cap(t.chunk)-len(t.chunk) {
		t.chunk = make([]byte, 0, max(min(keyChunk, 16*tableStart+t.bytes/4), len(key)))
	}
	n := len(t.chunk)
	t.chunk = append(t.chunk, key...)
	return view(t.chunk[n:])
}

func (t *table[V]) grow() {
	old := t.slots
	t.slots = make([]uint64, 2*len(old))
	t.mask = uint32(len(t.slots) - 1)
	for _, s := range old {
		if s == 0 {
			continue
		}
		i := uint32(s>>32) & t.mask
		for t.slots[i] != 0 {
			i = (i + 1) & t.mask
		}
		t.slots[i] = s
	}
}

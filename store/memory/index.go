package memory

import "hash/maphash"

// index finds entries by their keys. Its table has no keys of its own: it grows
// without a look at those of the entries, and the collector has half to follow.
type index struct {
	seed  maphash.Seed
	table map[uint64]*entry // by the hash of the key
	rest  map[string]*entry // those whose hash another entry of the table has; nil for none
}

func newIndex() index { return index{seed: maphash.MakeSeed(), table: make(map[uint64]*entry)} }

func (x *index) hash(key string) uint64 { return maphash.String(x.seed, key) }

// get returns the entry of a key, nil if there is none; hash is that of key.
func (x *index) get(hash uint64, key string) *entry {
	if e := x.table[hash]; e != nil && e.key == key {
		return e
	}
	return x.rest[key]
}

// set puts an entry in the place of the one with its key, if there is one.
func (x *index) set(hash uint64, e *entry) {
	old := x.table[hash]
	if old == nil && x.rest[e.key] == nil || old != nil && old.key == e.key {
		x.table[hash] = e
		return
	}
	if x.rest == nil {
		x.rest = make(map[string]*entry)
	}
	x.rest[e.key] = e
}

func (x *index) remove(hash uint64, key string) {
	if e := x.table[hash]; e != nil && e.key == key {
		delete(x.table, hash)
		return
	}
	delete(x.rest, key)
}

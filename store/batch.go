package store

// Op is one change in a batch: a put, or a delete if Delete is set.
type Op struct {
	Key     []byte
	Value   []byte
	Version uint64
	Delete  bool
}

// Batch collects changes that a partition applies atomically and in order: of
// two changes to one key the later one wins. The zero Batch is empty and ready
// to use. It belongs to one goroutine.
type Batch struct {
	ops  []Op
	size int
}

// Put sets key to value at the given version. Key and value belong to the
// engine once the batch is written and must not be changed by the caller after
// Put; a memory engine keeps the very slices, and thereby all of the buffer that
// they are part of.
func (b *Batch) Put(key, value []byte, version uint64) {
	b.ops = append(b.ops, Op{Key: key, Value: value, Version: version})
	b.size += len(key) + len(value)
}

// Delete removes key. Deleting a key that does not exist is no error. The key
// must not be changed before the batch is written.
func (b *Batch) Delete(key []byte) {
	b.ops = append(b.ops, Op{Key: key, Delete: true})
	b.size += len(key)
}

// Len returns the number of changes.
func (b *Batch) Len() int { return len(b.ops) }

// Size returns the bytes of all keys and values in the batch.
func (b *Batch) Size() int { return b.size }

// Ops returns the changes in order. The slice is the batch's own: it is valid
// until the batch changes and must not be modified.
func (b *Batch) Ops() []Op { return b.ops }

// Reset empties the batch and keeps its room. It lets go of all keys and values.
func (b *Batch) Reset() {
	clear(b.ops)
	b.ops = b.ops[:0]
	b.size = 0
}

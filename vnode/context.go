package vnode

import (
	"bytes"
	"errors"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/store"
)

// Context is what a handler reads and writes through. Writes are collected and
// become one atomic batch when the handler returns Reply, NoReply or Async;
// reads see them already. The first error of the store sticks: later reads
// return nothing, and the command fails with that error whatever the handler
// decides. A Context is valid until the handler returns.
type Context struct {
	partition Partition
	store     store.Partition
	version   *uint64
	batch     store.Batch
	pending   map[string]int // key to the index of its last op in a batch of many
	err       error
	runtime   any
	copy      Copy
	damaged   [][]byte
}

// Copy is what the record that the node has applied says about a vnode's copy.
type Copy struct {
	// Grace is the grace period.
	Grace uint64
	// Incomplete says that the copy lacks data that was acknowledged.
	Incomplete bool
	// Lost is the version of the record at which the copy last lost data, 0 if it
	// never did; repaired or not, it may have forgotten its own writes before then.
	Lost uint64
	// Hinted is the grace period before which tombstones are kept as if a hint of
	// this partition were open.
	Hinted uint64
	// Hints reports whether a hint is open for a partition of this kind; nil says
	// that there is none.
	Hints func(ring.Partition) bool
}

// NewContext returns a context over the partition's store. version is the
// counter from which writes take their versions. runtime is what package actors
// hands to its own kinds.
func NewContext(p Partition, s store.Partition, version *uint64, runtime any) *Context {
	return &Context{partition: p, store: s, version: version, runtime: runtime}
}

// SetCopy sets what the record says about this copy.
func (c *Context) SetCopy(copied Copy) { c.copy = copied }

// Grace returns the grace period of the applied record.
func (c *Context) Grace() uint64 { return c.copy.Grace }

// Incomplete reports whether this copy lacks data that was acknowledged.
func (c *Context) Incomplete() bool { return c.copy.Incomplete }

// Lost returns the version of the record at which this copy last lost data, 0 if
// it never did.
func (c *Context) Lost() uint64 { return c.copy.Lost }

// Hints reports whether the applied record has an open hint for the partition of
// this kind: a fallback that has not handed back yet.
func (c *Context) Hints(p ring.Partition) bool { return c.copy.Hints != nil && c.copy.Hints(p) }

// Hinted reports whether states may still be on their way that a fallback of this
// partition kept: its hint is open, or was closed in a late grace period.
func (c *Context) Hinted() bool {
	return c.copy.Grace < c.copy.Hinted || c.Hints(c.partition.ID)
}

// Partition says which partition is served, and where.
func (c *Context) Partition() Partition { return c.partition }

// Runtime returns what the runtime hands to its own kinds, nil for others.
func (c *Context) Runtime() any { return c.runtime }

// Get returns the value of key, nil if there is none. The slice is immutable.
func (c *Context) Get(key []byte) []byte {
	if c.err != nil {
		return nil
	}
	if op := c.written(key); op != nil {
		return op.Value
	}
	item, err := c.store.Get(key)
	if err != nil {
		if !errors.Is(err, store.ErrNotFound) {
			c.err = err
		}
		return nil
	}
	return item.Value
}

// FirstVersion is where the versions of a process's writes to a partition begin:
// above those of earlier owners and earlier lives of this one.
func FirstVersion(epoch, incarnation uint64) uint64 {
	return epoch<<44 | incarnation&0x3ff<<34
}

// Event returns a number for the next write of this owner of the partition. It
// is higher than that of every earlier Put by the same node at the same epoch,
// in this process or a former one, whatever became of the data: the incarnation
// stands above the count of this process's writes, which has 40 bits.
func (c *Context) Event() uint64 {
	p := &c.partition
	return p.Incarnation<<40 + (*c.version + 1 - FirstVersion(p.Epoch, p.Incarnation))
}

// Damage says that what is stored under key is not what any writer wrote, though
// the store could read it. The module refuses what needs it; once the record says
// that the copy lacks data, the runtime sends Excised of the key, and the module
// removes it. It holds whatever the handler decides.
func (c *Context) Damage(key []byte) { c.damaged = append(c.damaged, bytes.Clone(key)) }

// TakeDamaged returns the keys that Damage was called with, once.
func (c *Context) TakeDamaged() [][]byte {
	keys := c.damaged
	c.damaged = nil
	return keys
}

// Put sets key to value. Both slices belong to the store from here on and must
// not be changed.
func (c *Context) Put(key, value []byte) {
	*c.version++
	if value == nil {
		value = []byte{}
	}
	c.batch.Put(key, value, *c.version)
	c.noted()
}

// Delete removes key; a key that does not exist is no error.
func (c *Context) Delete(key []byte) {
	c.batch.Delete(key)
	c.noted()
}

// fewOps is how many ops of a batch are looked through one by one.
const fewOps = 8

// written returns the last op on a key, nil if there is none.
func (c *Context) written(key []byte) *store.Op {
	ops := c.batch.Ops()
	if len(ops) > fewOps {
		if i, ok := c.pending[string(key)]; ok {
			return &ops[i]
		}
		return nil
	}
	for i := len(ops) - 1; i >= 0; i-- {
		if bytes.Equal(ops[i].Key, key) {
			return &ops[i]
		}
	}
	return nil
}

// noted takes note of the op that was added to the batch, once that has many.
func (c *Context) noted() {
	ops := c.batch.Ops()
	switch n := len(ops); {
	case n > fewOps+1:
		c.pending[string(ops[n-1].Key)] = n - 1
	case n > fewOps:
		if c.pending == nil {
			c.pending = make(map[string]int, n)
		}
		for i := range ops {
			c.pending[string(ops[i].Key)] = i
		}
	}
}

// Scan yields the items with from <= key < to in key order, as they stood
// before this command. A nil to is the end.
func (c *Context) Scan(from, to []byte) Items {
	return func(yield func(key, value []byte) bool) {
		if c.err != nil {
			return
		}
		snapshot := c.store.Snapshot()
		defer snapshot.Close()
		it := snapshot.Scan(from, to)
		defer it.Close()
		for it.Next() {
			item := it.Item()
			if !yield(item.Key, item.Value) {
				return
			}
		}
		c.err = it.Err()
	}
}

// Len returns the number of items in the partition before this command.
func (c *Context) Len() uint64 { return c.store.Summary().Items }

// Snapshot returns an immutable cut of the partition as it stood before this
// command. The caller closes it.
func (c *Context) Snapshot() store.Snapshot { return c.store.Snapshot() }

// Err returns the first error of the store, if there was one.
func (c *Context) Err() error { return c.err }

// Batch returns what was written.
func (c *Context) Batch() *store.Batch { return &c.batch }

// Reset drops what was written and makes the context ready for the next command.
func (c *Context) Reset() {
	c.batch.Reset()
	clear(c.pending)
	c.err = nil
}

package vnode

import (
	"errors"

	"github.com/dee2748c/baton/store"
)

// Reader is implemented by a Kind whose read-only commands may be served beside
// the vnode, in the goroutine of who asks. Commands that are served so see every
// write that was answered before, in any order with those that were not.
type Reader interface {
	// Read serves a command that only reads. ok is false for all others, and for
	// those that it can't serve so: they go to the vnode. The reply ends with the
	// bytes of tail, which may be what the store holds. It must be safe for
	// concurrent use.
	Read(r *Reads, cmd Command) (reply, tail []byte, ok bool)
}

// Reads is what a Reader reads through: like a Context that is not written to.
// It belongs to one goroutine and is valid until Read returns.
type Reads struct {
	partition Partition
	store     store.Partition
	copy      Copy
	err       error
}

// NewReads returns what one command reads through.
func NewReads(p Partition, s store.Partition, c Copy) Reads {
	return Reads{partition: p, store: s, copy: c}
}

// Partition says which partition is read, and where.
func (r *Reads) Partition() Partition { return r.partition }

// Grace returns the grace period of the applied record.
func (r *Reads) Grace() uint64 { return r.copy.Grace }

// Incomplete reports whether this copy lacks data that was acknowledged.
func (r *Reads) Incomplete() bool { return r.copy.Incomplete }

// Get returns the value of key, nil if there is none. The slice is immutable.
// After an error of the store the reply does not count.
func (r *Reads) Get(key []byte) []byte {
	item, err := r.store.Get(key)
	if err != nil {
		if r.err == nil && !errors.Is(err, store.ErrNotFound) {
			r.err = err
		}
		return nil
	}
	return item.Value
}

// Err returns the first error of the store, if there was one.
func (r *Reads) Err() error { return r.err }

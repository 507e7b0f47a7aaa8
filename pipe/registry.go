package pipe

import (
	"encoding/binary"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/dee2748c/baton/cluster/ring"
)

// HashFunc maps an item to the upper 64 bits of a point in the key space; see
// ring.PartitionOf. It must be safe for concurrent use.
type HashFunc func(item []byte) uint64

// Names of the hash functions that every registry knows.
const (
	HashSHA1 = "sha1" // SHA-1 of the item, as the ring hashes
	HashXXH3 = "xxh3" // a faster hash of the item
	HashPair = "pair" // that hash of the key of a pair; see AppendPair
)

// Registry holds worker factories and hash functions by name. Functions can't
// travel, so every node registers the same. Add everything first; afterwards a
// Registry is safe for concurrent use.
type Registry struct {
	workers map[string]Factory
	hashes  map[string]HashFunc
}

// NewRegistry returns a registry of the names that every registry knows.
func NewRegistry() *Registry {
	return &Registry{
		workers: builtins(),
		hashes: map[string]HashFunc{
			HashSHA1: func(item []byte) uint64 {
				h := ring.HashBytes(item)
				return binary.BigEndian.Uint64(h[:8])
			},
			HashXXH3: xxh3.Hash,
			HashPair: func(item []byte) uint64 {
				key, _, err := SplitPair(item)
				if err != nil {
					key = item // the worker will say so
				}
				return xxh3.Hash(key)
			},
		},
	}
}

// AddWorker registers a factory. It fails with ErrRegistered when the name is
// taken.
func (r *Registry) AddWorker(name string, f Factory) error {
	if _, ok := r.workers[name]; ok {
		return fmt.Errorf("add worker %q: %w", name, ErrRegistered)
	}
	r.workers[name] = f
	return nil
}

// AddHash registers a hash function. It fails with ErrRegistered when the name
// is taken.
func (r *Registry) AddHash(name string, h HashFunc) error {
	if _, ok := r.hashes[name]; ok {
		return fmt.Errorf("add hash %q: %w", name, ErrRegistered)
	}
	r.hashes[name] = h
	return nil
}

// Worker returns the factory of the name.
func (r *Registry) Worker(name string) (Factory, bool) {
	f, ok := r.workers[name]
	return f, ok
}

// Hash returns the hash function of the name.
func (r *Registry) Hash(name string) (HashFunc, bool) {
	h, ok := r.hashes[name]
	return h, ok
}

// Transform makes a factory of a function without state that emits any number
// of outputs per input.
func Transform(f func(item []byte, out Output) error) Factory {
	return FactoryFunc(func(WorkerContext) (Worker, error) { return transform(f), nil })
}

type transform func(item []byte, out Output) error

func (f transform) Process(item []byte, out Output) error { return f(item, out) }
func (f transform) Done(Output) error                     { return nil }

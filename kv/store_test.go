package kv_test

import (
	"maps"
	"slices"

	"github.com/dee2748c/baton/store"
)

// mapStore is a store.Partition for tests of one goroutine: a map, sorted when
// a snapshot is taken.
type mapStore map[string]store.Item

func (m mapStore) Get(key []byte) (store.Item, error) {
	item, ok := m[string(key)]
	if !ok {
		return store.Item{}, store.ErrNotFound
	}
	return item, nil
}

func (m mapStore) Write(b *store.Batch) error {
	for _, op := range b.Ops() {
		if op.Delete {
			delete(m, string(op.Key))
			continue
		}
		m[string(op.Key)] = store.Item{Key: op.Key, Value: op.Value, Version: op.Version}
	}
	return nil
}

func (m mapStore) Sync() error { return nil }

func (m mapStore) Summary() store.Summary { return store.Summary{Items: uint64(len(m))} }

func (m mapStore) Snapshot() store.Snapshot {
	var s sliceSnapshot
	for _, key := range slices.Sorted(maps.Keys(m)) {
		s = append(s, m[key])
	}
	return s
}

type sliceSnapshot []store.Item

func (s sliceSnapshot) Scan(from, to []byte) store.Iterator {
	it := &sliceIterator{at: -1}
	for _, item := range s {
		if string(item.Key) >= string(from) && (to == nil || string(item.Key) < string(to)) {
			it.items = append(it.items, item)
		}
	}
	return it
}

func (s sliceSnapshot) Summary() store.Summary { return store.Summary{Items: uint64(len(s))} }
func (s sliceSnapshot) Close() error           { return nil }

type sliceIterator struct {
	items []store.Item
	at    int
	err   error
}

func (it *sliceIterator) Next() bool       { it.at++; return it.at < len(it.items) }
func (it *sliceIterator) Item() store.Item { return it.items[it.at] }
func (it *sliceIterator) Err() error       { return it.err }
func (it *sliceIterator) Close() error     { return nil }

// items yields all items in the order of their keys.
func (s *server) items() func(yield func(store.Item) bool) {
	return func(yield func(store.Item) bool) {
		for _, key := range slices.Sorted(maps.Keys(s.store)) {
			if !yield(s.store[key]) {
				return
			}
		}
	}
}

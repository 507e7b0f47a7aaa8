package memory

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tidwall/btree"

	"github.com/dee2748c/baton/store"
)

// snapshot is the head of a tree that nobody writes to.
type snapshot struct {
	closed  *atomic.Bool // the engine's
	summary store.Summary

	mu   sync.Mutex
	tree *tree // nil once closed
	err  error // why there is no tree
}

// Summary implements store.Snapshot.
func (s *snapshot) Summary() store.Summary { return s.summary }

// Close implements store.Snapshot.
func (s *snapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tree = nil
	if s.err == nil {
		s.err = fmt.Errorf("scan of a closed snapshot: %w", store.ErrClosed)
	}
	return nil
}

// Scan implements store.Snapshot.
func (s *snapshot) Scan(from, to []byte) store.Iterator {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tree == nil {
		return &iterator{err: s.err}
	}
	it := &iterator{closed: s.closed, tree: s.tree.Iter(), bounded: to != nil}
	it.from, it.to = string(from), string(to)
	it.move = (*iterator).seek
	return it
}

// iterator walks over the nodes of a snapshot.
type iterator struct {
	closed   *atomic.Bool // the engine's
	tree     btree.MapIter[string, valued]
	from, to string
	bounded  bool
	move     func(*iterator) bool // nil at the end
	current  store.Item
	err      error
}

func (it *iterator) seek() bool {
	it.move = (*iterator).step
	return it.tree.Seek(it.from)
}

func (it *iterator) step() bool { return it.tree.Next() }

// Next implements store.Iterator.
func (it *iterator) Next() bool {
	if it.move == nil {
		return false
	}
	if it.closed.Load() {
		return it.end(fmt.Errorf("scan: %w", store.ErrClosed))
	}
	if !it.move(it) {
		return it.end(nil)
	}
	key := it.tree.Key()
	if it.bounded && key >= it.to {
		return it.end(nil)
	}
	v := it.tree.Value()
	it.current = store.Item{Key: asBytes(key), Value: asBytes(v.value), Version: v.version}
	return true
}

// end finishes the iteration. The current item stays valid until Close.
func (it *iterator) end(err error) bool {
	it.move, it.err = nil, err
	it.tree = btree.MapIter[string, valued]{}
	return false
}

// Item implements store.Iterator. Its slices stay valid for ever.
func (it *iterator) Item() store.Item { return it.current }

// Err implements store.Iterator.
func (it *iterator) Err() error { return it.err }

// Close implements store.Iterator.
func (it *iterator) Close() error {
	it.current = store.Item{}
	if it.move != nil {
		it.end(nil)
	}
	return nil
}

package pebble

import (
	"errors"
	"fmt"
	"sync"

	db "github.com/cockroachdb/pebble/v2"

	"github.com/dee2748c/baton/store"
)

// snapshot is a cut through one generation.
type snapshot struct {
	g       *generation
	summary store.Summary

	mu   sync.Mutex
	open *db.Snapshot // nil once closed
	err  error        // why it is nil
}

// Snapshot implements store.Partition.
func (g *generation) Snapshot() store.Snapshot {
	s := &snapshot{g: g}
	if err := g.enter("snapshot"); err != nil {
		s.err, s.summary = err, g.Summary()
		return s
	}
	defer g.leave()
	// The summary is read from the cut itself, so it is that of its items
	// whatever is written meanwhile.
	cut := g.cut()
	summary, err := g.readSummary(cut.open)
	if err != nil {
		err = g.damaged(err, nil, nil)
		s.err = fmt.Errorf("snapshot: %w", errors.Join(err, cut.Close()))
		return s
	}
	cut.summary = summary
	return cut
}

// cut returns a snapshot that has no summary yet. The caller has entered.
func (g *generation) cut() *snapshot {
	s := &snapshot{g: g, open: g.engine.database.NewSnapshot()}
	g.engine.register(s)
	return s
}

// Summary implements store.Snapshot.
func (s *snapshot) Summary() store.Summary { return s.summary }

// Close implements store.Snapshot.
func (s *snapshot) Close() error {
	defer s.g.engine.forget(s)
	return s.end(fmt.Errorf("scan of a closed snapshot: %w", store.ErrClosed))
}

func (s *snapshot) revoke() error {
	return s.end(fmt.Errorf("scan: %w", store.ErrClosed))
}

// end closes the snapshot for the reason that scans will be told.
func (s *snapshot) end(reason error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		return nil
	}
	cut := s.open
	s.open, s.err = nil, reason
	return cut.Close()
}

// Scan implements store.Snapshot.
func (s *snapshot) Scan(from, to []byte) store.Iterator {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		return &iterator{err: s.err}
	}
	options := &db.IterOptions{LowerBound: s.g.appendItemKey(nil, from), UpperBound: s.g.summaryKey()}
	if to != nil {
		options.UpperBound = s.g.appendItemKey(nil, to)
	}
	it := &iterator{engine: s.g.engine, g: s.g, from: from, to: to}
	if string(options.LowerBound) >= string(options.UpperBound) {
		return it
	}
	open, err := s.open.NewIter(options)
	if err != nil {
		return &iterator{err: fmt.Errorf("scan: %w", s.g.damaged(err, from, to))}
	}
	it.open = open
	s.g.engine.register(it)
	return it
}

// iterator walks over one generation. Its lock keeps Close of the engine from
// closing it in the middle of a step; its buffer keeps the current item.
type iterator struct {
	engine   *Engine
	g        *generation
	from, to []byte // of the scan

	mu      sync.Mutex
	open    *db.Iterator // nil at the end
	started bool
	err     error

	buffer  []byte // key and value of the current item
	keySize int
	version uint64
}

// Next implements store.Iterator.
func (it *iterator) Next() bool {
	it.mu.Lock()
	more := it.step()
	ended := it.open == nil
	it.mu.Unlock()
	if ended && it.engine != nil {
		it.engine.forget(it)
		it.engine = nil
	}
	return more
}

func (it *iterator) step() bool {
	switch {
	case it.open == nil:
		return false
	case !it.started:
		it.started = true
		it.open.First()
	default:
		it.open.Next()
	}
	if !it.open.Valid() {
		it.end(it.open.Error())
		return false
	}
	stored, err := it.open.ValueAndErr()
	key := it.open.Key()[prefixSize+1:]
	if err == nil {
		it.version, stored, err = splitValue(stored)
	}
	if err != nil {
		it.end(err)
		return false
	}
	it.keySize = len(key)
	it.buffer = append(append(it.buffer[:0], key...), stored...)
	return true
}

// end closes the iterator. The caller holds mu.
func (it *iterator) end(err error) {
	if closeErr := it.open.Close(); err == nil {
		err = closeErr
	}
	it.open = nil
	if err != nil {
		from := it.from
		if it.buffer != nil {
			from = store.After(it.buffer[:it.keySize])
		}
		it.err = fmt.Errorf("scan: %w", it.g.damaged(err, from, it.to))
	}
}

func (it *iterator) revoke() error {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.open != nil {
		it.end(store.ErrClosed)
	}
	return nil
}

// Item implements store.Iterator.
func (it *iterator) Item() store.Item {
	return store.Item{Key: it.buffer[:it.keySize:it.keySize], Value: it.buffer[it.keySize:], Version: it.version}
}

// Err implements store.Iterator.
func (it *iterator) Err() error {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.err
}

// Close implements store.Iterator.
func (it *iterator) Close() error {
	it.mu.Lock()
	if it.open != nil {
		it.end(nil)
	}
	it.mu.Unlock()
	if it.engine != nil {
		it.engine.forget(it)
		it.engine = nil
	}
	it.buffer, it.keySize, it.version = nil, 0, 0
	return nil
}

package memory

import (
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dee2748c/baton/store"
)

// Engine is a volatile store.Engine. It is safe for concurrent use.
type Engine struct {
	id     [16]byte
	room   room
	closed atomic.Bool // set once, under mu
	mu     sync.RWMutex
	slots  map[store.ID]*slot
}

var _ store.Engine = (*Engine)(nil)

// slot is what the engine knows of one ID.
type slot struct {
	active   *generation // nil: none
	staged   *generation // nil: none
	session  uint64      // names staged
	promoted uint64      // highest session that was promoted
	record   store.Record
}

// Options configure an Engine.
type Options struct {
	// MaxBytes limits what all generations together hold, the staged ones too:
	// keys, values and ItemOverhead for each item. A write that would make it
	// more fails with store.ErrDiskFull. 0 means no limit. What only snapshots
	// still see does not count.
	MaxBytes int64
}

// New returns an empty engine without a limit.
func New() *Engine { return Open(Options{}) }

// Open returns an empty engine.
func Open(o Options) *Engine {
	e := &Engine{room: room{max: o.MaxBytes}, slots: make(map[store.ID]*slot)}
	rand.Read(e.id[:])
	return e
}

// Identity implements store.Engine.
func (e *Engine) Identity() (id [16]byte, fresh bool) { return e.id, true }

// Volatile implements store.Volatile.
func (*Engine) Volatile() {}

// update runs change on the slot of id under the lock, and wraps its error.
func (e *Engine) update(op string, id store.ID, change func(*slot) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := store.ErrClosed
	if !e.closed.Load() {
		s := e.slots[id]
		if s == nil {
			s = &slot{}
			e.slots[id] = s
		}
		err = change(s)
	}
	if err != nil {
		return fmt.Errorf("%s %v: %w", op, id, err)
	}
	return nil
}

// Open implements store.Engine.
func (e *Engine) Open(id store.ID) (store.Partition, error) {
	var active *generation
	err := e.update("open", id, func(s *slot) error {
		if s.active == nil {
			s.active = newGeneration(&e.closed, &e.room)
		}
		active = s.active
		return nil
	})
	if err != nil {
		return nil, err
	}
	return active, nil
}

// Partitions implements store.Engine.
func (e *Engine) Partitions() ([]store.ID, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed.Load() {
		return nil, fmt.Errorf("partitions: %w", store.ErrClosed)
	}
	var ids []store.ID
	for id, s := range e.slots {
		if s.active != nil {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, store.ID.Compare)
	return ids, nil
}

// Drop implements store.Engine.
func (e *Engine) Drop(id store.ID) error {
	return e.update("drop", id, func(s *slot) error {
		s.active.drop()
		s.active = nil
		return nil
	})
}

// Stage implements store.Staging.
func (e *Engine) Stage(id store.ID, session uint64) (store.Partition, error) {
	var staged *generation
	err := e.update("stage", id, func(s *slot) error {
		if session <= s.promoted || session < s.session {
			return fmt.Errorf("session %d (staged %d, promoted %d): %w",
				session, s.session, s.promoted, store.ErrStaleSession)
		}
		s.staged.drop()
		staged = newGeneration(&e.closed, &e.room)
		s.staged, s.session = staged, session
		return nil
	})
	if err != nil {
		return nil, err
	}
	return staged, nil
}

// Staged implements store.Staging.
func (e *Engine) Staged(id store.ID) (session uint64, ok bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	s := e.slots[id]
	if e.closed.Load() || s == nil || s.staged == nil {
		return 0, false
	}
	return s.session, true
}

// OpenStaged implements store.Staging.
func (e *Engine) OpenStaged(id store.ID, session uint64) (store.Partition, error) {
	var staged *generation
	err := e.update("open staged", id, func(s *slot) error {
		if s.staged == nil || s.session != session {
			return fmt.Errorf("session %d: %w", session, store.ErrNotStaged)
		}
		staged = s.staged
		return nil
	})
	if err != nil {
		return nil, err
	}
	return staged, nil
}

// Promote implements store.Staging.
func (e *Engine) Promote(id store.ID, session uint64) error {
	return e.update("promote", id, func(s *slot) error {
		if s.active != nil && session != 0 && session == s.promoted {
			return nil
		}
		if session <= s.promoted || session < s.session {
			return fmt.Errorf("session %d (staged %d, promoted %d): %w",
				session, s.session, s.promoted, store.ErrStaleSession)
		}
		if s.staged == nil || s.session != session {
			return fmt.Errorf("session %d: %w", session, store.ErrNotStaged)
		}
		s.active.drop()
		s.active, s.promoted = s.staged, session
		s.staged, s.session = nil, 0
		return nil
	})
}

// DropStaging implements store.Staging.
func (e *Engine) DropStaging(id store.ID, session uint64) error {
	return e.update("drop staging", id, func(s *slot) error {
		if s.staged != nil && s.session == session {
			s.staged.drop()
			s.staged, s.session = nil, 0
		}
		return nil
	})
}

// Record implements store.Records.
func (e *Engine) Record(id store.ID) (store.Record, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed.Load() {
		return store.Record{}, fmt.Errorf("record %v: %w", id, store.ErrClosed)
	}
	if s := e.slots[id]; s != nil {
		return s.record.Clone(), nil
	}
	return store.Record{}, nil
}

// SetRecord implements store.Records. It is as durable as the engine: not at all.
func (e *Engine) SetRecord(id store.ID, r store.Record) error {
	return e.update("set record", id, func(s *slot) error {
		if err := s.record.Succeed(r); err != nil {
			return err
		}
		s.record = r.Clone()
		return nil
	})
}

// Close implements store.Engine. It lets go of all items; snapshots that are
// still open keep theirs until they are closed.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed.Swap(true) {
		return nil
	}
	for _, s := range e.slots {
		s.active.drop()
		s.staged.drop()
	}
	e.slots = nil
	return nil
}

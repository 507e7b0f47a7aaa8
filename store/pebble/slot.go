package pebble

import (
	"errors"
	"fmt"
	"sync"

	db "github.com/cockroachdb/pebble/v2"

	"github.com/dee2748c/baton/store"
)

// slot is where an ID's generations are. Its fields change only together with
// the stored pointer, by move.
type slot struct {
	id store.ID
	mu sync.Mutex // before the locks of its generations

	active, staged    *generation // nil: none
	session, promoted uint64
}

func (s *slot) pointer() pointer {
	return pointer{active: s.active.name(), staged: s.staged.name(), session: s.session, promoted: s.promoted}
}

// drain waits for the calls that are running on the slot and its generations.
func (s *slot) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range []*generation{s.active, s.staged} {
		if g != nil {
			g.drain()
		}
	}
}

// move changes the slot to next, durably if mode says so, and drops the
// generation that it no longer names. Should it fail, the engine is broken.
func (e *Engine) move(s *slot, next pointer, gone *generation, mode *db.WriteOptions) error {
	b := e.database.NewBatch()
	err := b.Set(appendIDKey(nil, tagPointer, s.id), next.encode(), nil)
	if gone != nil {
		// Nobody writes to it any more once drop returns, so nothing of it can
		// come after its range delete.
		gone.drop()
		err = errors.Join(err, deleteGeneration(b, gone.number))
	}
	if err != nil {
		return errors.Join(err, b.Close())
	}
	return e.database.commit(b, mode)
}

// deleteGeneration adds the removal of all keys of a generation to b.
func deleteGeneration(b *db.Batch, number uint64) error {
	return b.DeleteRange(appendPrefix(nil, number), appendPrefix(nil, number+1), nil)
}

// Open implements store.Engine. The generation that it creates is durable as
// soon as anything in it is.
func (e *Engine) Open(id store.ID) (store.Partition, error) {
	var active *generation
	err := e.with("open", id, func(s *slot) error {
		if s.active == nil {
			if err := e.database.space.admit(0); err != nil {
				return err
			}
			g, err := e.newGeneration(id)
			if err != nil {
				return err
			}
			next := s.pointer()
			next.active = g.number
			if err := e.move(s, next, nil, db.NoSync); err != nil {
				return err
			}
			s.active = g
		}
		active = s.active
		return nil
	})
	if err != nil {
		return nil, err
	}
	return active, nil
}

// Drop implements store.Engine. It is durable when it returns.
func (e *Engine) Drop(id store.ID) error {
	return e.with("drop", id, func(s *slot) error {
		if s.active == nil {
			return nil
		}
		next := s.pointer()
		next.active = 0
		if err := e.move(s, next, s.active, db.Sync); err != nil {
			return err
		}
		s.active = nil
		return nil
	})
}

// Stage implements store.Staging. It is durable when it returns.
func (e *Engine) Stage(id store.ID, session uint64) (store.Partition, error) {
	var staged *generation
	err := e.with("stage", id, func(s *slot) error {
		if session <= s.promoted || session < s.session {
			return s.stale(session)
		}
		if err := e.database.space.admit(0); err != nil {
			return err
		}
		g, err := e.newGeneration(id)
		if err != nil {
			return err
		}
		next := s.pointer()
		next.staged, next.session = g.number, session
		if err := e.move(s, next, s.staged, db.Sync); err != nil {
			return err
		}
		s.staged, s.session = g, session
		staged = g
		return nil
	})
	if err != nil {
		return nil, err
	}
	return staged, nil
}

func (s *slot) stale(session uint64) error {
	return fmt.Errorf("session %d (staged %d, promoted %d): %w", session, s.session, s.promoted, store.ErrStaleSession)
}

// Staged implements store.Staging.
func (e *Engine) Staged(id store.ID) (session uint64, ok bool) {
	err := e.with("staged", id, func(s *slot) error {
		session, ok = s.session, s.staged != nil
		return nil
	})
	return session, ok && err == nil
}

// OpenStaged implements store.Staging.
func (e *Engine) OpenStaged(id store.ID, session uint64) (store.Partition, error) {
	var staged *generation
	err := e.with("open staged", id, func(s *slot) error {
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

// Promote implements store.Staging: one synced batch sets the pointer and
// range-deletes the former active generation. As the log is one, all that was
// written to the staging generation before is durable with it.
func (e *Engine) Promote(id store.ID, session uint64) error {
	return e.with("promote", id, func(s *slot) error {
		switch {
		case s.active != nil && session != 0 && session == s.promoted:
			return nil
		case session <= s.promoted || session < s.session:
			return s.stale(session)
		case s.staged == nil || s.session != session:
			return fmt.Errorf("session %d: %w", session, store.ErrNotStaged)
		}
		next := pointer{active: s.staged.number, promoted: session}
		if err := e.move(s, next, s.active, db.Sync); err != nil {
			return err
		}
		s.active, s.promoted = s.staged, session
		s.staged, s.session = nil, 0
		return nil
	})
}

// DropStaging implements store.Staging. It is durable when it returns.
func (e *Engine) DropStaging(id store.ID, session uint64) error {
	return e.with("drop staging", id, func(s *slot) error {
		if s.staged == nil || s.session != session {
			return nil
		}
		next := s.pointer()
		next.staged, next.session = 0, 0
		if err := e.move(s, next, s.staged, db.Sync); err != nil {
			return err
		}
		s.staged, s.session = nil, 0
		return nil
	})
}

package session

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// session is one open or closing session. The guards and since are protected by
// the registry's lock, under which closed is written too.
type session struct {
	id     uint64
	guards map[*Guard]struct{}
	closed atomic.Bool
	since  time.Time     // when it began to close; zero while it is open
	done   chan struct{} // closed when the session is closed and no guard is left

	// The context is the session's abort signal and lives as long as it does,
	// not as long as a call.
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func newSession(id uint64) *session {
	s := &session{id: id, guards: make(map[*Guard]struct{}), done: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

func (s *session) err() error { return fmt.Errorf("session %d: %w", s.id, ErrClosed) }

// Guard is the permission to have side effects under one session. Its holder
// leaves it when the work has ended, whatever the outcome. The methods are safe
// for concurrent use.
type Guard struct {
	reg  *Registry
	sess *session
	name string
	left bool // under the registry's lock

	entered time.Time
}

// Session returns the session's id.
func (g *Guard) Session() uint64 { return g.sess.id }

// Name returns the name that the guard was entered with.
func (g *Guard) Name() string { return g.name }

// Check returns nil while the session is open, then an error that is ErrClosed.
// It is asked before each batch of work (F6); it costs one atomic load.
func (g *Guard) Check() error {
	if g.sess.closed.Load() {
		return g.sess.err()
	}
	return nil
}

// Context ends when the session closes, with a cause that is ErrClosed. Work
// that waits, waits for it too.
func (g *Guard) Context() context.Context { return g.sess.ctx }

// Leave gives the guard back. Only the first call counts. The holder has no
// side effect under the session afterwards.
func (g *Guard) Leave() { g.reg.leave(g) }

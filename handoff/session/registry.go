package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Registry holds the open and closing sessions of one node. The zero Registry
// is not usable; see New. All methods are safe for concurrent use.
type Registry struct {
	mu      sync.Mutex
	version uint64
	live    map[uint64]*session
	// Every id up to floor that is not live is closed for ever; closed holds the
	// closed ones above it.
	floor  uint64
	closed map[uint64]struct{}
	stats  Stats
}

// Stats counts what a registry did. Admitted and Refused only grow.
type Stats struct {
	Open     int    // sessions open now
	Closing  int    // sessions closing now: a guard is still held
	Guards   int    // guards held now
	Admitted uint64 // Enter calls that returned a guard
	Refused  uint64 // Enter calls that were fenced off
}

// New returns a registry without sessions.
func New() *Registry {
	return &Registry{live: make(map[uint64]*session), closed: make(map[uint64]struct{})}
}

// Apply makes the sessions in open the open ones, as the record of the given
// version says; every other session closes. It reports false, and changes
// nothing, for a version below the last one applied. It does not wait: see
// Drain. A session that is closing here stays so, even if it is in open.
func (r *Registry) Apply(version uint64, open []uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if version < r.version {
		return false
	}
	r.version = version
	open = slices.Sorted(slices.Values(open))
	r.closeExcept(open)
	for _, id := range open {
		if id == 0 || r.isClosed(id) {
			continue
		}
		r.open(id)
	}
	// Ids rise with the record: whatever it issued up to here and did not list is over.
	for id := range r.live {
		r.floor = max(r.floor, id)
	}
	for id := range r.closed {
		if id <= r.floor {
			delete(r.closed, id)
		}
	}
	return true
}

// Open opens a session, for a caller that applies the record piece by piece. To
// open an open session is no error. Errors: ErrInvalid, ErrClosed.
func (r *Registry) Open(id uint64) error {
	if id == 0 {
		return ErrInvalid
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isClosed(id) {
		return fmt.Errorf("open session %d: %w", id, ErrClosed)
	}
	r.open(id)
	return nil
}

// Close stops admitting guards to the session and ends the context of those
// that are held. It does not wait: see Drain. An id that was never opened is
// closed for ever too, so that it can't be opened late.
func (r *Registry) Close(id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == 0 || r.isClosed(id) {
		return
	}
	if s, ok := r.live[id]; ok {
		r.close(s)
		return
	}
	r.closed[id] = struct{}{}
}

// CloseExcept closes every session that is not in open.
func (r *Registry) CloseExcept(open []uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeExcept(slices.Sorted(slices.Values(open)))
}

// Enter admits work to an open session. The name says in errors and listings
// who holds the guard. Errors: ErrInvalid, ErrUnknown, ErrClosed.
func (r *Registry) Enter(id uint64, name string) (*Guard, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.admit(id)
	if err != nil {
		r.stats.Refused++
		return nil, fmt.Errorf("enter session %d as %q: %w", id, name, err)
	}
	g := &Guard{reg: r, sess: s, name: name, entered: time.Now()}
	s.guards[g] = struct{}{}
	r.stats.Admitted++
	return g, nil
}

func (r *Registry) admit(id uint64) (*session, error) {
	switch s, live := r.live[id]; {
	case id == 0:
		return nil, ErrInvalid
	case r.isClosed(id):
		return nil, ErrClosed
	case !live:
		return nil, ErrUnknown
	default:
		return s, nil
	}
}

// isClosed reports whether id is closing or closed.
func (r *Registry) isClosed(id uint64) bool {
	if s, live := r.live[id]; live {
		return s.closed.Load()
	}
	_, closed := r.closed[id]
	return closed || id <= r.floor
}

func (r *Registry) open(id uint64) {
	if _, live := r.live[id]; !live {
		r.live[id] = newSession(id)
	}
}

// closeExcept closes every session that is not in open, which is sorted.
func (r *Registry) closeExcept(open []uint64) {
	for id, s := range r.live {
		if _, stays := slices.BinarySearch(open, id); !stays {
			r.close(s)
		}
	}
}

// close moves a session to closing, and to closed if nobody is inside.
func (r *Registry) close(s *session) {
	if s.closed.Swap(true) {
		return
	}
	s.since = time.Now()
	s.cancel(s.err())
	r.settle(s)
}

func (r *Registry) leave(g *Guard) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if g.left {
		return
	}
	g.left = true
	delete(g.sess.guards, g)
	r.settle(g.sess)
}

// settle takes a closing session without guards out of the registry.
func (r *Registry) settle(s *session) {
	if !s.closed.Load() || len(s.guards) > 0 {
		return
	}
	delete(r.live, s.id)
	if s.id > r.floor {
		r.closed[s.id] = struct{}{}
	}
	close(s.done)
}

// Drain closes the sessions and returns when no guard of theirs is held. If ctx
// ends first it returns a *HeldError that names the holders. Concurrent and
// repeated drains are fine.
func (r *Registry) Drain(ctx context.Context, ids ...uint64) error {
	for _, id := range ids {
		r.Close(id)
	}
	return r.wait(ctx, ids)
}

// DrainClosing waits as Drain for every session that is closing now. Open
// sessions do not delay it.
func (r *Registry) DrainClosing(ctx context.Context) error {
	r.mu.Lock()
	var ids []uint64
	for id, s := range r.live {
		if s.closed.Load() {
			ids = append(ids, id)
		}
	}
	r.mu.Unlock()
	return r.wait(ctx, ids)
}

// Shutdown closes every session and waits as Drain.
func (r *Registry) Shutdown(ctx context.Context) error {
	r.CloseExcept(nil)
	return r.DrainClosing(ctx)
}

func (r *Registry) wait(ctx context.Context, ids []uint64) error {
	for _, id := range ids {
		r.mu.Lock()
		s, live := r.live[id]
		r.mu.Unlock()
		if !live {
			continue
		}
		select {
		case <-s.done:
			continue
		default:
		}
		select {
		case <-s.done:
		case <-ctx.Done():
			return r.held(ctx, ids)
		}
	}
	return nil
}

func (r *Registry) held(ctx context.Context, ids []uint64) error {
	holders := slices.DeleteFunc(r.Holders(), func(h Holder) bool { return !slices.Contains(ids, h.Session) })
	if len(holders) == 0 {
		return nil // the last one left while ctx ended
	}
	return &HeldError{Holders: holders, Cause: context.Cause(ctx)}
}

// Holders lists the guards held now, ordered by session and name.
func (r *Registry) Holders() []Holder {
	return r.holders(func(*session) bool { return true })
}

// Leaked lists the guards held in sessions that have been closing for at least
// that long: work that has been told to stop and has not. LeakLimit is when that
// is no matter of a slow disk any more.
func (r *Registry) Leaked(after time.Duration) []Holder {
	now := time.Now()
	return r.holders(func(s *session) bool { return s.closed.Load() && now.Sub(s.since) >= after })
}

func (r *Registry) holders(of func(*session) bool) []Holder {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Holder
	for id, s := range r.live {
		if !of(s) {
			continue
		}
		for g := range s.guards {
			out = append(out, Holder{Session: id, Name: g.name, Entered: g.entered, Closed: s.since})
		}
	}
	slices.SortFunc(out, func(a, b Holder) int {
		return cmp.Or(cmp.Compare(a.Session, b.Session), cmp.Compare(a.Name, b.Name), a.Entered.Compare(b.Entered))
	})
	return out
}

// Stats returns the counters.
func (r *Registry) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.stats
	for _, s := range r.live {
		if s.closed.Load() {
			st.Closing++
		} else {
			st.Open++
		}
		st.Guards += len(s.guards)
	}
	return st
}

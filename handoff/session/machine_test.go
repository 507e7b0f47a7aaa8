package session_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/handoff/session"
)

// model is what a registry must look like, written as plainly as possible.
type model struct {
	reg     *session.Registry
	state   map[uint64]string // "open", "closing", "closed"; absent: unknown
	guards  map[uint64][]*session.Guard
	version uint64
	issued  uint64 // the highest session of any record
}

func (m *model) close(id uint64) {
	if m.state[id] == "open" || m.state[id] == "" {
		m.state[id] = "closing"
	}
	m.settle(id)
}

func (m *model) settle(id uint64) {
	if m.state[id] == "closing" && len(m.guards[id]) == 0 {
		m.state[id] = "closed"
	}
}

func (m *model) opened() []uint64 {
	var ids []uint64
	for id, s := range m.state {
		if s == "open" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// apply draws a next record: some of the open sessions end, some new ones begin.
func (m *model) apply(t *rapid.T) {
	var open []uint64
	for _, id := range m.opened() {
		if rapid.Bool().Draw(t, "stays") {
			open = append(open, id)
		} else {
			m.close(id)
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "new") {
		m.issued++
		open = append(open, m.issued)
		if m.state[m.issued] == "" {
			m.state[m.issued] = "open"
		}
	}
	m.version++
	if !m.reg.Apply(m.version, rapid.Permutation(open).Draw(t, "open")) {
		t.Fatalf("Apply(%d) refused", m.version)
	}
}

func (m *model) enter(t *rapid.T) {
	id := m.anyID(t)
	g, err := m.reg.Enter(id, "w")
	want := map[string]error{"": session.ErrUnknown, "closing": session.ErrClosed, "closed": session.ErrClosed}[m.state[id]]
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Fatalf("Enter(%d) = %v, want %v", id, err, want)
	}
	if g != nil {
		m.guards[id] = append(m.guards[id], g)
	}
}

func (m *model) leave(t *rapid.T) {
	id := m.anyID(t)
	if n := len(m.guards[id]); n > 0 {
		i := rapid.IntRange(0, n-1).Draw(t, "guard")
		m.guards[id][i].Leave()
		m.guards[id] = slices.Delete(m.guards[id], i, i+1)
		m.settle(id)
	}
}

func (m *model) drain(t *rapid.T) {
	id := m.anyID(t)
	m.close(id)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := m.reg.Drain(ctx, id)
	if held := errors.Is(err, session.ErrHeld); held != (len(m.guards[id]) > 0) || held == (err == nil) {
		t.Fatalf("Drain(%d) = %v with %d guards held", id, err, len(m.guards[id]))
	}
}

func (m *model) anyID(t *rapid.T) uint64 {
	return uint64(rapid.IntRange(1, int(m.issued)+2).Draw(t, "id"))
}

// check compares everything that can be seen (I1 to I5).
func (m *model) check(t *rapid.T) {
	var want session.Stats
	for id, s := range m.state {
		switch s {
		case "open":
			want.Open++
		case "closing":
			want.Closing++
		}
		for _, g := range m.guards[id] {
			want.Guards++
			closed := errors.Is(g.Check(), session.ErrClosed)
			if closed != (s != "open") || closed != (g.Context().Err() != nil) {
				t.Fatalf("guard of %s session %d: Check closed %v, context %v", s, id, closed, g.Context().Err())
			}
		}
	}
	got := m.reg.Stats()
	got.Admitted, got.Refused = 0, 0
	if got != want {
		t.Fatalf("Stats = %+v, want %+v", got, want)
	}
	if leaked := m.reg.Leaked(0); len(m.reg.Holders()) != want.Guards || len(leaked) > want.Guards {
		t.Fatalf("%d leaked of %d holders, want %d holders", len(leaked), len(m.reg.Holders()), want.Guards)
	}
}

func TestRegistry_model(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{reg: session.New(), state: map[uint64]string{}, guards: map[uint64][]*session.Guard{}}
		t.Repeat(map[string]func(*rapid.T){
			"apply": m.apply,
			"stale": func(t *rapid.T) {
				if m.version > 0 && m.reg.Apply(m.version-1, nil) {
					t.Fatal("a stale record was applied")
				}
			},
			"close": func(t *rapid.T) {
				id := m.anyID(t)
				m.reg.Close(id)
				m.close(id)
			},
			"enter": m.enter,
			"leave": m.leave,
			"drain": m.drain,
			"":      m.check,
		})
	})
}

// I4 under real concurrency: no effect of a session after its drain returned.
func TestRegistry_noEffectAfterDrain(t *testing.T) {
	const workers, sessions = 2, 50
	r := session.New()
	var current atomic.Uint64
	var drained [sessions + 2]atomic.Bool
	var late atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				id := current.Load()
				g, err := r.Enter(id, "worker")
				if err != nil {
					continue
				}
				for g.Check() == nil {
					if drained[id].Load() {
						late.Add(1)
					}
				}
				if drained[id].Load() {
					late.Add(1)
				}
				g.Leave()
			}
		})
	}
	for id := uint64(1); id <= sessions; id++ {
		r.Apply(id, []uint64{id})
		current.Store(id)
		for r.Stats().Guards == 0 {
			runtime.Gosched()
		}
		if err := r.Drain(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		drained[id].Store(true)
	}
	close(stop)
	wg.Wait()
	if n := late.Load(); n != 0 {
		t.Errorf("%d effects after a drain returned", n)
	}
	if st := r.Stats(); st.Guards != 0 || st.Open+st.Closing != 0 {
		t.Errorf("Stats = %+v, want nothing left", st)
	}
}

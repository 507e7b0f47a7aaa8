package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/dee2748c/baton/handoff/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustOpen(t *testing.T, r *session.Registry, ids ...uint64) {
	t.Helper()
	for _, id := range ids {
		if err := r.Open(id); err != nil {
			t.Fatalf("Open(%d): %v", id, err)
		}
	}
}

func mustEnter(t *testing.T, r *session.Registry, id uint64, name string) *session.Guard {
	t.Helper()
	g, err := r.Enter(id, name)
	if err != nil {
		t.Fatalf("Enter(%d): %v", id, err)
	}
	return g
}

// I6: a forgotten id is not an id.
func TestRegistry_zeroIsNoSession(t *testing.T) {
	r := session.New()
	if err := r.Open(0); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("Open(0) = %v, want ErrInvalid", err)
	}
	r.Apply(1, []uint64{0})
	if _, err := r.Enter(0, "w"); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("Enter(0) = %v, want ErrInvalid", err)
	}
	r.Close(0)
	if _, err := r.Enter(0, "w"); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("Enter(0) after Close(0) = %v, want ErrInvalid", err)
	}
	if st := r.Stats(); st.Open != 0 || st.Refused != 2 {
		t.Errorf("Stats = %+v, want nothing open and 2 refused", st)
	}
}

// I2: the three ways of not being open are told apart.
func TestRegistry_enter(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(*session.Registry)
		id   uint64
		want error
	}{
		{"never heard of", func(*session.Registry) {}, 7, session.ErrUnknown},
		{"open", func(r *session.Registry) { r.Apply(1, []uint64{7}) }, 7, nil},
		{"opened twice", func(r *session.Registry) { r.Apply(1, []uint64{7}); r.Apply(2, []uint64{7}) }, 7, nil},
		{"closed", func(r *session.Registry) { r.Apply(1, []uint64{7}); r.Close(7) }, 7, session.ErrClosed},
		{"left out of the next record", func(r *session.Registry) { r.Apply(1, []uint64{7}); r.Apply(2, nil) }, 7, session.ErrClosed},
		{"closed before it was opened", func(r *session.Registry) { r.Close(7); r.Apply(1, []uint64{7}) }, 7, session.ErrClosed},
		{"older than any listed", func(r *session.Registry) { r.Apply(1, []uint64{7}) }, 6, session.ErrClosed},
		{"newer than any listed", func(r *session.Registry) { r.Apply(1, []uint64{7}) }, 8, session.ErrUnknown},
		{"two sessions, the lower one", func(r *session.Registry) { r.Apply(1, []uint64{7, 5}) }, 5, nil},
		{"stale record lists it", func(r *session.Registry) { r.Apply(2, nil); r.Apply(1, []uint64{7}) }, 7, session.ErrUnknown},
		{"stale record leaves it out", func(r *session.Registry) { r.Apply(2, []uint64{7}); r.Apply(1, nil) }, 7, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := session.New()
			tc.do(r)
			g, err := r.Enter(tc.id, "w")
			if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Fatalf("Enter(%d) = %v, want %v", tc.id, err, tc.want)
			}
			if g != nil {
				g.Leave()
			}
		})
	}
}

func TestRegistry_openTwiceIsTheSameSession(t *testing.T) {
	r := session.New()
	mustOpen(t, r, 3)
	g := mustEnter(t, r, 3, "w")
	mustOpen(t, r, 3)
	r.Close(3)
	if err := g.Check(); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Check of a guard from before the second Open = %v, want ErrClosed", err)
	}
	g.Leave()
}

// I1: an id is never used twice, closed with or without guards.
func TestRegistry_openAfterClose(t *testing.T) {
	r := session.New()
	mustOpen(t, r, 3, 4)
	g := mustEnter(t, r, 3, "w")
	r.Close(3)
	r.Close(4)
	for _, id := range []uint64{3, 4} {
		if err := r.Open(id); !errors.Is(err, session.ErrClosed) {
			t.Errorf("Open(%d) after Close = %v, want ErrClosed", id, err)
		}
	}
	g.Leave()
	if err := r.Open(3); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Open(3) after the last guard left = %v, want ErrClosed", err)
	}
	r.Apply(1, []uint64{9})
	if err := r.Open(4); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Open(4) after a later record = %v, want ErrClosed", err)
	}
}

// I2: closing admits nobody and the session stays known while a guard is held.
func TestRegistry_closingAdmitsNobody(t *testing.T) {
	r := session.New()
	mustOpen(t, r, 1)
	g := mustEnter(t, r, 1, "holder")
	if err := g.Check(); err != nil {
		t.Fatalf("Check while open = %v", err)
	}
	r.Close(1)
	if _, err := r.Enter(1, "late"); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Enter while closing = %v, want ErrClosed", err)
	}
	if err := g.Check(); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Check while closing = %v, want ErrClosed", err)
	}
	want := []session.Holder{{Session: 1, Name: "holder"}}
	if diff := cmp.Diff(want, r.Leaked(0), cmpopts.IgnoreFields(session.Holder{}, "Entered", "Closed")); diff != "" {
		t.Errorf("Leaked (-want +got):\n%s", diff)
	}
	g.Leave()
	g.Leave()
	if st := r.Stats(); st != (session.Stats{Admitted: 1, Refused: 1}) {
		t.Errorf("Stats after the guard left twice = %+v", st)
	}
}

// I4: a drain returns when the last of several guards has left.
func TestRegistry_drainBlocksUntilRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := session.New()
		mustOpen(t, r, 1)
		a, b := mustEnter(t, r, 1, "a"), mustEnter(t, r, 1, "b")
		drained := false
		go func() {
			if err := r.Drain(t.Context(), 1); err != nil {
				t.Errorf("Drain = %v", err)
			}
			drained = true
		}()
		synctest.Wait()
		a.Leave()
		synctest.Wait()
		if drained {
			t.Fatal("Drain returned while a guard was held")
		}
		b.Leave()
		synctest.Wait()
		if !drained {
			t.Fatal("Drain did not return when the last guard left")
		}
	})
}

func TestRegistry_concurrentDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := session.New()
		mustOpen(t, r, 1, 2)
		a, b := mustEnter(t, r, 1, "a"), mustEnter(t, r, 2, "b")
		ended := make(chan error, 8)
		for range 4 {
			go func() { ended <- r.Drain(t.Context(), 1) }()
			go func() { ended <- r.Drain(t.Context(), 1, 2) }()
		}
		synctest.Wait()
		if len(ended) != 0 {
			t.Fatal("a drain ended while guards were held")
		}
		a.Leave()
		synctest.Wait()
		if len(ended) != 4 {
			t.Fatalf("%d drains ended after session 1 did, want 4", len(ended))
		}
		b.Leave()
		for range 8 {
			if err := <-ended; err != nil {
				t.Errorf("Drain = %v", err)
			}
		}
	})
}

// A stuck session delays only those who must close it (S9).
func TestRegistry_drainClosingIgnoresOpenSessions(t *testing.T) {
	r := session.New()
	mustOpen(t, r, 1, 2)
	g := mustEnter(t, r, 1, "busy")
	r.Close(2)
	if err := r.DrainClosing(t.Context()); err != nil {
		t.Errorf("DrainClosing = %v with a guard in an open session", err)
	}
	if err := g.Check(); err != nil {
		t.Errorf("Check of the open session = %v", err)
	}
	g.Leave()
}

// I3: the abort signal wakes a holder that waits for something else.
func TestRegistry_closeWakesHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := session.New()
		mustOpen(t, r, 1)
		never := make(chan struct{})
		var cause error
		g := mustEnter(t, r, 1, "sleeper")
		go func() {
			defer g.Leave()
			select {
			case <-never:
			case <-g.Context().Done():
				cause = context.Cause(g.Context())
			}
		}()
		synctest.Wait()
		r.Apply(1, nil)
		if err := r.DrainClosing(t.Context()); err != nil {
			t.Errorf("DrainClosing = %v", err)
		}
		if !errors.Is(cause, session.ErrClosed) {
			t.Errorf("cause = %v, want ErrClosed", cause)
		}
	})
}

// Who asks for the signal after the session closed gets it at once.
func TestGuard_lateSubscriber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := session.New()
		mustOpen(t, r, 1)
		g := mustEnter(t, r, 1, "late")
		r.Close(1)
		cleaned := false
		stop := context.AfterFunc(g.Context(), func() { cleaned = true })
		synctest.Wait()
		if !cleaned || stop() {
			t.Errorf("cleaned = %v, want the function run at once", cleaned)
		}
		g.Leave()
	})
}

// A leaked guard does not hang the drain: it is found and named.
func TestRegistry_leakedGuardIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := session.New()
		mustOpen(t, r, 1, 2, 3)
		mustEnter(t, r, 2, "forgotten by repair")
		mustEnter(t, r, 1, "items from n2")
		other := mustEnter(t, r, 3, "not drained")
		began := time.Now()
		<-time.After(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := r.Drain(ctx, 1, 2)
		var held *session.HeldError
		if !errors.As(err, &held) {
			t.Fatalf("Drain = %v, want *HeldError", err)
		}
		want := []session.Holder{
			{Session: 1, Name: "items from n2", Entered: began, Closed: began.Add(time.Second)},
			{Session: 2, Name: "forgotten by repair", Entered: began, Closed: began.Add(time.Second)},
		}
		if diff := cmp.Diff(want, held.Holders); diff != "" {
			t.Errorf("Holders (-want +got):\n%s", diff)
		}
		if !errors.Is(err, session.ErrHeld) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain = %v, want ErrHeld and DeadlineExceeded", err)
		}
		if diff := cmp.Diff(want, r.Leaked(time.Minute)); diff != "" {
			t.Errorf("Leaked (-want +got):\n%s", diff)
		}
		if got := r.Leaked(time.Minute + 1); len(got) > 0 {
			t.Errorf("leaked for over a minute after one minute: %v", got)
		}
		if got := len(r.Holders()); got != 3 {
			t.Errorf("%d holders, want 3", got)
		}
		other.Leave()
	})
}

func TestRegistry_shutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := session.New()
		mustOpen(t, r, 1, 2)
		g := mustEnter(t, r, 2, "w")
		go func() {
			<-g.Context().Done()
			g.Leave()
		}()
		if err := r.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown = %v", err)
		}
		if err := r.Shutdown(t.Context()); err != nil {
			t.Errorf("second Shutdown = %v", err)
		}
		if st := r.Stats(); st.Open+st.Closing+st.Guards != 0 {
			t.Errorf("Stats after Shutdown = %+v", st)
		}
	})
}

func BenchmarkRegistry_EnterCheckLeave(b *testing.B) {
	r := session.New()
	if err := r.Open(1); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		g, err := r.Enter(1, "bench")
		if err != nil {
			b.Fatal(err)
		}
		if err := g.Check(); err != nil {
			b.Fatal(err)
		}
		g.Leave()
	}
}

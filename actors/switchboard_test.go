package actors_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/messages"
)

// onBoard runs a test with nodes a and b in a bubble of its own time.
func onBoard(t *testing.T, seed uint64, test func(t *testing.T, w *boardWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &boardWorld{board: actors.NewSwitchboard(actors.SwitchboardOptions{Seed: seed}), atA: &recorder{}, atB: &recorder{}}
		fb := boardFabric{w.board}
		w.a, w.b = startNode(t, fb, "a", 1, w.atA), startNode(t, fb, "b", 1, w.atB)
		w.toA, w.toB = peerOf(w.a, "a", 1), peerOf(w.b, "b", 1)
		test(t, w)
	})
}

type boardWorld struct {
	board    *actors.Switchboard
	a, b     actors.Transport
	atA, atB *recorder
	toA, toB actors.Peer
}

func (w *boardWorld) send(t *testing.T, n int) {
	t.Helper()
	for i := range uint64(n) {
		if err := w.a.Send(w.toB, request(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// sequences returns what has arrived at b when everything stands still.
func (w *boardWorld) sequences() []uint64 {
	synctest.Wait()
	w.atB.mu.Lock()
	defer w.atB.mu.Unlock()
	var out []uint64
	for _, f := range w.atB.frames {
		out = append(out, f.Seq)
	}
	return out
}

func TestSwitchboard_delay(t *testing.T) {
	onBoard(t, 1, func(t *testing.T, w *boardWorld) {
		w.board.SetFaults(actors.Fault{Delay: 50 * time.Millisecond})
		start := time.Now()
		w.send(t, 3)
		w.atB.waitFrames(t, 3)
		if d := time.Since(start); d != 50*time.Millisecond {
			t.Errorf("arrived after %v, want 50 ms", d)
		}
	})
}

func TestSwitchboard_jitterKeepsOrder(t *testing.T) {
	onBoard(t, 1, func(t *testing.T, w *boardWorld) {
		w.board.SetFault("a", "b", actors.Fault{Jitter: time.Second})
		w.send(t, 100)
		for i, f := range w.atB.waitFrames(t, 100) {
			if f.Seq != uint64(i) {
				t.Fatalf("frame %d has sequence %d", i, f.Seq)
			}
		}
	})
}

// TestSwitchboard_seed wants the same faults for the same seed, and others for another.
func TestSwitchboard_seed(t *testing.T) {
	run := func(seed uint64) (got []uint64) {
		onBoard(t, seed, func(t *testing.T, w *boardWorld) {
			w.board.SetFaults(actors.Fault{Drop: 0.2, Duplicate: 0.2, Reorder: 0.2, Jitter: time.Millisecond})
			w.send(t, 300)
			<-time.After(time.Minute)
			got = w.sequences()
		})
		return got
	}
	first := run(7)
	if diff := cmp.Diff(first, run(7)); diff != "" {
		t.Errorf("seed 7 gave two histories:\n%s", diff)
	}
	if cmp.Equal(first, run(8)) {
		t.Error("seeds 7 and 8 gave one history")
	}
	count, late := map[uint64]int{}, 0
	for i, seq := range first {
		count[seq]++
		if i > 0 && seq < first[i-1] {
			late++
		}
	}
	twice := 0
	for _, n := range count {
		if n == 2 {
			twice++
		}
	}
	for what, n := range map[string]int{"dropped": 300 - len(count), "duplicated": twice, "reordered": late} {
		if n < 20 || n > 120 {
			t.Errorf("%d frames of 300 %s, want about 60", n, what)
		}
	}
}

func TestSwitchboard_cutAndHeal(t *testing.T) {
	onBoard(t, 1, func(t *testing.T, w *boardWorld) {
		w.send(t, 1)
		w.atB.waitFrames(t, 1)
		w.board.Cut("a", "b")
		e := w.atA.waitLink(t, "the cut", down)
		if !errors.Is(e.Err, messages.ErrUnavailable) {
			t.Errorf("told %v, want ErrUnavailable", e.Err)
		}
		w.send(t, 2)
		e = w.atA.waitLink(t, "dropped frames", func(e actors.LinkEvent) bool { return e.Dropped > 0 })
		if e.Dropped != 2 {
			t.Errorf("%d frames dropped, want 2", e.Dropped)
		}
		w.board.Heal("a", "b")
		w.send(t, 1)
		w.atB.waitFrames(t, 2)
		if err := w.b.Send(w.toA, request(1)); err != nil {
			t.Fatal(err)
		}
		w.atA.waitFrames(t, 1)
	})
}

func TestSwitchboard_cutOneWay(t *testing.T) {
	onBoard(t, 1, func(t *testing.T, w *boardWorld) {
		w.board.CutOneWay("a", "b")
		w.send(t, 1)
		if err := w.b.Send(w.toA, request(5)); err != nil {
			t.Fatal(err)
		}
		if f := w.atA.waitFrames(t, 1)[0]; f.Seq != 5 {
			t.Errorf("frame %d arrived, want 5", f.Seq)
		}
		w.atA.waitLink(t, "the cut way", down)
		if _, err := w.b.OpenStream(t.Context(), w.toA); !errors.Is(err, messages.ErrUnavailable) {
			t.Errorf("a stream over the cut line: %v, want ErrUnavailable", err)
		}
		w.board.HealAll()
		w.send(t, 1)
		w.atB.waitFrames(t, 1)
	})
}

// TestSwitchboard_backoff wants attempts at growing distances, each made because something was sent.
func TestSwitchboard_backoff(t *testing.T) {
	onBoard(t, 1, func(t *testing.T, w *boardWorld) {
		w.board.Cut("a", "b")
		start := time.Now()
		var at []time.Duration
		for i := range 10 {
			w.send(t, 1)
			wait(t, w.atA, "another attempt", func() (int, bool) { return 0, len(w.atA.links) == i+1 })
			at = append(at, time.Since(start).Round(time.Millisecond))
		}
		want := []time.Duration{0, 10, 30, 70, 150, 310, 630, 1270, 2270, 3270}
		for i := range want {
			want[i] *= time.Millisecond
		}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSwitchboard_kill(t *testing.T) {
	onBoard(t, 1, func(t *testing.T, w *boardWorld) {
		ended := make(chan error, 1)
		w.atB.stream = func(s actors.Stream) error {
			_, err := s.Recv()
			ended <- err
			return err
		}
		s, err := w.a.OpenStream(t.Context(), w.toB)
		if err != nil {
			t.Fatal(err)
		}
		w.send(t, 1)
		w.atB.waitFrames(t, 1)
		if !w.board.Kill("b") || w.board.Kill("nobody") {
			t.Error("Kill misreports whom it found")
		}
		for side, err := range map[string]error{"b": <-ended, "a": recvErr(s)} {
			if !errors.Is(err, messages.ErrUnavailable) {
				t.Errorf("the stream's end at %s: %v, want ErrUnavailable", side, err)
			}
		}
		w.atA.waitLink(t, "the death", down)
		if err := w.b.Send(w.toA, request(1)); !errors.Is(err, messages.ErrClosed) {
			t.Errorf("the dead node sends: %v, want ErrClosed", err)
		}
		again := &recorder{}
		next := startNode(t, boardFabric{w.board}, "b", 2, again)
		if err := w.a.Send(peerOf(next, "b", 2), request(9)); err != nil {
			t.Fatal(err)
		}
		again.waitFrames(t, 1)
	})
}

func TestSwitchboard_stream(t *testing.T) {
	onBoard(t, 1, func(t *testing.T, w *boardWorld) {
		broken := make(chan error, 1)
		w.atB.stream = func(s actors.Stream) error {
			err := acknowledge(s)
			broken <- err
			return err
		}
		w.board.SetFaults(actors.Fault{Delay: 20 * time.Millisecond, Drop: 1})
		s, err := w.a.OpenStream(t.Context(), w.toB)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for i := range uint64(10) {
			if err := s.Send(items(i, 100)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range uint64(10) {
			if f, err := s.Recv(); err != nil || f.Seq != i {
				t.Fatalf("ack %d: %+v, %v", i, f.Header, err)
			}
		}
		if d := time.Since(start); d != 40*time.Millisecond {
			t.Errorf("there and back took %v, want 40 ms", d)
		}
		w.board.CutOneWay("b", "a")
		for side, err := range map[string]error{"b": <-broken, "a": recvErr(s)} {
			if !errors.Is(err, messages.ErrUnavailable) || errors.Is(err, io.EOF) {
				t.Errorf("the stream's end at %s: %v, want ErrUnavailable", side, err)
			}
		}
	})
}

// TestSwitchboard_corruptStream never damages streams: they stand for TCP.
func TestSwitchboard_corruptStream(t *testing.T) {
	onBoard(t, 1, func(t *testing.T, w *boardWorld) {
		w.atB.stream = acknowledge
		w.board.SetFaults(actors.Fault{Corrupt: 1, Duplicate: 1, Reorder: 1})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s, err := w.a.OpenStream(ctx, w.toB)
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(20) {
			if err := s.Send(items(i, 10)); err != nil {
				t.Fatal(err)
			}
			if f, err := s.Recv(); err != nil || f.Seq != i {
				t.Fatalf("ack %d: %+v, %v", i, f.Header, err)
			}
		}
	})
}

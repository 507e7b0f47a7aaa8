package pipe_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
)

// chaos runs the world for a while with everything that a network and an
// operator can do to it.
func (w *world) chaos(steps int) {
	for range steps {
		switch c := w.choose(100); {
		case c < 35 && len(w.bag) > 0: // mostly in order
			w.deliver(w.take(w.choose(min(len(w.bag), 3))))
		case c < 40 && len(w.bag) > 0:
			w.deliver(w.take(w.choose(len(w.bag))))
		case c < 44 && len(w.bag) > 0:
			w.take(w.choose(len(w.bag)))
		case c < 48 && len(w.bag) > 0:
			w.bag = append(w.bag, w.bag[w.choose(len(w.bag))])
		case c < 75:
			if work := w.localWork(); len(work) > 0 {
				work[w.choose(len(work))]()
			}
		case c < 79:
			w.tick(ring.Partition(w.choose(len(w.vnodes))))
		case c < 81:
			w.tickRest()
		case c < 84:
			w.sinkStep(pipe.Want{Batches: 1})
		case c < 90:
			w.feed(w.clients[w.choose(len(w.clients))])
		default:
			w.move(w.vnodes[w.choose(len(w.vnodes))])
		}
	}
}

// move takes a partition's handoff one step further, or gives it up.
func (w *world) move(v *vnode) {
	switch c := w.choose(10); {
	case c < 4:
		w.fold(v)
	case c < 5 && v.moving:
		v.copyDirty()
	case c < 6:
		w.cancel(v)
	default:
		w.flip(v)
	}
}

// TestPipe_exactlyOnce (I1, I2, I5, I6, I7): whatever the network loses,
// repeats and reorders, and however often partitions move or their moves are
// cancelled, the pipe ends and every input is counted exactly once.
func TestPipe_exactlyOnce(t *testing.T) {
	reg := testRegistry(t)
	moves, cancels := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int{1, 3, 0}).Draw(t, "queue limit")
		spec := testSpec(
			pipe.Fitting{Name: "double", Worker: "double", Route: pipe.ByHash(pipe.HashXXH3), QueueItems: limit},
			pipe.Fitting{Name: "pass", Worker: "pass-tally", Route: pipe.ByHash(pipe.HashXXH3), QueueItems: limit},
			pipe.Fitting{Name: "follow", Worker: pipe.Pass, Route: pipe.Follow(), QueueItems: limit},
			pipe.Fitting{Name: "sum", Worker: "tally", Route: pipe.Constant(3), QueueItems: limit, RunEmpty: true},
		)
		n := rapid.IntRange(0, 30).Draw(t, "inputs")
		inputs := make([][]string, 2)
		var want []string
		for i := range n {
			in := fmt.Sprintf("i%02d", i)
			inputs[i%2] = append(inputs[i%2], in)
			for _, p := range []string{"x", "y"} {
				// passed on once, and counted once at the end of its fitting.
				want = append(want, p+in+"=1", p+in+"=1=1")
			}
		}
		seed := rapid.Uint64().Draw(t, "seed")
		w := newWorld(spec, reg, inputs, rand.New(rand.NewPCG(seed, 1)).IntN)
		w.chaos(1000)
		w.calm(t)
		if w.outcome == nil || w.outcome.Err != nil {
			t.Fatalf("outcome %+v", w.outcome)
		}
		if w.closing == nil || w.closing.Err != nil {
			t.Fatalf("sink closed with %+v", w.closing)
		}
		slices.Sort(w.results)
		slices.Sort(want)
		if d := cmp.Diff(want, w.results); d != "" {
			t.Fatalf("results (-want +got):\n%s", d)
		}
		moves, cancels = moves+w.moves, cancels+w.cancels
	})
	t.Logf("%d handoffs, %d cancelled", moves, cancels)
	if moves == 0 || cancels == 0 {
		t.Error("nothing moved")
	}
}

// TestPipe_poison (I8): a worker that fails ends the pipe with its error, and
// nothing is left anywhere.
func TestPipe_poison(t *testing.T) {
	reg := testRegistry(t)
	rapid.Check(t, func(t *rapid.T) {
		spec := testSpec(
			pipe.Fitting{Name: "first", Worker: pipe.Pass, Route: pipe.ByHash(pipe.HashXXH3)},
			pipe.Fitting{Name: "second", Worker: "poison", Route: pipe.ByHash(pipe.HashXXH3)},
		)
		inputs := [][]string{{"a", "b", "poison", "c", "d"}}
		seed := rapid.Uint64().Draw(t, "seed")
		w := newWorld(spec, reg, inputs, rand.New(rand.NewPCG(seed, 2)).IntN)
		w.chaos(300)
		w.calm(t)
		var we *pipe.WorkerError
		if w.outcome == nil || !errors.As(w.outcome.Err, &we) || !errors.Is(we, pipe.ErrWorker) {
			t.Fatalf("outcome %+v", w.outcome)
		}
		if we.Fitting != "second" || string(we.Input) != "poison" {
			t.Fatalf("error names fitting %s, input %q", we.Fitting, we.Input)
		}
	})
}

// TestPipe_vnodeLost (I8, T-A7's better outcome): a vnode that loses everything
// in a crash never makes a short result look complete. The pipe ends all the
// same, with the right results or with an error that says what is missing.
func TestPipe_vnodeLost(t *testing.T) {
	reg := testRegistry(t)
	complete, incomplete := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		spec := testSpec(
			pipe.Fitting{Name: "pass", Worker: "pass-tally", Route: pipe.ByHash(pipe.HashXXH3), QueueItems: 2},
			pipe.Fitting{Name: "sum", Worker: "tally", Route: pipe.Constant(3), RunEmpty: true},
		)
		inputs := [][]string{nil}
		var want []string
		for i := range rapid.IntRange(0, 20).Draw(t, "inputs") {
			in := fmt.Sprintf("i%02d", i)
			inputs[0] = append(inputs[0], in)
			want = append(want, in+"=1", in+"=1=1")
		}
		seed := rapid.Uint64().Draw(t, "seed")
		w := newWorld(spec, reg, inputs, rand.New(rand.NewPCG(seed, 4)).IntN)
		w.chaos(w.choose(400))
		v := w.vnodes[w.choose(len(w.vnodes))]
		epoch := v.epoch + uint64(w.choose(2)) // restarted by its owner, or given to another
		w.vnodes[v.partition] = w.open(v.partition, epoch, nil)
		w.chaos(200)
		w.calm(t)
		if err := w.outcome.Err; err != nil {
			if !errors.Is(err, pipe.ErrCounts) && !errors.Is(err, pipe.ErrLost) && !errors.Is(err, pipe.ErrWorker) {
				t.Fatalf("outcome %v", err)
			}
			incomplete++
			return
		}
		complete++
		slices.Sort(w.results)
		slices.Sort(want)
		if d := cmp.Diff(want, w.results); d != "" {
			t.Fatalf("results said to be complete (-want +got):\n%s", d)
		}
	})
	t.Logf("%d complete, %d incomplete", complete, incomplete)
	if complete == 0 || incomplete == 0 {
		t.Error("not both outcomes were seen")
	}
}

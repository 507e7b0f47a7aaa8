package pipe_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/pipe"
)

// trouble decides when a worker fails: each call is asked once.
type trouble func(item string) bool

// flaky emits before it fails, so that what a failed call did shows. With a
// state it counts as tally does, also before it fails.
type flaky struct {
	tally
	fails trouble
}

func (f *flaky) Process(item []byte, out pipe.Output) error {
	if err := f.tally.Process(item, out); err != nil {
		return err
	}
	if f.fails(string(item)) {
		panic("no " + string(item))
	}
	return nil
}

// stateless hides the archive.
type stateless struct{ f flaky }

func (s *stateless) Process(item []byte, out pipe.Output) error { return s.f.Process(item, out) }
func (s *stateless) Done(pipe.Output) error                     { return nil }

// flakyBatch fails at the end of a batch for any of its items.
type flakyBatch struct{ flaky }

func (f *flakyBatch) ProcessBatch(b pipe.Batch, out pipe.Output) error {
	for item := range b.All() {
		if err := f.Process(item, out); err != nil {
			return err
		}
	}
	return nil
}

// flakyBench is a bench whose worker fails as the test says.
func flakyBench(t *testing.T, kind string, policy pipe.Policy, fails trouble) *bench {
	b := newBench(t, pipe.Pass, pipe.RunnerOptions{}, 1)
	b.spec.OnFailure, b.said, b.sent = policy, nil, nil
	addFlaky(t, b.reg, fails)
	b.spec.Fittings[0].Worker = kind
	var actions []pipe.RunnerAction
	b.r, actions = pipe.NewRunner(&pipe.StartWorker{Worker: b.id, Spec: b.spec, Partition: 3, Attempt: 1}, b.reg, pipe.RunnerOptions{})
	b.take(actions)
	return b
}

func addFlaky(t interface{ Fatal(...any) }, reg *pipe.Registry, fails trouble) {
	for name, f := range map[string]pipe.FactoryFunc{
		"stateless": func(pipe.WorkerContext) (pipe.Worker, error) {
			return &stateless{flaky{tally{map[string]int{}, true}, fails}}, nil
		},
		"flaky": func(pipe.WorkerContext) (pipe.Worker, error) {
			return &flaky{tally{map[string]int{}, true}, fails}, nil
		},
		"flaky-batch": func(pipe.WorkerContext) (pipe.Worker, error) {
			return &flakyBatch{flaky{tally{map[string]int{}, true}, fails}}, nil
		},
	} {
		if err := reg.AddWorker(name, f); err != nil {
			t.Fatal(err)
		}
	}
}

// once fails at the first call for an item.
func once(items ...string) trouble {
	left := slices.Clone(items)
	return func(item string) bool {
		i := slices.Index(left, item)
		if i < 0 {
			return false
		}
		left = slices.Delete(left, i, i+1)
		return true
	}
}

// TestRunner_retry: a call that fails never was, for the outputs and for the
// state; the second one counts.
func TestRunner_retry(t *testing.T) {
	for _, kind := range []string{"stateless", "flaky", "flaky-batch"} {
		t.Run(kind, func(t *testing.T) {
			b := flakyBench(t, kind, pipe.FailPipe, once("b", "c", "c"))
			b.give("a", "b", "a")
			b.want("next", "retry", "next")
			got := b.ackAll()
			if d := cmp.Diff([]string{"a", "b", "a"}, got); d != "" {
				t.Fatalf("sent (-want +got):\n%s", d)
			}
			b.step(pipe.GiveDone{Worker: b.id})
			got = b.ackAll()
			want := []string{"a=2", "b=1"}
			if kind == "stateless" {
				want = nil
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("sent at the end (-want +got):\n%s", d)
			}
			if c := b.r.Counts(); c.In != 3 || c.Aside != 0 {
				t.Errorf("counts %+v", c)
			}
		})
	}
}

// TestRunner_secondFailure: under FailPipe the second failure at an input ends
// the worker, under SetAside the input only.
func TestRunner_secondFailure(t *testing.T) {
	for _, kind := range []string{"stateless", "flaky", "flaky-batch"} {
		t.Run(kind, func(t *testing.T) {
			b := flakyBench(t, kind, pipe.FailPipe, once("b", "b", "b"))
			b.give("a", "b", "c")
			exited, ok := b.last.(*pipe.WorkerExited)
			if !ok || string(exited.Err.Input) != "b" {
				t.Fatalf("said %v", b.said)
			}
			b = flakyBench(t, kind, pipe.SetAside, once("b", "b", "b"))
			b.give("a", "b", "c", "d")
			if got := b.ackAll(); !cmp.Equal(got, []string{"a", "c", "d"}) {
				t.Fatalf("sent %q", got)
			}
			archive := b.archive()
			c := b.r.Counts()
			if c.In != 3 || c.Aside != 1 || len(c.Letters) != 1 || string(c.Letters[0].Input) != "b" || !strings.Contains(c.Letters[0].Cause, "no b") {
				t.Fatalf("counts %+v", c)
			}
			r, _ := pipe.NewRunner(&pipe.StartWorker{
				Worker: b.id, Spec: b.spec, Partition: 3, Attempt: 2, Archives: [][]byte{archive},
			}, b.reg, pipe.RunnerOptions{})
			if d := cmp.Diff(c, r.Counts()); d != "" {
				t.Errorf("counts that moved (-want +got):\n%s", d)
			}
		})
	}
}

// TestRunner_undo: a call that fails after it filled batches leaves no trace of
// them, and the batch that it added to is what it was.
func TestRunner_undo(t *testing.T) {
	reg := testRegistry(t)
	fail := true
	big := func(item []byte, out pipe.Output) error {
		out.Emit(item)
		if string(item) != "many" {
			return nil
		}
		for i := range 50_000 {
			out.Emit(fmt.Appendf(nil, "item %d", i))
		}
		if fail {
			fail = false
			return errWorker
		}
		return nil
	}
	if err := reg.AddWorker("big", pipe.Transform(big)); err != nil {
		t.Fatal(err)
	}
	spec := testSpec(
		pipe.Fitting{Name: "big", Worker: "big", Route: pipe.Follow()},
		pipe.Fitting{Name: "next", Worker: pipe.Pass, Route: pipe.ByHash(pipe.HashXXH3)},
	)
	w := newWorld(spec, reg, [][]string{{"one", "many", "two"}}, nil)
	w.calm(t)
	if w.outcome.Err != nil || len(w.results) != 50_003 {
		t.Fatalf("%d results, %v", len(w.results), w.outcome.Err)
	}
	seen := make(map[string]bool)
	for _, r := range w.results {
		if seen[r] {
			t.Fatalf("%s came twice", r)
		}
		seen[r] = true
	}
}

// restless emits something else each time.
type restless struct{ n *int }

func (r restless) Process(item []byte, out pipe.Output) error {
	*r.n++
	if *r.n == 2 {
		return errWorker
	}
	out.Emit(fmt.Append(nil, *r.n))
	return nil
}
func (restless) Done(pipe.Output) error   { return nil }
func (restless) Archive() ([]byte, error) { return nil, nil }
func (restless) Restore([]byte) error     { return nil }

// TestRunner_replay: a worker with a state that does not repeat itself can't be
// made anew, and the pipe does not end as if it could.
func TestRunner_replay(t *testing.T) {
	b := newBench(t, pipe.Pass, pipe.RunnerOptions{}, 1)
	n := 0
	if err := b.reg.AddWorker("restless", pipe.FactoryFunc(func(pipe.WorkerContext) (pipe.Worker, error) { return restless{&n}, nil })); err != nil {
		t.Fatal(err)
	}
	b.spec.Fittings[0].Worker, b.spec.OnFailure = "restless", pipe.SetAside
	b.r, _ = pipe.NewRunner(&pipe.StartWorker{Worker: b.id, Spec: b.spec, Partition: 3, Attempt: 1}, b.reg, pipe.RunnerOptions{})
	b.give("a", "b")
	e, ok := b.last.(*pipe.WorkerExited)
	if !ok || !errors.Is(e.Err, pipe.ErrReplay) || !errors.Is(e.Err, errWorker) {
		t.Fatalf("said %v: %v", b.said, b.last)
	}
}

// TestRunner_state: a worker with a state is made anew from archives that are
// taken now and then, whatever it has processed since, and one that was
// restored from elsewhere.
func TestRunner_state(t *testing.T) {
	b := flakyBench(t, "flaky", pipe.SetAside, once("x", "y", "y"))
	item := func(i int) string { return fmt.Sprintf("%d%s", i%10, strings.Repeat(".", 1000)) }
	for i := range 3000 { // 3 MB
		b.give(item(i))
		b.ackAll()
	}
	b.give("x", item(0), "y", item(1))
	b.ackAll()
	archive := b.archive()
	b.said = nil
	r, actions := pipe.NewRunner(&pipe.StartWorker{Worker: b.id, Spec: b.spec, Partition: 3, Attempt: 2, Archives: [][]byte{archive}}, b.reg, pipe.RunnerOptions{})
	b.r = r
	b.take(actions)
	b.give("z")
	b.ackAll()
	b.step(pipe.GiveDone{Worker: b.id})
	got := b.ackAll()
	want := []string{"x=1", "z=1"}
	for i := range 10 {
		n := 300
		if i < 2 {
			n++
		}
		want = append(want, fmt.Sprintf("%s=%d", item(i), n))
	}
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("sent at the end (-want +got):\n%s", d)
	}
}

// TestPipe_flaky (Q1): workers fail at random while partitions move. Every input
// that is not set aside counts exactly once, and the number of those that are
// is told with the outcome.
func TestPipe_flaky(t *testing.T) {
	moves, retried := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		choose := rand.New(rand.NewPCG(seed, 7)).IntN
		reg := pipe.NewRegistry()
		tries := make(map[string]int)
		fails := func(item string) bool {
			if strings.HasPrefix(item, "bad") {
				return true
			}
			tries[item]++
			if tries[item] == 1 && choose(3) == 0 { // a batch may fail once more, but no item twice
				retried++
				return true
			}
			return false
		}
		addFlaky(t, reg, fails)
		kind := rapid.SampledFrom([]string{"stateless", "flaky", "flaky-batch"}).Draw(t, "worker")
		spec := testSpec(
			pipe.Fitting{Name: "flaky", Worker: kind, Route: pipe.ByHash(pipe.HashXXH3), QueueItems: 3},
			pipe.Fitting{Name: "pass", Worker: pipe.Pass, Route: pipe.ByHash(pipe.HashXXH3)},
		)
		spec.OnFailure = pipe.SetAside
		inputs := [][]string{nil}
		var want []string
		bad := 0
		for i := range rapid.IntRange(0, 30).Draw(t, "inputs") {
			in := fmt.Sprintf("i%02d", i)
			if choose(5) == 0 {
				in = "bad" + in
				bad++
			} else {
				want = append(want, in)
				if kind != "stateless" {
					want = append(want, in+"=1")
				}
			}
			inputs[0] = append(inputs[0], in)
		}
		w := newWorld(spec, reg, inputs, choose)
		w.chaos(500)
		w.calm(t)
		var aside *pipe.SetAsideError
		switch err := w.outcome.Err; {
		case bad == 0 && err != nil:
			t.Fatalf("outcome %v", err)
		case bad > 0 && (!errors.As(err, &aside) || !errors.Is(err, pipe.ErrSetAside) || aside.Items != uint64(bad) || len(aside.Letters) == 0):
			t.Fatalf("outcome %v, with %d bad inputs", err, bad)
		}
		if w.closing == nil || w.closing.Err != nil {
			t.Fatalf("sink closed with %+v", w.closing)
		}
		slices.Sort(w.results)
		slices.Sort(want)
		if d := cmp.Diff(want, w.results); d != "" {
			t.Fatalf("results (-want +got):\n%s", d)
		}
		moves += w.moves
	})
	t.Logf("%d handoffs, %d retries", moves, retried)
	if moves == 0 || retried == 0 {
		t.Error("nothing happened")
	}
}

package pipe_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
)

// tree gives each input "name/n" n children of depth n-1, counts it and emits
// the count when done.
type tree struct{ tally }

func (w *tree) Process(item []byte, out pipe.Output) error {
	name, depth, _ := strings.Cut(string(item), "/")
	n, err := strconv.Atoi(depth)
	if err != nil {
		return err
	}
	for i := range n {
		out.Recurse(fmt.Appendf(nil, "%s.%d/%d", name, i, n-1))
	}
	return w.tally.Process([]byte(name), out)
}

// nodes are the names of a tree.
func nodes(name string, n int) []string {
	all := []string{name}
	for i := range n {
		all = append(all, nodes(fmt.Sprintf("%s.%d", name, i), n-1)...)
	}
	return all
}

// TestPipe_recursion: what a fitting sends to itself is counted exactly once
// whatever moves, no two full queues wait for one another, and every worker is
// done once, after all of it: a count never comes in two parts.
func TestPipe_recursion(t *testing.T) {
	outer := t
	moves := 0
	rapid.Check(t, func(t *rapid.T) {
		reg := testRegistry(outer)
		if err := reg.AddWorker("tree", pipe.FactoryFunc(func(pipe.WorkerContext) (pipe.Worker, error) {
			return &tree{tally{counts: make(map[string]int)}}, nil
		})); err != nil {
			t.Fatal(err)
		}
		spec := testSpec(
			pipe.Fitting{Name: "tree", Worker: "tree", Route: pipe.ByHash(pipe.HashXXH3), QueueItems: 1, Recursive: true},
			pipe.Fitting{Name: "sum", Worker: "tally", Route: pipe.Constant(2), QueueItems: 1},
		)
		var inputs, want []string
		for i := range rapid.IntRange(0, 4).Draw(t, "inputs") {
			depth := rapid.IntRange(0, 4).Draw(t, "depth")
			inputs = append(inputs, fmt.Sprintf("t%d/%d", i, depth))
			for _, n := range nodes(fmt.Sprintf("t%d", i), depth) {
				want = append(want, n+"=1=1")
			}
		}
		seed := rapid.Uint64().Draw(t, "seed")
		limit := rapid.SampledFrom([]int{0, 1}).Draw(t, "workers")
		w := newLimitedWorld(spec, reg, [][]string{inputs}, rand.New(rand.NewPCG(seed, 3)).IntN, limit)
		w.chaos(800)
		w.calm(t)
		if w.outcome.Err != nil {
			t.Fatalf("outcome %v", w.outcome.Err)
		}
		slices.Sort(w.results)
		slices.Sort(want)
		if d := cmp.Diff(want, w.results); d != "" {
			t.Fatalf("results (-want +got):\n%s", d)
		}
		moves += w.moves
	})
	if moves == 0 {
		t.Error("nothing moved")
	}
}

// TestPipe_forward: an input that a worker hands on is taken by the next
// partition of its preference list, and nothing else of that call is seen.
func TestPipe_forward(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		reg := testRegistry(outer)
		if err := reg.AddWorker("picky", pipe.FactoryFunc(func(c pipe.WorkerContext) (pipe.Worker, error) {
			return &pickyWorker{c}, nil
		})); err != nil {
			t.Fatal(err)
		}
		nval := rapid.IntRange(1, 5).Draw(t, "nval")
		spec := testSpec(pipe.Fitting{Name: "picky", Worker: "picky", Route: pipe.ByHash(pipe.HashXXH3), QueueItems: 1, NVal: nval})
		var inputs, want []string
		for i := range rapid.IntRange(0, 20).Draw(t, "inputs") {
			in := fmt.Sprintf("i%02d", i)
			inputs = append(inputs, in)
			h, _ := reg.Hash(pipe.HashXXH3)
			p := ring.PartitionOf(h([]byte(in)), spec.RingSize)
			for n := 1; n < nval && p%3 != 0; n++ {
				p = (p + 1) % 8
			}
			want = append(want, fmt.Sprintf("%s at %d", in, p))
		}
		seed := rapid.Uint64().Draw(t, "seed")
		w := newWorld(spec, reg, [][]string{inputs}, rand.New(rand.NewPCG(seed, 5)).IntN)
		w.chaos(400)
		w.calm(t)
		if w.outcome.Err != nil {
			t.Fatalf("outcome %v", w.outcome.Err)
		}
		slices.Sort(w.results)
		slices.Sort(want)
		if d := cmp.Diff(want, w.results); d != "" {
			t.Fatalf("results (-want +got):\n%s", d)
		}
	})
}

// pickyWorker takes an input at one partition in three, or where no other is
// left, and emits before it decides.
type pickyWorker struct{ c pipe.WorkerContext }

func (w *pickyWorker) Process(item []byte, out pipe.Output) error {
	out.Emit(fmt.Appendf(nil, "%s at %d", item, w.c.Partition))
	if w.c.Partition%3 != 0 && !out.Last() {
		return pipe.ErrForward
	}
	return nil
}
func (w *pickyWorker) Done(pipe.Output) error { return nil }

// TestPipe_preflistExhausted: an input that all hand on is a failure of the
// last, with its cause.
func TestPipe_preflistExhausted(t *testing.T) {
	for _, c := range []struct {
		init bool
		is   []error
	}{{false, []error{pipe.ErrPreflist}}, {true, []error{pipe.ErrPreflist, errWorker}}} {
		reg := testRegistry(t)
		if err := reg.AddWorker("none", pipe.FactoryFunc(func(pipe.WorkerContext) (pipe.Worker, error) {
			if c.init {
				return nil, errWorker
			}
			return forwards{}, nil
		})); err != nil {
			t.Fatal(err)
		}
		spec := testSpec(pipe.Fitting{Name: "none", Worker: "none", Route: pipe.Constant(7), NVal: 3})
		w := newWorld(spec, reg, [][]string{{"a"}}, nil)
		w.calm(t)
		var we *pipe.WorkerError
		if !errors.As(w.outcome.Err, &we) || we.Partition != 1 || string(we.Input) != "a" {
			t.Fatalf("outcome %v", w.outcome.Err)
		}
		for _, is := range c.is {
			if !strings.Contains(we.Cause.Error(), is.Error()) {
				t.Errorf("cause %v", we.Cause)
			}
		}
		spec.OnFailure = pipe.SetAside
		w = newWorld(spec, reg, [][]string{{"a", "b"}}, nil)
		w.calm(t)
		if !errors.Is(w.outcome.Err, pipe.ErrSetAside) {
			t.Fatalf("outcome %v", w.outcome.Err)
		}
	}
}

type forwards struct{}

func (forwards) Process([]byte, pipe.Output) error { return pipe.ErrForward }
func (forwards) Done(pipe.Output) error            { return nil }

// TestRunner_recurseRefused: only a Recursive fitting, and not in Done.
func TestRunner_recurseRefused(t *testing.T) {
	b := newBench(t, pipe.Pass, pipe.RunnerOptions{}, 1)
	if err := b.reg.AddWorker("again", pipe.Transform(func(item []byte, out pipe.Output) error {
		out.Recurse(item)
		return nil
	})); err != nil {
		t.Fatal(err)
	}
	b.spec.Fittings[0].Worker = "again"
	b.r, _ = pipe.NewRunner(&pipe.StartWorker{Worker: b.id, Spec: b.spec, Partition: 3, Attempt: 1}, b.reg, pipe.RunnerOptions{})
	b.give("a")
	if e, ok := b.last.(*pipe.WorkerExited); !ok || !errors.Is(e.Err, pipe.ErrRoute) {
		t.Fatalf("said %v", b.said)
	}
}

// TestPipe_limit (T-A12's better outcome): with one worker at a partition at a
// time every fitting of every pipe gets its turn, and all is exact.
func TestPipe_limit(t *testing.T) {
	reg := testRegistry(t)
	parked := 0
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 2).Draw(t, "workers")
		follow := func(name, worker string) pipe.Fitting {
			return pipe.Fitting{Name: name, Worker: worker, Route: pipe.Constant(3), QueueItems: 2}
		}
		spec := testSpec(follow("a", "pass-tally"), follow("b", pipe.Pass), follow("c", "pass-tally"), follow("d", "double"))
		var inputs, want []string
		for i := range rapid.IntRange(0, 30).Draw(t, "inputs") {
			in := fmt.Sprintf("i%02d", i)
			inputs = append(inputs, in)
			for _, s := range []string{in, in + "=1", in + "=1=1"} {
				want = append(want, "x"+s, "y"+s)
			}
			want = append(want, "x"+in+"=1", "y"+in+"=1")
		}
		seed := rapid.Uint64().Draw(t, "seed")
		w := newLimitedWorld(spec, reg, [][]string{inputs}, rand.New(rand.NewPCG(seed, 6)).IntN, limit)
		w.chaos(800)
		w.calm(t)
		if w.outcome.Err != nil {
			t.Fatalf("outcome %v", w.outcome.Err)
		}
		slices.Sort(w.results)
		slices.Sort(want)
		if d := cmp.Diff(want, w.results); d != "" {
			t.Fatalf("results (-want +got):\n%s", d)
		}
		live := 0
		for _, tr := range w.traces {
			if tr.Tag == pipe.TraceLimit {
				parked++
				live = max(live, tr.N)
			}
		}
		if live > limit {
			t.Fatalf("%d workers at once, limit %d", live, limit)
		}
	})
	if parked == 0 {
		t.Error("nothing had to wait")
	}
}

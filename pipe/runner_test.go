package pipe_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
)

// bench is one runner with a destination that a test acknowledges by hand.
type bench struct {
	t    *testing.T
	reg  *pipe.Registry
	spec *pipe.Spec
	id   pipe.WorkerID
	r    *pipe.Runner
	said []string        // what it told its vnode
	sent []*pipe.Enqueue // not yet acknowledged
	last any
}

func newBench(t *testing.T, worker string, opt pipe.RunnerOptions, attempt uint32, archives ...[]byte) *bench {
	t.Helper()
	b := &bench{t: t, reg: testRegistry(t), id: pipe.WorkerID{Instance: 1}}
	b.spec = testSpec(
		pipe.Fitting{Name: "work", Worker: worker, Route: pipe.Follow()},
		pipe.Fitting{Name: "next", Worker: pipe.Pass, Route: pipe.Constant(1), QueueItems: 1}, // batches of one item
	)
	b.id.Pipe = b.spec.ID
	var actions []pipe.RunnerAction
	b.r, actions = pipe.NewRunner(&pipe.StartWorker{
		Worker: b.id, Spec: b.spec, Partition: 3, Attempt: attempt, Archives: archives,
	}, b.reg, opt)
	b.take(actions)
	return b
}

func (b *bench) take(actions []pipe.RunnerAction) {
	for _, a := range actions {
		b.last = a
		switch a := a.(type) {
		case pipe.Transmit:
			b.sent = append(b.sent, a.Enqueue)
		case pipe.NextInput:
			b.said = append(b.said, "next")
		case *pipe.Archived:
			b.said = append(b.said, "archived")
		case *pipe.WorkerDone:
			b.said = append(b.said, fmt.Sprintf("done in=%d out=%d", a.Counts.In, a.Counts.Out()))
		case *pipe.WorkerExited:
			b.said = append(b.said, "exited")
		case *pipe.WorkerFault:
			tag := "retry"
			if a.Aside {
				tag = "aside"
			}
			b.said = append(b.said, tag)
		}
	}
}

func (b *bench) step(e pipe.RunnerEvent) { b.take(b.r.Step(e)) }

func (b *bench) give(items ...string) {
	var builder pipe.Builder
	for _, it := range items {
		builder.Append([]byte(it))
	}
	b.step(&pipe.Give{Worker: b.id, Batches: []pipe.Batch{builder.Seal()}})
}

// ack acknowledges the oldest output and returns it.
func (b *bench) ack() string {
	b.t.Helper()
	if len(b.sent) == 0 {
		b.t.Fatal("nothing was sent")
	}
	e := b.sent[0]
	b.sent = b.sent[1:]
	b.step(&pipe.Ack{Pipe: e.Pipe, Fitting: e.Fitting, Partition: e.Partition, Stream: e.Stream, Seq: e.Seq})
	return batchNames([]pipe.Batch{e.Batch})
}

func (b *bench) ackAll() []string {
	var all []string
	for len(b.sent) > 0 {
		all = append(all, b.ack())
	}
	return all
}

func (b *bench) archive() []byte {
	b.t.Helper()
	b.step(pipe.OrderArchive{Worker: b.id})
	a, ok := b.last.(*pipe.Archived)
	if !ok || !b.r.Ended() {
		b.t.Fatalf("said %v", b.said)
	}
	return a.Archive
}

func (b *bench) want(said ...string) {
	b.t.Helper()
	if d := cmp.Diff(said, b.said); d != "" {
		b.t.Fatalf("the worker said (-want +got):\n%s", d)
	}
}

func TestRunner_finishes(t *testing.T) {
	b := newBench(t, "pass-tally", pipe.RunnerOptions{}, 1)
	b.give("a", "b", "a")
	b.want("next", "next")
	b.ackAll()
	b.step(pipe.GiveDone{Worker: b.id})
	b.ack()
	b.want("next", "next") // one output is not yet acknowledged
	b.ackAll()
	b.want("next", "next", "done in=3 out=5")
	if !b.r.Ended() || b.r.Step(pipe.Tick{}) != nil {
		t.Error("it did not end")
	}
}

// TestRunner_stalled: a worker whose outputs are not taken stops in the middle
// of a batch, and archives there: the rest of the batch moves with it.
func TestRunner_stalled(t *testing.T) {
	b := newBench(t, "pass-tally", pipe.RunnerOptions{Window: 1}, 1)
	b.give("a", "b", "c", "d")
	b.want("next")
	if got := b.r.Counts().In; got != 2 {
		t.Fatalf("processed %d items with a window of one batch", got)
	}
	first := b.archive()
	b.want("next", "archived")

	b = newBench(t, "pass-tally", pipe.RunnerOptions{Window: 1}, 9, first)
	b.want()
	if got := b.ackAll(); !cmp.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Fatalf("sent %q", got)
	}
	b.want("next")
	b.step(pipe.GiveDone{Worker: b.id})
	if got := b.ackAll(); !cmp.Equal(got, []string{"a=1", "b=1", "c=1", "d=1"}) {
		t.Fatalf("sent %q", got)
	}
	b.want("next", "done in=4 out=8")
}

// TestRunner_archiveWhileFinishing: Done is called once, however often the
// worker moves before its last outputs are acknowledged.
func TestRunner_archiveWhileFinishing(t *testing.T) {
	b := newBench(t, "tally", pipe.RunnerOptions{Window: 1}, 1)
	b.give("a", "b")
	b.step(pipe.GiveDone{Worker: b.id})
	one := b.archive()
	b = newBench(t, "tally", pipe.RunnerOptions{Window: 1}, 2, one)
	b.want()
	if got := b.ack(); got != "a=1" {
		t.Fatalf("sent %q", got)
	}
	two := b.archive()
	b = newBench(t, "tally", pipe.RunnerOptions{Window: 1}, 3, two)
	if got := b.ackAll(); !cmp.Equal(got, []string{"b=1"}) {
		t.Fatalf("sent %q", got)
	}
	b.want("done in=2 out=2")
}

// TestRunner_restart (P-4.8): what a done worker leaves keeps its sequences and
// counts; its state was emitted and starts empty.
func TestRunner_restart(t *testing.T) {
	b := newBench(t, "tally", pipe.RunnerOptions{}, 1)
	b.give("a")
	b.step(pipe.GiveDone{Worker: b.id})
	b.ackAll()
	rest := b.last.(*pipe.WorkerDone).Archive
	b = newBench(t, "tally", pipe.RunnerOptions{}, 2, rest)
	b.give("b")
	b.step(pipe.GiveDone{Worker: b.id})
	e := b.sent[0]
	if e.Seq != 2 || e.Stream.Attempt != 1 || batchNames([]pipe.Batch{e.Batch}) != "b=1" {
		t.Fatalf("sent seq=%d of %v: %q", e.Seq, e.Stream, batchNames([]pipe.Batch{e.Batch}))
	}
	b.ackAll()
	b.want("next", "next", "done in=2 out=2")
}

// TestRunner_merge (T-E6): archives of two workers, and a third that comes
// later, add up; the sequences of all are finished.
func TestRunner_merge(t *testing.T) {
	archived := func(attempt uint32, item string) []byte {
		b := newBench(t, "pass-tally", pipe.RunnerOptions{}, attempt)
		b.give("x", item)
		return b.archive()
	}
	one, two, three := archived(1, "one"), archived(2, "two"), archived(3, "three")
	b := newBench(t, "pass-tally", pipe.RunnerOptions{}, 9, one, two)
	b.want("next")
	b.step(&pipe.GiveArchives{Worker: b.id, Archives: [][]byte{three}})
	b.step(pipe.GiveDone{Worker: b.id})
	got := b.ackAll()
	want := []string{"x", "one", "x", "two", "x", "three", "one=1", "three=1", "two=1", "x=3"}
	if d := cmp.Diff(sorted(want), sorted(got)); d != "" {
		t.Fatalf("sent (-want +got):\n%s", d)
	}
	b.want("next", "next", "done in=6 out=10")

	b = newBench(t, "pass-tally", pipe.RunnerOptions{}, 9, one, one)
	b.want("exited")
	if err := b.last.(*pipe.WorkerExited).Err; !errors.Is(err, pipe.ErrConflict) {
		t.Errorf("the same archive twice: %v", err)
	}
}

func sorted(s []string) string {
	all := append([]string(nil), s...)
	for i := range all {
		for j := i; j > 0 && all[j] < all[j-1]; j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
	return strings.Join(all, "\n")
}

var errWorker = errors.New("no more")

type faulty struct{ at string }

func (f faulty) Process(item []byte, out pipe.Output) error {
	switch string(item) {
	case "error":
		return errWorker
	case "panic":
		panic("oh")
	case "route":
		out.EmitTo(1, item)
	case "large":
		out.Emit(make([]byte, pipe.MaxItem+1))
	}
	return nil
}

func (f faulty) Done(pipe.Output) error {
	if f.at == "done" {
		panic(errWorker)
	}
	return nil
}

func (f faulty) Archive() ([]byte, error) { return nil, errWorker }
func (f faulty) Restore([]byte) error     { return errWorker }

func TestRunner_failures(t *testing.T) {
	for _, c := range []struct {
		name  string
		run   func(*bench)
		is    error
		input string
	}{
		{"error", func(b *bench) { b.give("fine", "error") }, errWorker, "error"},
		{"panic", func(b *bench) { b.give("panic") }, nil, "panic"},
		{"route", func(b *bench) { b.give("route") }, pipe.ErrRoute, "route"},
		{"too large", func(b *bench) { b.give("large") }, pipe.ErrTooLarge, "large"},
		{"done", func(b *bench) { b.step(pipe.GiveDone{Worker: b.id}) }, nil, ""},
		{"archive", func(b *bench) { b.step(pipe.OrderArchive{Worker: b.id}) }, errWorker, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, pipe.Pass, pipe.RunnerOptions{}, 1)
			if err := b.reg.AddWorker("faulty", pipe.FactoryFunc(func(pipe.WorkerContext) (pipe.Worker, error) {
				return faulty{at: c.name}, nil
			})); err != nil {
				t.Fatal(err)
			}
			b.spec.Fittings[0].Worker, b.said = "faulty", nil
			var actions []pipe.RunnerAction
			b.r, actions = pipe.NewRunner(&pipe.StartWorker{Worker: b.id, Spec: b.spec, Partition: 3, Attempt: 1}, b.reg, pipe.RunnerOptions{})
			b.take(actions)
			c.run(b)
			if c.name == "archive" {
				b.want("next", "exited")
			} else {
				b.want("next", "retry", "exited")
			}
			err := b.last.(*pipe.WorkerExited).Err
			if !errors.Is(err, pipe.ErrWorker) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error %v", err)
			}
			var p *pipe.PanicError
			if c.is == nil && (!errors.As(err, &p) || len(p.Stack) == 0) {
				t.Errorf("no panic in %v", err)
			}
			if string(err.Input) != c.input || err.Fitting != "work" || err.Partition != 3 {
				t.Errorf("names fitting %s at %d, input %q", err.Fitting, err.Partition, err.Input)
			}
		})
	}
}

func TestRunner_lost(t *testing.T) {
	b := newBench(t, pipe.Pass, pipe.RunnerOptions{}, 1)
	b.give("a", "b")
	b.ack()
	b.step(pipe.Tick{})
	b.step(&pipe.Refuse{Pipe: b.spec.ID, Fitting: 1, Partition: 1, Stream: b.sent[0].Stream, Expected: 1, Round: 1})
	err, ok := b.last.(*pipe.WorkerExited)
	if !ok || !errors.Is(err.Err, pipe.ErrLost) {
		t.Fatalf("said %v, %v", b.said, b.last)
	}
}

func TestRunner_startFails(t *testing.T) {
	reg := pipe.NewRegistry()
	add := func(name string, f pipe.FactoryFunc) {
		if err := reg.AddWorker(name, f); err != nil {
			t.Fatal(err)
		}
	}
	add("error", func(pipe.WorkerContext) (pipe.Worker, error) { return nil, errWorker })
	add("nothing", func(pipe.WorkerContext) (pipe.Worker, error) { return nil, nil })
	add("panic", func(pipe.WorkerContext) (pipe.Worker, error) { panic("oh") })
	for _, c := range []struct {
		worker  string
		archive []byte
		is      error
	}{
		{worker: "error", is: errWorker},
		{worker: "nothing", is: pipe.ErrWorker},
		{worker: "panic", is: pipe.ErrWorker},
		{worker: "unknown", is: pipe.ErrUnknownWorker},
		{worker: pipe.Pass, archive: []byte{1, 2, 3}, is: pipe.ErrDamaged},
		{worker: pipe.Pass, archive: []byte{99}, is: pipe.ErrVersion},
	} {
		spec := testSpec(pipe.Fitting{Name: "a", Worker: c.worker, Route: pipe.Follow()})
		start := &pipe.StartWorker{Spec: spec}
		if c.archive != nil {
			start.Archives = [][]byte{c.archive}
		}
		r, actions := pipe.NewRunner(start, reg, pipe.RunnerOptions{})
		if len(actions) != 1 || !r.Ended() {
			t.Fatalf("%s: %d actions", c.worker, len(actions))
		}
		if e, ok := actions[0].(*pipe.WorkerExited); !ok || !errors.Is(e.Err, c.is) {
			t.Errorf("%s: %+v", c.worker, actions[0])
		}
	}
}

type batches struct{ sizes *[]int }

func (b batches) Process([]byte, pipe.Output) error { return errWorker }
func (b batches) Done(pipe.Output) error            { return nil }
func (b batches) ProcessBatch(batch pipe.Batch, out pipe.Output) error {
	*b.sizes = append(*b.sizes, batch.Len())
	for it := range batch.All() {
		out.Emit(it)
	}
	return nil
}

func TestRunner_batchWorker(t *testing.T) {
	var sizes []int
	reg := pipe.NewRegistry()
	if err := reg.AddWorker("batches", pipe.FactoryFunc(func(pipe.WorkerContext) (pipe.Worker, error) {
		return batches{&sizes}, nil
	})); err != nil {
		t.Fatal(err)
	}
	spec := testSpec(pipe.Fitting{Name: "a", Worker: "batches", Route: pipe.Follow()})
	r, _ := pipe.NewRunner(&pipe.StartWorker{Spec: spec, Partition: ring.Partition(3)}, reg, pipe.RunnerOptions{})
	actions := r.Step(&pipe.Give{Batches: []pipe.Batch{
		pipe.BatchOf([]byte("a"), []byte("b")), pipe.BatchOf([]byte("c")),
	}})
	if !cmp.Equal(sizes, []int{2, 1}) || r.Counts().In != 3 {
		t.Errorf("batches of %v items, %d in all", sizes, r.Counts().In)
	}
	if e, ok := actions[0].(pipe.Transmit); !ok || !e.ToSink || e.Enqueue.Batch.Len() != 3 {
		t.Errorf("sent %+v", actions[0])
	}
}

func FuzzArchive(f *testing.F) {
	reg := pipe.NewRegistry()
	spec := testSpec(
		pipe.Fitting{Name: "a", Worker: pipe.Pass, Route: pipe.Follow()},
		pipe.Fitting{Name: "b", Worker: pipe.Pass, Route: pipe.ByHash(pipe.HashXXH3)},
	)
	start := &pipe.StartWorker{Spec: spec, Partition: 3, Attempt: 1}
	r, _ := pipe.NewRunner(start, reg, pipe.RunnerOptions{Window: 1})
	r.Step(&pipe.Give{Batches: []pipe.Batch{pipe.BatchOf([]byte("x"), []byte("y"))}})
	f.Add(r.Step(pipe.OrderArchive{})[0].(*pipe.Archived).Archive)
	f.Fuzz(func(t *testing.T, data []byte) {
		again := *start
		again.Archives = [][]byte{data}
		r, actions := pipe.NewRunner(&again, reg, pipe.RunnerOptions{})
		if !r.Ended() {
			return
		}
		e, ok := actions[len(actions)-1].(*pipe.WorkerExited)
		if ok && !errors.Is(e.Err, pipe.ErrDamaged) && !errors.Is(e.Err, pipe.ErrVersion) && !errors.Is(e.Err, pipe.ErrConflict) {
			t.Fatalf("error %v", e.Err)
		}
	})
}

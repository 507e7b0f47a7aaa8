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

	"github.com/dee2748c/baton/pipe"
)

// The scenarios of riak_test's pipe_verify_* that need no cluster, by their
// numbers. Each ends with calm, which fails unless every queue and worker is
// gone. Where a better outcome is shown than the original's, the comment says
// which.

// rush runs everything that needs no time to pass.
func (w *world) rush() {
	w.sinkStep(pipe.Want{Batches: 1000})
	for {
		for _, c := range w.clients {
			w.feed(c)
		}
		if len(w.bag) > 0 {
			w.deliver(w.take(0))
			continue
		}
		work := w.localWork()
		if len(work) == 0 {
			return
		}
		work[0]()
	}
}

// tagged returns the traces of a tag as "fitting:items".
func (w *world) tagged(tag string) []string {
	var all []string
	for _, tr := range w.traces {
		if tr.Tag == tag {
			name := w.spec.Fittings[tr.Fitting].Name
			for _, item := range tr.Items {
				all = append(all, name+":"+string(item))
			}
			if len(tr.Items) == 0 {
				all = append(all, name)
			}
		}
	}
	return all
}

func constant(name, worker string) pipe.Fitting {
	return pipe.Fitting{Name: name, Worker: worker, Route: pipe.Constant(3)}
}

// number makes a factory of a function of whole numbers.
func number(f func(n int, out pipe.Output) error) pipe.Factory {
	return pipe.Transform(func(item []byte, out pipe.Output) error {
		n, err := strconv.Atoi(string(item))
		if err != nil {
			return err
		}
		return f(n, out)
	})
}

func emitNumber(n int, out pipe.Output) { out.Emit(strconv.AppendInt(nil, int64(n), 10)) }

func addWorker(t *testing.T, reg *pipe.Registry, name string, f pipe.Factory) {
	t.Helper()
	if err := reg.AddWorker(name, f); err != nil {
		t.Fatal(err)
	}
}

func (w *world) complete(t *testing.T, want ...string) {
	t.Helper()
	w.calm(t)
	if w.outcome.Err != nil {
		t.Fatalf("outcome %v", w.outcome.Err)
	}
	w.wantResults(t, want...)
}

func (w *world) wantResults(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(want)
	if d := cmp.Diff(want, slices.Sorted(slices.Values(w.results))); d != "" {
		t.Fatalf("results (-want +got):\n%s", d)
	}
}

func TestA01_verifyOrder(t *testing.T) {
	reg := testRegistry(t)
	addWorker(t, reg, "twice", number(func(n int, out pipe.Output) error { emitNumber(2*n, out); return nil }))
	var fittings []pipe.Fitting
	for i := range 5 {
		fittings = append(fittings, pipe.Fitting{Name: fmt.Sprint("f", i), Worker: "twice", Route: pipe.ByHash(pipe.HashSHA1)})
	}
	w := newWorld(testSpec(fittings...), reg, [][]string{{"1"}}, nil)
	w.complete(t, "32")
	if d := cmp.Diff([]string{"f0:1", "f1:2", "f2:4", "f3:8", "f4:16"}, w.tagged(pipe.TraceQueued)); d != "" {
		t.Errorf("queued (-want +got):\n%s", d)
	}
	for _, tag := range []string{pipe.TraceRetry, pipe.TraceAside, pipe.TraceFailed} {
		if got := w.tagged(tag); got != nil {
			t.Errorf("%s: %v", tag, got)
		}
	}
}

func TestA02_traceFiltering(t *testing.T) {
	traced := func(filter ...string) map[string]int {
		spec := testSpec(constant("first", pipe.Pass), constant("second", pipe.Pass))
		spec.Trace = filter
		q := pipe.NewQueues(pipe.QueuesOptions{Partition: 3, Node: "n7"})
		got := make(map[string]int)
		step := func(e pipe.QueuesEvent) {
			for _, a := range q.Step(e) {
				if tr, ok := a.(pipe.Traced); ok {
					got[spec.Fittings[tr.Fitting].Name+" "+tr.Tag]++
				}
			}
		}
		step(pipe.Opened{Epoch: 1})
		for f := range 2 {
			step(&pipe.Enqueue{Pipe: spec.ID, Fitting: f, Seq: 1, Coordinator: spec.Coordinator, Batch: pipe.BatchOf([]byte("x"))})
		}
		step(&pipe.SpecKnown{Spec: spec})
		for f := range 2 {
			step(&pipe.EOI{Pipe: spec.ID, Fitting: f, Coordinator: spec.Coordinator})
		}
		return got
	}
	all := traced(pipe.TraceAll)
	if len(all) != 6 { // queued, start and eoi of both
		t.Errorf("all: %v", all)
	}
	for _, c := range []struct {
		filter string
		want   []string
	}{
		{pipe.TraceEOI, []string{"first eoi", "second eoi"}},
		{"second", []string{"second eoi", "second queued", "second start"}},
		{"n7", []string{"first eoi", "first queued", "first start", "second eoi", "second queued", "second start"}},
		{"n8", nil},
	} {
		got := traced(c.filter)
		var names []string
		for n := range got {
			names = append(names, n)
		}
		slices.Sort(names)
		if d := cmp.Diff(c.want, names); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.filter, d)
		}
	}
	if got := traced(); len(got) != 0 {
		t.Errorf("nothing was asked for: %v", got)
	}
}

// countdown emits n and sends n-1 to its own fitting.
func countdown(n int, out pipe.Output) error {
	emitNumber(n, out)
	if n > 0 {
		out.Recurse(strconv.AppendInt(nil, int64(n-1), 10))
	}
	return nil
}

func TestA02b_recursiveCountdown(t *testing.T) {
	reg := testRegistry(t)
	addWorker(t, reg, "countdown", number(countdown))
	spec := testSpec(pipe.Fitting{Name: "countdown", Worker: "countdown", Route: pipe.ByHash(pipe.HashSHA1), QueueItems: 1, Recursive: true})
	newWorld(spec, reg, [][]string{{"3"}}, nil).complete(t, "3", "2", "1", "0")
}

// TestA02b_recursiveCountdown2: the end of inputs comes while the fitting still
// sends to itself. The original's worker is done, and restarts; here it is done
// only when nothing can come any more, so nothing restarts.
func TestA02b_recursiveCountdown2(t *testing.T) {
	reg := testRegistry(t)
	addWorker(t, reg, "countdown", number(countdown))
	spec := testSpec(constant("countdown", "countdown"))
	spec.Fittings[0].Recursive = true
	w := newWorld(spec, reg, [][]string{{"3", "3", "3"}}, nil)
	w.complete(t, "3", "2", "1", "0", "3", "2", "1", "0", "3", "2", "1", "0")
	if got := w.tagged(pipe.TraceRestart); got != nil {
		t.Errorf("restarts: %v", got)
	}
}

func TestA03_examples(t *testing.T) {
	reg := testRegistry(t)
	addWorker(t, reg, "sum", pipe.Reduce(func(_, so, value []byte) ([]byte, error) {
		a, _ := strconv.Atoi(string(so))
		b, err := strconv.Atoi(string(value))
		return strconv.AppendInt(nil, int64(a+b), 10), err
	}))
	addWorker(t, reg, "keyed", number(func(n int, out pipe.Output) error {
		key := "a"
		if n > 10 {
			key = "b"
		}
		out.Emit(pipe.AppendPair(nil, []byte(key), strconv.AppendInt(nil, int64(n), 10)))
		return nil
	}))
	var inputs []string
	for n := range 20 {
		inputs = append(inputs, strconv.Itoa(n+1))
	}
	newWorld(testSpec(constant("pass", pipe.Pass)), reg, [][]string{inputs}, nil).complete(t, inputs...)
	newWorld(testSpec(constant("count", pipe.Count)), reg, [][]string{inputs}, nil).complete(t, "20")
	newWorld(testSpec(constant("discard", pipe.Discard)), reg, [][]string{inputs}, nil).complete(t)

	spec := testSpec(
		pipe.Fitting{Name: "key", Worker: "keyed", Route: pipe.ByHash(pipe.HashSHA1)},
		pipe.Fitting{Name: "sum", Worker: "sum", Route: pipe.ByHash(pipe.HashPair)},
	)
	w := newWorld(spec, reg, [][]string{inputs}, rand.New(rand.NewPCG(1, 2)).IntN)
	w.chaos(300) // with handoffs: the sums of two workers add up
	w.calm(t)
	var got []string
	for _, r := range w.results {
		k, v, err := pipe.SplitPair([]byte(r))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s=%s", k, v))
	}
	slices.Sort(got)
	if d := cmp.Diff([]string{"a=55", "b=155"}, got); d != "" || w.outcome.Err != nil {
		t.Errorf("sums, %v (-want +got):\n%s", w.outcome.Err, d)
	}
}

// crashes panics at the inputs that begin with "bad".
func crashes(item []byte, out pipe.Output) error {
	if strings.HasPrefix(string(item), "bad") {
		panic("crash at " + string(item))
	}
	out.Emit(item)
	return nil
}

func crashWorld(t *testing.T, policy pipe.Policy, inputs ...string) *world {
	reg := testRegistry(t)
	addWorker(t, reg, "crash", pipe.Transform(crashes))
	spec := testSpec(constant("pass", pipe.Pass), constant("crash", "crash"))
	spec.OnFailure = policy
	return newWorld(spec, reg, [][]string{inputs}, nil)
}

// aside returns what was set aside, which must be so many.
func (w *world) aside(t *testing.T, n int) []pipe.Letter {
	t.Helper()
	var e *pipe.SetAsideError
	if !errors.As(w.outcome.Err, &e) || e.Items != uint64(n) {
		t.Fatalf("outcome %v, want %d set aside", w.outcome.Err, n)
	}
	return e.Letters
}

// TestA04_xbad1: the original only traces the error; here it is in the outcome,
// and the input was tried twice.
func TestA04_xbad1(t *testing.T) {
	w := crashWorld(t, pipe.SetAside, "one", "bad", "two", "three")
	w.calm(t)
	w.wantResults(t, "one", "two", "three")
	l := w.aside(t, 1)[0]
	if l.Fitting != "crash" || l.Partition != 3 || string(l.Input) != "bad" || l.Cause != "panic: crash at bad" {
		t.Errorf("letter %+v", l)
	}
	if got := w.tagged(pipe.TraceRetry); !slices.Equal(got, []string{"crash:bad"}) {
		t.Errorf("retries %v", got)
	}
	if got := w.tagged(pipe.TraceAside); !slices.Equal(got, []string{"crash:bad"}) {
		t.Errorf("set aside %v", got)
	}
}

// TestA05_xbad2: what was done before and after the crashes is delivered before
// the end of inputs.
func TestA05_xbad2(t *testing.T) {
	w := crashWorld(t, pipe.SetAside, "one", "bad1", "bad2", "two", "bad3")
	w.clients[0].told = true // and so no end of inputs
	w.rush()
	w.wantResults(t, "one", "two")
	if got := w.tagged(pipe.TraceAside); len(got) != 3 {
		t.Errorf("set aside %v", got)
	}
	w.coordinator(pipe.Cancel{})
	w.calm(t)
	if !errors.Is(w.outcome.Err, pipe.ErrCancelled) {
		t.Errorf("outcome %v", w.outcome.Err)
	}
}

// TestA06_tailWorkerCrash: results from before the crash of the last worker
// have come; whether the pipe then goes on is its policy.
func TestA06_tailWorkerCrash(t *testing.T) {
	w := crashWorld(t, pipe.FailPipe, "one", "two")
	w.clients[0].told = true
	w.rush()
	w.wantResults(t, "one", "two")
	w.clients[0].todo = []string{"bad"}
	w.calm(t)
	var we *pipe.WorkerError
	if !errors.As(w.outcome.Err, &we) || we.Fitting != "crash" || string(we.Input) != "bad" {
		t.Errorf("outcome %v", w.outcome.Err)
	}
}

// TestA11_workerInit: a worker that can't be started ends the pipe with its
// cause after three tries; the original refuses inputs and then ends clean.
func TestA11_workerInit(t *testing.T) {
	for name, init := range map[string]pipe.FactoryFunc{
		"exit":      func(pipe.WorkerContext) (pipe.Worker, error) { panic("init") },
		"error":     func(pipe.WorkerContext) (pipe.Worker, error) { return nil, errWorker },
		"badreturn": func(pipe.WorkerContext) (pipe.Worker, error) { return nil, nil },
	} {
		reg, tries := testRegistry(t), 0
		addWorker(t, reg, "init", pipe.FactoryFunc(func(c pipe.WorkerContext) (pipe.Worker, error) {
			tries++
			return init(c)
		}))
		w := newWorld(testSpec(constant("init", "init")), reg, [][]string{{"a"}}, nil)
		w.calm(t)
		if !errors.Is(w.outcome.Err, pipe.ErrWorker) || tries != 3 {
			t.Errorf("%s: outcome %v after %d tries", name, w.outcome.Err, tries)
		}
	}
	// The third try of one that can be started then goes on as if nothing was.
	reg, tries := testRegistry(t), 0
	addWorker(t, reg, "init", pipe.FactoryFunc(func(pipe.WorkerContext) (pipe.Worker, error) {
		if tries++; tries < 3 {
			return nil, errWorker
		}
		return forwardless{}, nil
	}))
	newWorld(testSpec(constant("init", "init")), reg, [][]string{{"a"}}, nil).complete(t, "a")
}

type forwardless struct{}

func (forwardless) Process(item []byte, out pipe.Output) error { out.Emit(item); return nil }
func (forwardless) Done(pipe.Output) error                     { return nil }

// TestA12_workerLimit: 90 fittings at one partition that may run 50 workers. The
// original refuses what is beyond; here they take turns.
func TestA12_workerLimit(t *testing.T) {
	var fittings []pipe.Fitting
	for i := range 90 {
		fittings = append(fittings, constant(fmt.Sprint("f", i), pipe.Pass))
	}
	w := newLimitedWorld(testSpec(fittings...), testRegistry(t), [][]string{{"a", "b", "c"}}, nil, 50)
	w.clients[0].told = true
	w.rush()
	most := 0
	if got := len(w.vnodes[3].workers); got > 50 {
		t.Errorf("%d workers run", got)
	}
	w.clients[0].told = false
	w.complete(t, "a", "b", "c")
	for _, tr := range w.traces {
		if tr.Tag == pipe.TraceLimit {
			most = max(most, tr.N)
		}
	}
	if most != 50 {
		t.Errorf("at most %d workers ran, want 50", most)
	}
}

// TestA13_underWorkerLimit: the limit is of a partition.
func TestA13_underWorkerLimit(t *testing.T) {
	var fittings []pipe.Fitting
	for i := range 20 {
		fittings = append(fittings, pipe.Fitting{Name: fmt.Sprint("f", i), Worker: pipe.Pass, Route: pipe.ByHash(pipe.HashXXH3)})
	}
	var inputs []string
	for i := range 100 {
		inputs = append(inputs, strconv.Itoa(i))
	}
	w := newLimitedWorld(testSpec(fittings...), testRegistry(t), [][]string{inputs}, nil, 20)
	w.complete(t, inputs...)
	if got := w.tagged(pipe.TraceLimit); got != nil {
		t.Errorf("limited: %v", got)
	}
}

func TestA14_queueLimit(t *testing.T) {
	spec := testSpec(constant("pass", pipe.Pass), constant("slow", pipe.Pass))
	spec.Fittings[0].QueueItems, spec.Fittings[1].QueueItems = 1, 1
	var inputs []string
	for i := range 100 {
		inputs = append(inputs, strconv.Itoa(i))
	}
	w := newWorld(spec, testRegistry(t), [][]string{inputs}, nil)
	for range 500 { // workers are slower than senders
		w.feed(w.clients[0])
		for len(w.bag) > 0 {
			w.deliver(w.take(0))
		}
		if work := w.localWork(); len(work) > 0 && len(w.clients[0].todo)%3 == 0 {
			work[0]()
		}
	}
	w.complete(t, inputs...)
	full, unblocked := w.tagged(pipe.TraceFull), w.tagged(pipe.TraceUnblock)
	if len(full) == 0 || len(full) != len(unblocked) {
		t.Errorf("%d batches were held back, %d came through", len(full), len(unblocked))
	}
}

// TestA16_restartAfterEOI: three workers send to one another after the end of
// inputs was announced. None is done before its time, so none restarts, and
// nothing counts as a failure.
func TestA16_restartAfterEOI(t *testing.T) {
	reg := testRegistry(t)
	addWorker(t, reg, "countdown", number(countdown))
	spec := testSpec(pipe.Fitting{Name: "count", Worker: "countdown", Route: pipe.ByHash(pipe.HashSHA1), Recursive: true})
	w := newWorld(spec, reg, [][]string{{"40"}}, rand.New(rand.NewPCG(5, 5)).IntN)
	w.chaos(400)
	var want []string
	for n := range 41 {
		want = append(want, strconv.Itoa(n))
	}
	w.complete(t, want...)
	for _, tag := range []string{pipe.TraceRetry, pipe.TraceFailed} {
		if got := w.tagged(tag); got != nil {
			t.Errorf("%s: %v", tag, got)
		}
	}
}

// TestA17_restartInputForwarding: a worker crashes and can't be started again;
// the input in hand, those queued and those that come later go to the next
// partition of their preference list. The original loses the input in hand.
func TestA17_restartInputForwarding(t *testing.T) {
	reg := testRegistry(t)
	started := false
	addWorker(t, reg, "crash", pipe.FactoryFunc(func(c pipe.WorkerContext) (pipe.Worker, error) {
		if c.Partition == 3 {
			if started {
				return nil, errWorker
			}
			started = true
		}
		return crashAt{c}, nil
	}))
	spec := testSpec(pipe.Fitting{Name: "crash", Worker: "crash", Route: pipe.Constant(3), NVal: 2, QueueItems: 64})
	var inputs, want []string
	for i := range 384 {
		in := strconv.Itoa(i)
		inputs = append(inputs, in)
		at := 4
		if i < 20 {
			at = 3
		}
		want = append(want, fmt.Sprintf("%s at %d", in, at))
	}
	w := newWorld(spec, reg, [][]string{inputs}, nil)
	w.complete(t, want...)
	if got := w.tagged(pipe.TraceRetry); !slices.Equal(got, []string{"crash:20"}) {
		t.Errorf("failures %v", got)
	}
}

type crashAt struct{ c pipe.WorkerContext }

func (w crashAt) Process(item []byte, out pipe.Output) error {
	if w.c.Partition == 3 && string(item) == "20" {
		panic("crash")
	}
	out.Emit(fmt.Appendf(nil, "%s at %d", item, w.c.Partition))
	return nil
}
func (w crashAt) Done(pipe.Output) error { return nil }

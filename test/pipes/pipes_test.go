package pipes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
)

func TestMain(m *testing.M) { batontest.VerifyTestMain(m) }

// gate is a worker that waits until it is opened.
type gate struct{ open chan struct{} }

func (g *gate) fitting(c pipe.WorkerContext) (pipe.Worker, error) {
	return &gated{g: g, c: c}, nil
}

type gated struct {
	g *gate
	c pipe.WorkerContext
	n uint64
}

func (w *gated) Process(item []byte, out pipe.Output) error {
	select {
	case <-w.g.open:
	case <-w.c.Context.Done():
		return w.c.Context.Err()
	}
	w.n++
	out.Emit(item)
	return nil
}
func (w *gated) Done(pipe.Output) error { return nil }

// Archive and Restore make it a worker with a state.
func (w *gated) Archive() ([]byte, error) { return strconv.AppendUint(nil, w.n, 10), nil }

func (w *gated) Restore(b []byte) error {
	n, err := strconv.ParseUint(string(b), 10, 64)
	w.n += n
	return err
}

func start(t *testing.T, nodes int, fittings map[string]pipe.Factory) *batontest.Cluster {
	t.Helper()
	return batontest.Start(t, batontest.Options{Nodes: nodes, Node: baton.Options{
		RingSize: 16, Fittings: fittings, RetryAfter: 20 * time.Millisecond,
	}})
}

func long(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// feed sends the inputs by one sender.
func feed(ctx context.Context, p *baton.Pipe, inputs []string) error {
	s, err := p.Sender()
	if err != nil {
		return err
	}
	for _, in := range inputs {
		if err := s.Send(ctx, []byte(in)); err != nil {
			return err
		}
	}
	return p.CloseSender(ctx, s)
}

// results takes everything, sorted, and the outcome.
func results(p *baton.Pipe) ([]string, error) {
	var all []string
	for {
		b, ok, err := p.Next()
		if err != nil || !ok {
			slices.Sort(all)
			return all, err
		}
		for item := range b.All() {
			all = append(all, string(item))
		}
	}
}

func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("i%03d", i)
	}
	return all
}

// empty waits until the cluster holds nothing of any pipe.
func empty(t *testing.T, c *batontest.Cluster) {
	t.Helper()
	ctx := long(t)
	for {
		s := c.Any().PipeStatus(ctx)
		if len(s.Missing) > 0 {
			t.Fatalf("partitions %v did not answer; held: %+v", s.Missing, s.Work)
		}
		if len(s.Work) == 0 {
			return
		}
	}
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%d results, want %d:\n%q\n%q", len(got), len(want), got, want)
	}
}

// TestPipe_setAside: bad inputs are set aside with their cause, others come, and
// the outcome says so.
func TestPipe_setAside(t *testing.T) {
	c := start(t, 3, map[string]pipe.Factory{"picky": pipe.Transform(func(item []byte, out pipe.Output) error {
		out.Emit(item)
		if strings.HasSuffix(string(item), "7") {
			panic("seven")
		}
		return nil
	})})
	var notes atomic.Int64
	p, err := c.Node("a").StartPipe(
		[]pipe.Fitting{{Name: "picky", Worker: "picky", Route: pipe.ByHash(pipe.HashXXH3)}},
		baton.PipeOptions{OnFailure: pipe.SetAside, Trace: []string{pipe.TraceAside}, OnTrace: func(n baton.PipeTrace) {
			if n.Tag == pipe.TraceAside && n.Fitting == "picky" && n.Cause == "panic: seven" {
				notes.Add(1)
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	if err := feed(long(t), p, numbers(100)); err != nil {
		t.Fatal(err)
	}
	p.EndInputs()
	got, err := results(p)
	var aside *pipe.SetAsideError
	if !errors.As(err, &aside) || aside.Items != 10 || len(aside.Letters) == 0 || !strings.HasSuffix(string(aside.Letters[0].Input), "7") {
		t.Fatalf("outcome %v", err)
	}
	want := slices.DeleteFunc(numbers(100), func(s string) bool { return strings.HasSuffix(s, "7") })
	same(t, got, want)
	<-p.Released()
	empty(t, c)
	if notes.Load() == 0 {
		t.Error("no note of the trace came")
	}
}

// TestPipe_recursion: a fitting sends to itself over the whole cluster.
func TestPipe_recursion(t *testing.T) {
	c := start(t, 3, map[string]pipe.Factory{"countdown": pipe.Transform(func(item []byte, out pipe.Output) error {
		n, err := strconv.Atoi(string(item))
		if err != nil {
			return err
		}
		out.Emit(fmt.Appendf(nil, "%04d", n))
		if n > 0 {
			out.Recurse(strconv.AppendInt(nil, int64(n-1), 10))
		}
		return nil
	})})
	p, err := c.Node("b").StartPipe([]pipe.Fitting{
		{Name: "countdown", Worker: "countdown", Route: pipe.ByHash(pipe.HashXXH3), QueueItems: 1, Recursive: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := feed(long(t), p, []string{"200"}); err != nil {
		t.Fatal(err)
	}
	p.EndInputs()
	got, err := results(p)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for n := range 201 {
		want = append(want, fmt.Sprintf("%04d", n))
	}
	same(t, got, want)
	<-p.Released()
	empty(t, c)
}

// TestPipe_status: what every partition holds is seen from any node, with the
// node that has it; a partition that can't be asked is named.
func TestPipe_status(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	c := start(t, 3, map[string]pipe.Factory{"gate": pipe.FactoryFunc(g.fitting)})
	p, err := c.Node("a").StartPipe([]pipe.Fitting{{Name: "gate", Worker: "gate", Route: pipe.ByHash(pipe.HashXXH3), QueueItems: 1}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := long(t)
	sent := make(chan error, 1)
	go func() { sent <- feed(ctx, p, numbers(200)) }()
	for { // until everybody is at work
		s := c.Node("b").PipeStatus(ctx)
		if len(s.Missing) > 0 {
			t.Fatalf("partitions %v did not answer", s.Missing)
		}
		nodes := make(map[ring.NodeID]int)
		for _, w := range s.Work {
			if w.Fitting == "gate" && w.Pipe == p.ID() && w.State == pipe.StateWorking && w.HeldItems+w.Items > 0 {
				nodes[w.Node]++
			}
		}
		if len(nodes) == 3 {
			break
		}
	}
	c.Cut("b", "c")
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	if s := c.Node("b").PipeStatus(short); len(s.Missing) == 0 {
		t.Error("a node that can't be reached has answered")
	}
	cancel()
	c.HealAll()
	close(g.open)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	p.EndInputs()
	got, err := results(p)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, numbers(200))
	<-p.Released()
	empty(t, c)
}

// TestPipe_noBlock: who does not want to wait is told that there is no room, who
// waits until a deadline hears of that, and what was taken comes out.
func TestPipe_noBlock(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	c := start(t, 2, map[string]pipe.Factory{"gate": pipe.FactoryFunc(g.fitting)})
	p, err := c.Node("a").StartPipe([]pipe.Fitting{{Name: "gate", Worker: "gate", Route: pipe.Constant(1), QueueItems: 1}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Sender()
	if err != nil {
		t.Fatal(err)
	}
	ctx := long(t)
	var want []string
	full := make([]byte, 8<<20) // more than an outbox holds: what follows waits
	if err := s.Send(ctx, full); err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		in := fmt.Sprintf("i%03d", i)
		if err := s.TrySend([]byte(in)); errors.Is(err, pipe.ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		want = append(want, in)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	for err == nil {
		if err = s.Send(short, []byte("late")); err == nil {
			want = append(want, "late")
		}
	}
	cancel()
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a sender with a deadline heard %v", err)
	}
	close(g.open)
	if err := p.CloseSender(ctx, s); err != nil {
		t.Fatal(err)
	}
	p.EndInputs()
	got, err := results(p)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	same(t, slices.DeleteFunc(got, func(s string) bool { return len(s) > 100 }), want)
	<-p.Released()
	empty(t, c)
}

// TestA08_headFittingCrash: a pipe that has ended takes no more inputs, and says
// why; a sender that waits for room hears it too.
func TestA08_headFittingCrash(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	c := start(t, 2, map[string]pipe.Factory{"gate": pipe.FactoryFunc(g.fitting)})
	p, err := c.Node("a").StartPipe([]pipe.Fitting{{Name: "gate", Worker: "gate", Route: pipe.Constant(1), QueueItems: 1}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := long(t)
	// More than a partition takes before it knows the pipe's limits: it has to wait.
	sent := make(chan error, 1)
	go func() { sent <- feed(ctx, p, numbers(20_000)) }()
	crash := errors.New("crash")
	p.Cancel(crash)
	if err := <-sent; !errors.Is(err, crash) {
		t.Errorf("a sender heard %v", err)
	}
	if _, err := results(p); !errors.Is(err, crash) {
		t.Errorf("outcome %v", err)
	}
	<-p.Released()
	empty(t, c)
}

// TestA15_vnodeDeath: a node is killed while senders wait for room at its
// partitions. Nobody is stuck: the pipe ends, with an error that says what is
// lost.
func TestA15_vnodeDeath(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	c := start(t, 3, map[string]pipe.Factory{"gate": pipe.FactoryFunc(g.fitting)})
	p, err := c.Node("a").StartPipe([]pipe.Fitting{{Name: "gate", Worker: "gate", Route: pipe.ByHash(pipe.HashXXH3), QueueItems: 1}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := long(t)
	sent := make(chan error, 1)
	go func() { sent <- feed(ctx, p, numbers(500)) }()
	c.Kill("c")
	c.Restart("c")
	close(g.open)
	ended := make(chan error, 1)
	go func() {
		_, err := results(p)
		ended <- err
	}()
	if err := <-sent; err == nil {
		p.EndInputs()
	} else {
		p.Cancel(err)
	}
	if err := <-ended; err != nil && !errors.Is(err, pipe.ErrLost) && !errors.Is(err, pipe.ErrCounts) && !errors.Is(err, pipe.ErrWorker) {
		t.Errorf("outcome %v", err)
	}
	<-p.Released()
	empty(t, c)
}

// TestPipe_coordinatorDies: the node that runs a pipe is killed. Every queue and
// worker of it is freed: when the node is back and known to be another life, or
// when it was silent for a lease.
func TestPipe_coordinatorDies(t *testing.T) {
	for _, back := range []bool{true, false} {
		t.Run(fmt.Sprintf("back=%v", back), func(t *testing.T) {
			g := &gate{open: make(chan struct{})}
			c := start(t, 3, map[string]pipe.Factory{"gate": pipe.FactoryFunc(g.fitting)})
			p, err := c.Node("c").StartPipe([]pipe.Fitting{{Name: "gate", Worker: "gate", Route: pipe.ByHash(pipe.HashXXH3), QueueItems: 1}})
			if err != nil {
				t.Fatal(err)
			}
			ctx := long(t)
			sent := make(chan error, 1)
			go func() { sent <- feed(ctx, p, numbers(500)) }()
			for working := false; !working; {
				for _, w := range c.Node("a").PipeStatus(ctx).Work {
					working = working || w.Node == "a" && w.State == pipe.StateWorking
				}
			}
			c.Kill("c")
			if err := <-sent; err == nil {
				t.Error("a sender of the node that was killed is done")
			}
			if _, err := results(p); err == nil {
				t.Error("the run of the node that was killed ended complete")
			}
			if back {
				c.Restart("c")
			}
			for held := true; held; {
				step, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
				held = false
				for _, w := range c.Node("a").PipeStatus(step).Work {
					held = held || w.Node != "c"
				}
				cancel()
				if ctx.Err() != nil {
					t.Fatal("the pipe is still held")
				}
			}
			close(g.open)
		})
	}
}

// TestA18_handoff: two pipes with workers at work while a node joins. Every
// output comes, nothing fails, and workers have moved.
func TestA18_handoff(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	c := start(t, 1, map[string]pipe.Factory{"gate": pipe.FactoryFunc(g.fitting)})
	ctx := long(t)
	var runs []*baton.Pipe
	var faults, archives atomic.Int64
	for _, n := range []int{20, 40} {
		p, err := c.Node("a").StartPipe(
			[]pipe.Fitting{{Name: "gate", Worker: "gate", Route: pipe.ByHash(pipe.HashXXH3)}},
			baton.PipeOptions{Trace: []string{pipe.TraceRetry, pipe.TraceFailed, pipe.TraceArchive}, OnTrace: func(n baton.PipeTrace) {
				if n.Tag == pipe.TraceArchive {
					archives.Add(1)
				} else {
					faults.Add(1)
				}
			}})
		if err != nil {
			t.Fatal(err)
		}
		if err := feed(ctx, p, numbers(n)); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, p)
	}
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		c.Join("b")
	}()
	close(g.open) // each paused worker reaches its boundary
	<-joined
	for i, p := range runs {
		p.EndInputs()
		got, err := results(p)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, numbers(20*(i+1)))
		<-p.Released()
	}
	empty(t, c)
	if faults.Load() != 0 {
		t.Errorf("%d faults", faults.Load())
	}
	t.Logf("%d workers moved", archives.Load())
}

// TestA19_handoffBlocking: queues full, batches held back and five senders that
// wait for room, while a node joins. Nobody hears of an error, and what went in
// comes out.
func TestA19_handoffBlocking(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	c := start(t, 2, map[string]pipe.Factory{"gate": pipe.FactoryFunc(g.fitting)})
	ctx := long(t)
	p, err := c.Node("a").StartPipe([]pipe.Fitting{{Name: "gate", Worker: "gate", Route: pipe.ByHash(pipe.HashXXH3), QueueItems: 1}})
	if err != nil {
		t.Fatal(err)
	}
	var fillers sync.WaitGroup
	errs := make([]error, 5)
	var want []string
	for f := range errs {
		var inputs []string
		for i := range 200 {
			inputs = append(inputs, fmt.Sprintf("f%d/%03d", f, i))
		}
		want = append(want, inputs...)
		fillers.Go(func() { errs[f] = feed(ctx, p, inputs) })
	}
	for held := 0; held < 5; {
		held = 0
		for _, w := range c.Node("b").PipeStatus(ctx).Work {
			held += w.HeldItems
		}
	}
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		c.Join("c")
	}()
	close(g.open)
	go func() {
		fillers.Wait()
		p.EndInputs()
	}()
	got, err := results(p)
	<-joined
	if err := errors.Join(append(errs, err)...); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	same(t, got, want)
	<-p.Released()
	empty(t, c)
}

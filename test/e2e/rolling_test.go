package e2e_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/test/e2e"
)

// TestRollingRestart: five nodes are stopped and started one after the other while everybody reads
// the status at all the others: no read fails, and every stop is orderly.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(5)
	readers := make([]*reader, len(nodes))
	for i, n := range nodes {
		readers[i] = newReader(n)
	}
	for i, n := range nodes {
		readers[i].end(t)
		n.Terminate()
		n.Restart()
		readers[i] = newReader(n)
		c.Agree(nodes...)
		for _, r := range readers {
			enough := r.reads.Load() + 20
			c.Await("reads", func() error { return r.atLeast(enough) })
		}
	}
	for i := range nodes {
		readers[i].end(t)
	}
	c.Settle(nodes[0])
}

// reader reads the status of one node without a pause.
type reader struct {
	node         *e2e.Node
	stop         chan struct{}
	once         sync.Once
	ended        sync.WaitGroup
	reads, stale atomic.Int64
	failed       atomic.Bool
	failure      error // after ended
}

func newReader(n *e2e.Node) *reader {
	r := &reader{node: n, stop: make(chan struct{})}
	r.ended.Go(r.run)
	return r
}

func (r *reader) run() {
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-pause.C:
		}
		err := r.node.Try(func(ctx context.Context, a *admin.Client) error {
			s, err := a.Status(ctx)
			switch {
			case err != nil:
				return err
			case len(s.Members) != 5:
				return fmt.Errorf("status with %d members", len(s.Members))
			case s.Stale != "":
				r.stale.Add(1)
			}
			return nil
		})
		r.reads.Add(1)
		if err != nil {
			r.failure = err
			r.failed.Store(true)
			return
		}
	}
}

func (r *reader) atLeast(count int64) error {
	if got := r.reads.Load(); got < count && !r.failed.Load() {
		return fmt.Errorf("%s was read %d times of %d", r.node.Name, got, count)
	}
	return nil
}

func (r *reader) end(t *testing.T) {
	t.Helper()
	r.once.Do(func() { close(r.stop) })
	r.ended.Wait()
	t.Logf("%s: %d reads, %d of them of its own view", r.node.Name, r.reads.Load(), r.stale.Load())
	if r.failure != nil {
		t.Errorf("a read of the status at %s failed: %v", r.node.Name, r.failure)
	}
}

// TestBootstrapExpect: three nodes that wait for each other make one cluster, in any order; with one
// missing nobody begins.
func TestBootstrapExpect(t *testing.T) {
	t.Parallel()
	r := e2e.Rand(t)
	c := e2e.New(t, e2e.Options{})
	nodes := []*e2e.Node{c.Node("n1"), c.Node("n2"), c.Node("n3")}
	args := append(nodes[0].JoinArgs(nodes...), "--bootstrap-expect", "3", "--ring-size", "16")
	order := r.Perm(3)
	t.Logf("order %v", order)
	early, last := []*e2e.Node{nodes[order[0]], nodes[order[1]]}, nodes[order[2]]
	for _, n := range early {
		n.Launch(args...)
	}
	// Each of the two has met the other, and still none begins.
	c.Net.AwaitPassed(early[1], early[0])
	alone := time.After(3 * time.Second)
	for waiting := true; waiting; {
		select {
		case <-alone:
			waiting = false
		case <-early[0].Process().Exited():
			t.Fatalf("%s gave up: %s", early[0].Name, early[0].Process().Stderr())
		case <-early[1].Process().Exited():
			t.Fatalf("%s gave up: %s", early[1].Name, early[1].Process().Stderr())
		}
	}
	last.Launch(args...)
	for _, n := range nodes {
		n.AwaitReady()
	}
	id := nodes[0].Record().ClusterID()
	for _, n := range nodes {
		if got := n.Record().ClusterID(); got != id {
			t.Errorf("%s is in cluster %s, %s in %s", n.Name, got, nodes[0].Name, id)
		}
		if got := len(n.Status().Members); got != 3 {
			t.Errorf("%s sees %d members", n.Name, got)
		}
	}
}

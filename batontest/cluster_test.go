package batontest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/kv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func put(t *testing.T, n *baton.Node, key string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return n.KV().Put(ctx, kv.Object{Bucket: "b", Key: key, Value: []byte("of " + key)})
}

// TestCluster_joinAndLeaveKeepEverything: no acknowledged object is lost by
// planned moves on a network that reorders, doubles and delays.
func TestCluster_joinAndLeaveKeepEverything(t *testing.T) {
	c := batontest.Start(t, batontest.Options{})
	c.Faults(actors.Fault{Duplicate: 0.05, Delay: time.Millisecond})
	for i := range 300 {
		if err := put(t, c.Any(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	c.Join("d")
	c.Leave("a")
	c.Leave("b")
	for i := range 300 {
		key := fmt.Sprint(i)
		o, err := c.Node("d").KV().Get(t.Context(), "b", key)
		if err != nil || o.Text() != "of "+key {
			t.Fatalf("get %s: %q, %v", key, o.Text(), err)
		}
	}
}

// TestCluster_listsWhileNodesJoin: a listing names every object once.
func TestCluster_listsWhileNodesJoin(t *testing.T) {
	c := batontest.Start(t, batontest.Options{Nodes: 2})
	for i := range 400 {
		if err := put(t, c.Any(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		c.Join("c")
	}()
	seen := map[string]int{}
	for o, err := range c.Any().KV().Objects(t.Context(), "b") {
		if err != nil {
			t.Fatal(err)
		}
		seen[o.Key]++
	}
	<-joined
	if len(seen) != 400 {
		t.Errorf("%d objects listed, want 400", len(seen))
	}
	for key, n := range seen {
		if n != 1 {
			t.Errorf("%s listed %d times", key, n)
		}
	}
}

// TestCluster_lostAnswersAreUnknown: when frames are lost a put ends with an
// unknown outcome or is there, never acknowledged and gone.
func TestCluster_lostAnswersAreUnknown(t *testing.T) {
	c := batontest.Start(t, batontest.Options{})
	c.Faults(actors.Fault{Drop: 0.1})
	acked := map[string]bool{}
	for i := range 60 {
		key := fmt.Sprint(i)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := c.Any().KV().Put(ctx, kv.Object{Bucket: "b", Key: key, Value: []byte("of " + key)})
		cancel()
		switch {
		case err == nil:
			acked[key] = true
		case !errors.Is(err, baton.ErrUnknownOutcome):
			t.Fatalf("put %s: %v", key, err)
		}
	}
	c.HealAll()
	for key := range acked {
		if _, err := c.Any().KV().Get(t.Context(), "b", key); err != nil {
			t.Fatalf("acknowledged %s: %v", key, err)
		}
	}
}

// TestCluster_restartKeepsDurableData: a killed node comes back as the same
// member in a new life, with what it had acknowledged.
func TestCluster_restartKeepsDurableData(t *testing.T) {
	c := batontest.Start(t, batontest.Options{Node: baton.Options{Engine: baton.EnginePebble}})
	for i := range 50 {
		if err := put(t, c.Any(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	c.Kill("b")
	c.Restart("b")
	for i := range 50 {
		key := fmt.Sprint(i)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		o, err := c.Any().KV().Get(ctx, "b", key)
		cancel()
		if err != nil || o.Text() != "of "+key {
			t.Fatalf("get %s: %q, %v", key, o.Text(), err)
		}
	}
}

// TestCluster_clientsOfMovingVnodes (T-B29): a client that waits for a vnode is
// answered when the vnode moves away and when its node leaves; it never waits for
// a vnode that is no longer there.
func TestCluster_clientsOfMovingVnodes(t *testing.T) {
	c := batontest.Start(t, batontest.Options{})
	clients := []*baton.Node{c.Node("b"), c.Node("c")}
	stop := make(chan struct{})
	answered := make(chan int, 8)
	for i := range 8 {
		go func() {
			n := 0
			defer func() { answered <- n }()
			for ; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				// Every partition in turn, by way of keys; the deadline is what an
				// unanswered request ends with.
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				err := clients[i%2].KV().Put(ctx, kv.Object{Bucket: "b", Key: fmt.Sprint(i, n), Value: []byte("v")})
				cancel()
				if errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("client %d: put %d was never answered: %v", i, n, err)
					return
				}
			}
		}()
	}
	c.Join("d")
	c.Leave("a")
	c.Join("e")
	c.Leave("d")
	close(stop)
	total := 0
	for range 8 {
		total += <-answered
	}
	t.Logf("%d puts while four nodes came and went", total)
	if total == 0 {
		t.Error("no client was ever answered")
	}
}

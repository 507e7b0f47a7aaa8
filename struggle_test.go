package baton_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/vnode"
)

// stuckKind keeps its vnodes busy until the test lets go.
type stuckKind struct{ hold chan struct{} }

func (stuckKind) Name() topology.Kind { return "stuck" }

func (k stuckKind) Open(vnode.Partition) (vnode.Vnode, error) { return k, nil }

func (k stuckKind) HandleCommand(*vnode.Context, vnode.Command) vnode.Disposition {
	<-k.hold
	return vnode.Reply{}
}

// T-B18: a node with a vnode that is stuck is not ready, and the others spare it,
// until it has recovered; objects are written and read all the while.
func TestStruggling(t *testing.T) {
	ctx := t.Context()
	kind := stuckKind{make(chan struct{})}
	nodes := make([]*baton.Node, 3)
	for i, name := range []string{"a", "b", "c"} {
		o := baton.Options{
			Name: name, Bootstrap: i == 0, RingSize: 8, HTTPAddr: "127.0.0.1:0", CommitJoin: i > 0,
			Kinds: []vnode.Kind{kind}, VnodeSlow: time.Second,
		}
		if i > 0 {
			o.Join = []string{nodes[0].Addr()}
		}
		n, err := baton.Start(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Stop(context.Background())
		nodes[i] = n
	}
	until(t, "three owners", func() bool {
		s := nodes[0].View().State
		return s.Settled() && keyOf(s, "c") != ""
	})
	a, c := nodes[0], nodes[2]

	done := make(chan error, 1)
	key := keyOf(c.View().State, "c")
	go func() {
		_, err := a.Command(ctx, "stuck", key, nil)
		done <- err
	}()
	until(t, "c is not ready", func() bool { return !readiness(t, c).Ready })
	until(t, "the others know", func() bool { return reachOf(t, a, "c") == "struggling" && reachOf(t, nodes[1], "c") == "struggling" })
	put := kv.Put{Object: kv.Object{Bucket: "b", Key: "k", Value: []byte("v")}}
	if _, err := a.KV().Write(ctx, put); err != nil {
		t.Errorf("a write while c struggles: %v", err)
	}
	close(kind.hold)
	if err := <-done; err != nil {
		t.Errorf("the request that was stuck: %v", err)
	}
	until(t, "c is ready", func() bool { return readiness(t, c).Ready })
	until(t, "the others know again", func() bool { return reachOf(t, a, "c") == "reachable" })
	if o, err := c.KV().Get(ctx, "b", "k"); err != nil || string(o.Value) != "v" {
		t.Errorf("afterwards: %q, %v", o.Value, err)
	}
}

// keyOf returns a key of the kind whose vnode is on a node, empty if it has none.
func keyOf(s topology.State, node ring.NodeID) string {
	for i := range 100 {
		key := fmt.Sprint(i)
		if owner, _ := s.Owner("stuck", ring.HashKey([]byte("stuck"), []byte(key)).Partition(s.RingSize())); owner == node {
			return key
		}
	}
	return ""
}

func readiness(t *testing.T, n *baton.Node) (r admin.Readiness) {
	t.Helper()
	ask(t, n, "/readyz", &r)
	return r
}

// reachOf returns what a node believes of another.
func reachOf(t *testing.T, n *baton.Node, of ring.NodeID) string {
	t.Helper()
	var h admin.Health
	ask(t, n, "/v1/health", &h)
	for _, r := range h.Reach {
		if r.Node == of {
			return r.Reach
		}
	}
	return ""
}

func ask(t *testing.T, n *baton.Node, path string, answer any) {
	t.Helper()
	resp, err := http.Get("http://" + n.HTTPAddr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		t.Fatal(err)
	}
}

package cluster_test

import (
	"context"
	"testing"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// A single is a store with one client, which leads.
type single struct {
	s       topology.State
	updates chan cluster.Update
	seen    chan topology.State
}

func (x *single) Read(context.Context) (topology.State, error) { return x.s, nil }

func (x *single) Propose(_ context.Context, cmds ...topology.Command) ([]topology.Outcome, error) {
	var out []topology.Outcome
	x.s, out = cluster.ApplyBatch(x.s, cmds)
	x.updates <- cluster.Update{State: x.s, Leader: true}
	x.seen <- x.s
	return out, nil
}

func (x *single) Watch(context.Context) <-chan cluster.Update { return x.updates }

// A coordinator listens to liveness, and goes on without it when the detector is closed.
func TestCoordinator_liveness(t *testing.T) {
	r := &record{fataler: t}
	r.create(8, 2, "a", "b", "c")
	bound(r, map[ring.Partition]ring.NodeID{1: "b", 4: "c"})
	store := &single{s: r.s, updates: make(chan cluster.Update, 100), seen: make(chan topology.State, 100)}
	store.updates <- cluster.Update{State: r.s, Leader: true}
	board := &cluster.HealthBoard{}
	board.Publish(cluster.NewHealth(map[ring.NodeID]cluster.Reach{"b": cluster.Unreachable}))
	c, err := cluster.NewCoordinator(cluster.CoordinatorOptions{
		CoordinationOptions: cluster.CoordinationOptions{Node: "a"}, Store: store, Proposer: "p", Liveness: board,
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Run(t.Context()) }()
	opened := func(to ring.NodeID) func(topology.State) bool {
		return func(s topology.State) bool {
			for _, tr := range s.Transfers() {
				if tr.Target == to && tr.Stage == topology.StagePrepare {
					return true
				}
			}
			return false
		}
	}
	await := func(ok func(topology.State) bool) topology.State {
		for {
			if s := <-store.seen; ok(s) {
				return s
			}
		}
	}
	if s := await(opened("c")); opened("b")(s) {
		t.Fatal("a transfer to the unreachable b was opened")
	}
	board.Publish(cluster.NewHealth(nil))
	await(opened("b"))
	board.Publish(cluster.NewHealth(map[ring.NodeID]cluster.Reach{"b": cluster.Unreachable}))
	await(func(s topology.State) bool { return !opened("b")(s) })
	board.Close()
	close(store.updates)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

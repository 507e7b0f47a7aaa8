package memory_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/clustertest"
	"github.com/dee2748c/baton/cluster/memory"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// A cell is a cluster of nodes that do nothing but coordinate and report.
type cell struct {
	t      *testing.T
	ctx    context.Context
	log    *memory.Log
	stores map[ring.NodeID]*memory.Store
	wg     sync.WaitGroup
	op     *cluster.Proposer
}

func newCell(t *testing.T, ctx context.Context, size int, nodes ...ring.NodeID) *cell {
	t.Helper()
	c := &cell{t: t, ctx: ctx, log: memory.From(founded(t, size, nodes...)), stores: map[ring.NodeID]*memory.Store{}}
	for _, n := range nodes {
		c.node(n)
	}
	c.op = cluster.NewProposer(c.log.Store("operator"), "operator")
	return c
}

// node runs a coordinator and a participant.
func (c *cell) node(node ring.NodeID) {
	c.t.Helper()
	store := c.log.Store(node)
	c.stores[node] = store
	coordinator, err := cluster.NewCoordinator(cluster.CoordinatorOptions{
		CoordinationOptions: cluster.CoordinationOptions{Node: node}, Store: store, Proposer: "coordinator of " + string(node),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.wg.Go(func() {
		if err := coordinator.Run(c.ctx); err != nil {
			c.t.Error(err)
		}
	})
	c.wg.Go(func() {
		p := cluster.NewProposer(store, "participant "+string(node))
		for u := range store.Watch(c.ctx) {
			if m, _ := u.State.Member(node); m.Status == topology.Exiting {
				c.report(p, topology.RemoveMember{Node: node})
			}
			for _, t := range u.State.Transfers() {
				if t.Source != node && t.Target != node {
					continue
				}
				if op := clustertest.NextReport(u.State, t, node); op != nil {
					c.report(p, op)
				}
			}
		}
	})
}

// report proposes until there is an answer. A refusal is cured by the next update.
func (c *cell) report(p *cluster.Proposer, op topology.Op) {
	for c.ctx.Err() == nil {
		if _, err := p.Propose(c.ctx, 0, op); err == nil {
			return
		}
		pass(10 * time.Millisecond)
	}
}

// pass lets time pass in a bubble.
func pass(d time.Duration) { <-time.After(d) }

// must lets the operator propose.
func (c *cell) must(ops ...topology.Op) {
	c.t.Helper()
	term, _ := c.log.State().Term()
	out, err := c.op.Propose(c.ctx, term, ops...)
	if err != nil {
		c.t.Fatal(err)
	}
	for i, o := range out {
		if o.Err != nil {
			c.t.Fatalf("%s: %v", topology.OpName(ops[i]), o.Err)
		}
	}
}

func (c *cell) commit() {
	c.t.Helper()
	result, err := cluster.Plan(c.log.State())
	if err != nil {
		c.t.Fatal(err)
	}
	c.must(cluster.PlanOp(c.log.State(), result))
	c.must(topology.CommitPlan{PlanVersion: c.log.State().Plan().Version})
}

func inBubble(t *testing.T, nodes []ring.NodeID, f func(t *testing.T, c *cell)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := newCell(t, ctx, 64, nodes...)
		defer c.wg.Wait()
		defer cancel()
		synctest.Wait()
		f(t, c)
	})
}

func TestCoordinator_Run(t *testing.T) {
	inBubble(t, []ring.NodeID{"a", "b", "c"}, func(t *testing.T, c *cell) {
		begun := time.Now()
		c.commit()
		synctest.Wait()
		s := c.log.State()
		if !s.Settled() || s.Ring().Count("b") == 0 {
			t.Fatalf("not settled: %d transfers", len(s.Transfers()))
		}
		c.must(topology.StageLeave{Node: "a"})
		c.commit()
		synctest.Wait()
		if s = c.log.State(); !s.Settled() {
			t.Fatalf("not settled after the leave: %d transfers", len(s.Transfers()))
		}
		// The coordinator itself left; another one finished the work.
		if m, _ := s.Member("a"); m.Status != topology.Removed {
			t.Errorf("a is %s", m.Status)
		}
		if _, leader := s.Term(); leader == "a" {
			t.Error("the node that left still coordinates")
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("%v passed: something waited for a tick", took)
		}
	})
}

// The leader is cut off in the middle, its answers are lost, and others take over: the work is done.
func TestCoordinator_Run_leadersFail(t *testing.T) {
	nodes := []ring.NodeID{"a", "b", "c"}
	inBubble(t, nodes, func(t *testing.T, c *cell) {
		c.commit()
		for i := range 9 {
			n := nodes[i%3]
			c.stores[n].LoseAnswers(1)
			c.stores[nodes[(i+1)%3]].LoseProposals(1)
			c.stores[n].Cut()
			pass(10 * time.Millisecond)
			c.stores[n].Heal()
		}
		deadline := time.Now().Add(time.Hour)
		for !c.log.State().Settled() && time.Now().Before(deadline) {
			pass(time.Second)
		}
		if s := c.log.State(); !s.Settled() {
			t.Fatalf("not settled: %d transfers", len(s.Transfers()))
		}
	})
}

func TestCoordinator_Run_storeClosed(t *testing.T) {
	store := memory.New().Store("a")
	c, err := cluster.NewCoordinator(cluster.CoordinatorOptions{
		CoordinationOptions: cluster.CoordinationOptions{Node: "a"}, Store: store, Proposer: "p",
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- c.Run(t.Context()) }()
	store.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNewCoordinator_options(t *testing.T) {
	if _, err := cluster.NewCoordinator(cluster.CoordinatorOptions{}); err == nil {
		t.Error("options without a store are accepted")
	}
}

func ExampleCoordinator() {
	log := memory.New()
	store := log.Store("n1")
	defer store.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	coordinator, err := cluster.NewCoordinator(cluster.CoordinatorOptions{
		CoordinationOptions: cluster.CoordinationOptions{Node: "n1"}, Store: store, Proposer: "n1 8f2c coordinator",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan error)
	go func() { done <- coordinator.Run(ctx) }()

	kinds := []topology.KindSpec{{Name: "kv"}}
	operator := cluster.NewProposer(store, "n1 8f2c operator")
	if _, err := operator.Propose(ctx, 0, topology.CreateCluster{
		ClusterID: topology.ClusterID{1}, RingSize: 64, TargetN: 4, NVal: 3, Kinds: kinds, Member: topology.Member{Node: "n1"},
	}); err != nil {
		fmt.Println(err)
		return
	}
	for u := range store.Watch(ctx) {
		if term, leader := u.State.Term(); term > 0 {
			fmt.Println("term", term, "of", leader)
			break
		}
	}
	cancel()
	fmt.Println(<-done)
	// Output:
	// term 1 of n1
	// <nil>
}

package raft_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/raft"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var kinds = []topology.KindSpec{{Name: "kv"}}

// stuck ends a test that waits for what does not come.
const stuck = 4 * time.Minute

// A group is a cluster in one process.
type group struct {
	*testing.T
	ctx    context.Context
	net    *network
	opts   map[ring.NodeID]raft.Options // as they were opened
	stores map[ring.NodeID]*raft.Store
	seq    uint64
}

func newGroup(t *testing.T) *group {
	ctx, cancel := context.WithTimeout(t.Context(), stuck)
	g := &group{T: t, ctx: ctx, net: newNetwork(), opts: map[ring.NodeID]raft.Options{}, stores: map[ring.NodeID]*raft.Store{}}
	t.Cleanup(func() {
		cancel()
		g.net.heal()
		for n := range g.stores {
			g.close(n)
		}
	})
	return g
}

func addr(n ring.NodeID) string { return string(n) + ":1" }

// options returns those of a node, with short time-outs.
func (g *group) options(n ring.NodeID, dir string) raft.Options {
	o := raft.Options{
		Node: n, Nonce: 1, Dir: dir, Addr: addr(n),
		Timeouts: raft.Timeouts{
			Election: 150 * time.Millisecond, Dial: 300 * time.Millisecond, Request: 2 * time.Second, Patience: 2 * time.Second, Poll: 100 * time.Millisecond,
		},
	}
	if os.Getenv("RAFT_LOG") != "" {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", n)
	}
	return o
}

// open opens a server and remembers its options.
func (g *group) open(o raft.Options) *raft.Store {
	g.Helper()
	g.opts[o.Node] = o
	s, err := raft.Open(g.wire(o))
	if err != nil {
		g.Fatal(err)
	}
	g.stores[o.Node] = s
	return s
}

// wire connects options to the network.
func (g *group) wire(o raft.Options) raft.Options {
	o.RaftListener, o.RecordListener = g.net.listen("raft", o.Addr), g.net.listen("record", o.Addr)
	o.DialRaft, o.DialRecord = g.net.dialer("raft", o.Addr), g.net.dialer("record", o.Addr)
	return o
}

// isolate cuts a node off from the others, in both directions.
func (g *group) isolate(n ring.NodeID, others ...ring.NodeID) {
	for _, o := range others {
		if o != n {
			g.net.cut(addr(n), addr(o))
			g.net.cut(addr(o), addr(n))
		}
	}
}

func (g *group) reopen(n ring.NodeID) *raft.Store {
	g.Helper()
	return g.open(g.opts[n])
}

func (g *group) close(n ring.NodeID) {
	g.Helper()
	if err := g.stores[n].Close(); err != nil {
		g.Errorf("close %s: %v", n, err)
	}
	delete(g.stores, n)
}

// start founds a cluster on disk or in memory: the first node bootstraps, the others join, all become
// Valid, and those who should vote do.
func (g *group) start(disk bool, nodes ...ring.NodeID) {
	g.Helper()
	for i, n := range nodes {
		dir := ""
		if disk {
			dir = g.TempDir()
		}
		o := g.options(n, dir)
		if i > 0 {
			o.Seeds = []string{addr(nodes[0])}
		}
		g.open(o)
	}
	first := g.stores[nodes[0]]
	g.bootstrapped(first.Bootstrap(g.ctx))
	g.must(first, topology.CreateCluster{
		ClusterID: topology.ClusterID{1}, RingSize: 16, TargetN: 2, NVal: 2, Kinds: kinds,
		Member: topology.Member{Node: nodes[0], Addr: addr(nodes[0]), Nonce: 1},
	})
	for _, n := range nodes[1:] {
		g.must(g.stores[n], topology.Join{Node: n, Addr: addr(n), Nonce: 1, Kinds: kinds})
	}
	g.commit(first)
	g.voters(first, voters(len(nodes)))
	g.until("all are servers", func() bool {
		st := first.Status()
		return len(st.Voters)+len(st.Nonvoters) == len(nodes)
	})
}

// bootstrapped checks the outcome of a bootstrap, whose read may have come too early.
func (g *group) bootstrapped(err error) {
	g.Helper()
	if err != nil && !errors.Is(err, cluster.ErrUnavailable) {
		g.Fatal(err)
	}
}

func voters(n int) int { return max(1, min(5, n-(n+1)%2)) }

// commit makes all joining members Valid and leaves those staged.
func (g *group) commit(s *raft.Store) {
	g.Helper()
	state := g.read(s)
	term, _ := state.Term()
	plan := g.propose(s, term, topology.StagePlan{Ring: state.Ring(), BasedOn: state.Membership()})
	if plan.Err != nil {
		g.Fatal(plan.Err)
	}
	g.must(s, topology.CommitPlan{PlanVersion: plan.Version})
}

// led repeats what needs a leader: with time-outs this short, a machine with other work has none for
// longer than a server is patient.
func (g *group) led(try func() error) {
	g.Helper()
	err := try()
	for errors.Is(err, cluster.ErrUnavailable) && g.ctx.Err() == nil {
		err = try()
	}
	if err != nil {
		g.Fatal(err)
	}
}

// propose proposes until the outcome is known.
func (g *group) propose(s *raft.Store, term uint64, op topology.Op) topology.Outcome {
	g.Helper()
	g.seq++
	p := cluster.NewProposer(s, fmt.Sprintf("test %d", g.seq))
	var out []topology.Outcome
	g.led(func() (err error) {
		out, err = p.Propose(g.ctx, term, op)
		return err
	})
	return out[0]
}

func (g *group) must(s *raft.Store, op topology.Op) topology.Outcome {
	g.Helper()
	o := g.propose(s, 0, op)
	if o.Err != nil {
		g.Fatal(o.Err)
	}
	return o
}

func (g *group) begin(s *raft.Store, n ring.NodeID) uint64 {
	g.Helper()
	return g.must(s, topology.BeginTerm{Node: n}).Term
}

func (g *group) read(s *raft.Store) topology.State {
	g.Helper()
	var state topology.State
	g.led(func() (err error) {
		state, err = s.Read(g.ctx)
		return err
	})
	return state
}

// until waits for a condition that nothing announces.
func (g *group) until(what string, ok func() bool) {
	g.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-g.ctx.Done():
			for n, s := range g.stores {
				g.Logf("%s: %+v", n, s.Status())
			}
			g.Fatalf("never: %s", what)
		}
	}
}

// voters waits until the configuration has that many voters.
func (g *group) voters(s *raft.Store, n int) {
	g.Helper()
	g.until(fmt.Sprintf("%d voters", n), func() bool { return len(s.Status().Voters) == n })
}

// seen waits until a server's watchers see a version.
func (g *group) seen(s *raft.Store, version uint64) cluster.Update {
	g.Helper()
	for u := range s.Watch(g.ctx) {
		if u.State.Version() >= version {
			return u
		}
	}
	g.Fatalf("version %d never seen", version)
	return cluster.Update{}
}

// leader waits until one of the servers leads.
func (g *group) leader() ring.NodeID {
	g.Helper()
	var found ring.NodeID
	g.until("a leader", func() bool {
		for n, s := range g.stores {
			if s.Leads() {
				found = n
			}
		}
		return found != ""
	})
	return found
}

func (g *group) want(err, want error) {
	g.Helper()
	if !errors.Is(err, want) {
		g.Errorf("%v, want %v", err, want)
	}
}

package clustertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// A Handle is a store that can be closed.
type Handle interface {
	cluster.Store
	Close() error
}

// A Fixture is a fresh, empty record with handles on it. All hooks are optional: a case that needs one
// that is nil does with others. The suite calls one hook at a time, but while calls of handles are under
// way; a hook returns when the fault is there or gone, not when the store has got over it. At most one
// handle of three is killed or cut at a time.
type Fixture struct {
	// Handles has one handle for each of the nodes asked for, in their order.
	Handles []Handle
	// LoseAnswer makes the handle's next proposal take effect and return cluster.ErrUnknown.
	// With nil the suite proposes twice instead.
	LoseAnswer func(i int)
	// LoseProposal makes the handle's next proposal vanish and return cluster.ErrUnknown. With
	// nil the suite leaves the case out.
	LoseProposal func(i int)
	// Cut separates the handle's node from all others, in both directions, and Heal takes it back.
	// The handle stays open; its calls may fail or block. Set both or none.
	Cut, Heal func(i int)
	// Kill ends the handle's process as a crash does: nothing is flushed, handed over or said to
	// the others. Its calls, also those under way, return errors. Restart starts the process anew
	// from what was durable and returns its new handle. Set both or none.
	Kill    func(i int)
	Restart func(i int) Handle
	// KillLeader is Kill for whichever handle leads now; it returns its index, for Restart, or -1
	// when none leads. With nil the suite kills at random.
	KillLeader func() int
	// Outage kills all that keeps the record outside the handles (a server), and brings it back
	// with what was durable before it returns. Handles survive it. For stores that have such a
	// thing.
	Outage func()
}

// A Factory makes a fixture; what it opens, also through Restart, it closes in t.Cleanup. Closing a
// handle twice is allowed.
type Factory func(t *testing.T, nodes []ring.NodeID) Fixture

// Timeout bounds each case of the suite; a store that is not stuck needs far less.
const Timeout = time.Minute

var nodes = []ring.NodeID{"n1", "n2", "n3"}

// Run runs the suite with the default Options.
func Run(t *testing.T, factory Factory) { Options{}.Run(t, factory) }

// Run runs the suite.
func (o Options) Run(t *testing.T, factory Factory) {
	for _, c := range []struct {
		name string
		run  func(*suite)
	}{
		{"I1 read after propose", (*suite).readAfterPropose},
		{"I2 one effect for one id", (*suite).dedupe},
		{"I3 batches are atomic", (*suite).batches},
		{"I3 refused command does not stop the others", (*suite).refusedInBatch},
		{"I3 batch limit", (*suite).batchLimit},
		{"I4 watch shows the newest", (*suite).watch},
		{"I4 watch ends", (*suite).watchEnds},
		{"I5 lost answer", (*suite).lostAnswer},
		{"I5 lost proposal", (*suite).lostProposal},
		{"I1 I3 concurrent proposers", (*suite).concurrent},
		{"I7 closed handle", (*suite).closed},
		{"I7 ended context", (*suite).endedContext},
		{"I8 one leader", (*suite).oneLeader},
		{"I9 coordinators settle a ring", (*suite).settle},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), Timeout)
			defer cancel()
			c.run(&suite{T: t, ctx: ctx, nodes: nodes, Fixture: factory(t, nodes)})
		})
	}
	t.Run("I6 history", func(t *testing.T) { History(t, o, factory) })
	t.Run("I10 linearizable under faults", func(t *testing.T) { Linearizable(t, o, factory) })
}

type suite struct {
	*testing.T
	Fixture
	ctx   context.Context
	nodes []ring.NodeID
	seq   uint64
}

// Kinds are those of the clusters that the suite creates.
var kinds = []topology.KindSpec{{Name: "kv"}, {Name: "queue", Volatile: true, Activate: true}}

func create(node ring.NodeID) topology.Op {
	return topology.CreateCluster{
		ClusterID: topology.ClusterID{1}, RingSize: 16, TargetN: 2, NVal: 2, Kinds: kinds,
		Member: topology.Member{Node: node, Addr: string(node) + ":1"},
	}
}

func join(node ring.NodeID, nonce uint64) topology.Op {
	return topology.Join{Node: node, Addr: fmt.Sprintf("%s:%d", node, nonce), Nonce: nonce, Kinds: kinds}
}

// commands numbers operations as one proposer's.
func (s *suite) commands(ops ...topology.Op) []topology.Command {
	cmds := make([]topology.Command, len(ops))
	for i, op := range ops {
		s.seq++
		cmds[i] = topology.Command{ID: topology.CommandID{Proposer: "suite", Seq: s.seq}, Op: op}
	}
	return cmds
}

func (s *suite) propose(i int, cmds ...topology.Command) []topology.Outcome {
	s.Helper()
	out, err := s.Handles[i].Propose(s.ctx, cmds...)
	if err != nil {
		s.Fatal(err)
	}
	if len(out) != len(cmds) {
		s.Fatalf("%d outcomes for %d commands", len(out), len(cmds))
	}
	return out
}

func (s *suite) accept(i int, ops ...topology.Op) []topology.Outcome {
	s.Helper()
	out := s.propose(i, s.commands(ops...)...)
	for _, o := range out {
		if !o.Changed() {
			s.Fatalf("%v: %v %v", o.ID, o.Code, o.Err)
		}
	}
	return out
}

func (s *suite) read(i int) topology.State {
	s.Helper()
	state, err := s.Handles[i].Read(s.ctx)
	if err != nil {
		s.Fatal(err)
	}
	return state
}

// await receives updates until one has the version, and checks that versions never go back.
func (s *suite) await(ch <-chan cluster.Update, version uint64) cluster.Update {
	s.Helper()
	last := uint64(0)
	for {
		select {
		case u, ok := <-ch:
			if !ok {
				s.Fatalf("watch closed before version %d", version)
			}
			if u.State.Version() < last {
				s.Fatalf("version %d after %d", u.State.Version(), last)
			}
			if last = u.State.Version(); last >= version {
				return u
			}
		case <-s.ctx.Done():
			s.Fatalf("version %d seen, %d awaited: %v", last, version, s.ctx.Err())
		}
	}
}

func (s *suite) encode(state topology.State) string {
	s.Helper()
	b, err := state.MarshalBinary()
	if err != nil {
		s.Fatal(err)
	}
	return string(b)
}

package admintest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/memory"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// ClusterID is the id of the cluster that New makes.
var ClusterID = topology.ClusterID{0: 0xb0, 15: 0x01}

// kinds of the cluster: one durable, one volatile, each with a single copy.
var kinds = []topology.KindSpec{{Name: "kv", Activate: true}, {Name: "pipe", Volatile: true, Activate: true}}

// Node is a node of a cluster in memory. It is safe for concurrent use.
type Node struct {
	name     ring.NodeID
	store    *memory.Store
	proposer *cluster.Proposer
	t        testing.TB

	mu    sync.Mutex
	facts Facts
}

// Facts is what a test says of a node.
type Facts struct {
	Phase    admin.Phase
	Reasons  []string
	Health   cluster.Health
	Progress []admin.NodeProgress
	Sizes    []admin.NodeSizes
	Stuck    []cluster.StuckSeal
	Guards   []admin.Guard
	History  []admin.NodeHistory
	Late     admin.LateFrames
	Config   []admin.Setting
	// JoinErr is what a join fails with; nil lets it succeed. It ends an
	// unjoined node's waiting.
	JoinErr error
	// RestoreErr is what a restore fails with. Restored is the last one.
	RestoreErr error
	Restored   topology.State
}

var _ admin.Node = (*Node)(nil)

// New returns a node that created a cluster of 8 partitions.
func New(t testing.TB, name ring.NodeID) *Node {
	n := Unjoined(t, name)
	n.create()
	return n
}

// Unjoined returns a node without a cluster.
func Unjoined(t testing.TB, name ring.NodeID) *Node {
	t.Helper()
	n := &Node{name: name, store: memory.New().Store(name), t: t, facts: Facts{Phase: admin.PhaseUnjoined, RestoreErr: admin.ErrNoRestore}}
	n.proposer = cluster.NewProposer(n.store, string(name)+"/test")
	t.Cleanup(func() { _ = n.store.Close() })
	return n
}

func (n *Node) create() {
	n.do(topology.CreateCluster{
		ClusterID: ClusterID, RingSize: 8, TargetN: 2, NVal: 1, Kinds: kinds,
		Member: topology.Member{Node: n.name, Addr: string(n.name) + ":8099", Weight: 1, Nonce: 1},
	})
	n.Set(func(f *Facts) { f.Phase = admin.PhaseMember })
}

// do proposes an operation that must be accepted.
func (n *Node) do(op topology.Op) {
	n.t.Helper()
	out, err := n.Propose(context.Background(), op)
	if err == nil {
		err = out[0].Err
	}
	if err != nil {
		n.t.Fatalf("%s: %v", topology.OpName(op), err)
	}
}

// Add lets nodes ask to join.
func (n *Node) Add(names ...ring.NodeID) {
	n.t.Helper()
	for i, name := range names {
		n.do(topology.Join{ClusterID: ClusterID, Node: name, Addr: string(name) + ":8099", Nonce: uint64(i) + 2, Kinds: kinds, Weight: 1})
	}
}

// Do proposes operations, each of which must be accepted.
func (n *Node) Do(ops ...topology.Op) {
	n.t.Helper()
	for _, op := range ops {
		n.do(op)
	}
}

// Rebalance plans and commits what is staged, and opens no transfer.
func (n *Node) Rebalance() {
	n.t.Helper()
	s, err := n.Plan(context.Background())
	if err == nil {
		err = n.Commit(context.Background(), s.Plan().Version)
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

// Set changes what the node says.
func (n *Node) Set(change func(*Facts)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(&n.facts)
}

// Facts returns what the node says.
func (n *Node) Facts() Facts {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.facts
}

// Cut separates the node from the record's majority.
func (n *Node) Cut() { n.store.Cut() }

// Name implements admin.Node, as the methods below do.
func (n *Node) Name() ring.NodeID { return n.name }

// Cluster is zero for an unjoined node.
func (n *Node) Cluster() topology.ClusterID { return n.View().ClusterID() }

// Phase is as set.
func (n *Node) Phase() admin.Phase { return n.Facts().Phase }

// Ready is as set.
func (n *Node) Ready() []string { return n.Facts().Reasons }

// Config is as set.
func (n *Node) Config() []admin.Setting { return n.Facts().Config }

// Read fails while the node is cut off.
func (n *Node) Read(ctx context.Context) (topology.State, error) { return n.store.Read(ctx) }

// View is what the node has applied.
func (n *Node) View() topology.State {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return (<-n.store.Watch(ctx)).State
}

// Health is as set.
func (n *Node) Health() cluster.Health { return n.Facts().Health }

// Agreement is that of a record in memory.
func (n *Node) Agreement() admin.Agreement {
	return admin.Agreement{Store: "memory", Leader: n.name, Applied: n.View().Version()}
}

// Propose proposes in the current term.
func (n *Node) Propose(ctx context.Context, ops ...topology.Op) ([]topology.Outcome, error) {
	term, _ := n.View().Term()
	return n.proposer.Propose(ctx, term, ops...)
}

// Plan plans as a node does.
func (n *Node) Plan(ctx context.Context) (topology.State, error) {
	s, err := n.store.Read(ctx)
	if err != nil {
		return s, fmt.Errorf("plan: %w", err)
	}
	claim, err := cluster.Plan(s)
	if err != nil {
		return s, err
	}
	out, err := n.Propose(ctx, cluster.PlanOp(s, claim))
	if err == nil {
		err = out[0].Err
	}
	if err != nil {
		return s, err
	}
	return n.store.Read(ctx)
}

// Commit commits.
func (n *Node) Commit(ctx context.Context, version uint64) error {
	out, err := n.Propose(ctx, topology.CommitPlan{PlanVersion: version})
	if err == nil {
		err = out[0].Err
	}
	return err
}

// Join makes an unjoined node a cluster of its own, unless it is set to fail.
func (n *Node) Join(context.Context, []string) error {
	if err := n.Facts().JoinErr; err != nil {
		return err
	}
	if id := n.Cluster(); !id.IsZero() {
		return fmt.Errorf("%w: it is %s: start it with an empty data directory to join another", admin.ErrJoined, id)
	}
	n.create()
	return nil
}

// Restore keeps the record for the test to look at.
func (n *Node) Restore(_ context.Context, s topology.State) error {
	n.Set(func(f *Facts) {
		if f.RestoreErr == nil {
			f.Restored = s
		}
	})
	return n.Facts().RestoreErr
}

// Progress is as set; else every member has applied the newest record.
func (n *Node) Progress(context.Context) []admin.NodeProgress {
	if p := n.Facts().Progress; p != nil {
		return p
	}
	var out []admin.NodeProgress
	for _, m := range n.View().Members() {
		if m.Status != topology.Removed {
			out = append(out, admin.NodeProgress{Node: m.Node, Version: n.View().Version()})
		}
	}
	return out
}

// StuckSeals is as set.
func (n *Node) StuckSeals() []cluster.StuckSeal { return n.Facts().Stuck }

// HeldGuards is as set.
func (n *Node) HeldGuards() []admin.Guard { return n.Facts().Guards }

// Sizes is as set.
func (n *Node) Sizes(context.Context) []admin.NodeSizes { return n.Facts().Sizes }

// History is as set.
func (n *Node) History(context.Context) []admin.NodeHistory { return n.Facts().History }

// Late is as set.
func (n *Node) Late() admin.LateFrames { return n.Facts().Late }

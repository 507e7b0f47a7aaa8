package admin

import (
	"context"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Node is what the admin API asks of a running node. Its methods are safe for
// concurrent use, and those that take a context return soon after it ends.
type Node interface {
	// Name returns the node's name.
	Name() ring.NodeID
	// Cluster returns the id of the node's cluster; zero while it has none.
	Cluster() topology.ClusterID
	// Phase returns where the process stands on its way into and out of a
	// cluster.
	Phase() Phase
	// Ready returns why the node should get no requests now, one sentence each;
	// empty when it should.
	Ready() []string
	// Config returns the settings in effect. Secrets are masked.
	Config() []Setting

	// Read returns the record, linearizable. The errors are a Store's.
	Read(ctx context.Context) (topology.State, error)
	// View returns the record as this node has applied it. It never fails and
	// never waits; the empty record when the node has none yet.
	View() topology.State
	// Health returns what the node's detector believes.
	Health() cluster.Health
	// Agreement returns who leads the record and who votes, as the store of
	// this node sees it; without waiting.
	Agreement() Agreement

	// Propose proposes operations of an operator in one proposal: one outcome
	// for each. The errors are a Store's.
	Propose(ctx context.Context, ops ...topology.Op) ([]topology.Outcome, error)
	// Plan computes what everything staged leads to, stages that plan, and
	// returns the record that holds it. Refusals are *topology.Error.
	Plan(ctx context.Context) (topology.State, error)
	// Commit commits the staged plan of that version. Refusals are
	// *topology.Error.
	Commit(ctx context.Context, version uint64) error
	// Join asks the cluster that the addresses belong to for admission, and
	// returns when it has decided. The error is the refusal. For a node that has
	// a cluster already it matches topology.ErrClusterMismatch and names both
	// ids when the addresses belong to another, else ErrJoined.
	Join(ctx context.Context, addrs []string) error
	// Restore gives a store that lost its record a whole one. The error matches
	// ErrNoRestore when the store cannot lose it, or has not.
	Restore(ctx context.Context, record topology.State) error

	// Progress returns what each member that is not Removed says of itself, in
	// node order; one that did not answer has Err set. It takes at most a few
	// seconds.
	Progress(ctx context.Context) []NodeProgress
	// StuckSeals returns the transfers that are between freeze and flip for longer
	// than they should, in session order.
	StuckSeals() []cluster.StuckSeal
	// HeldGuards returns who at this node has not left a session that is over, in
	// session order.
	HeldGuards() []Guard
	// Sizes returns what each member keeps, likewise.
	Sizes(ctx context.Context) []NodeSizes
	// History returns how the transfers of each member ended, likewise.
	History(ctx context.Context) []NodeHistory
	// Late returns what came too late to this node.
	Late() LateFrames
}

// Phase says where a process stands on its way into and out of a cluster.
type Phase string

// The phases, in the order of a node's life.
const (
	PhaseUnjoined Phase = "unjoined" // started without a cluster; waits for a join
	PhaseJoining  Phase = "joining"  // has asked, no decision yet
	PhaseMember   Phase = "member"   // what kind of member, the record says
	PhaseStopping Phase = "stopping" // drains, and exits
)

// Agreement is the state of the replicated record's store.
type Agreement struct {
	// Store is the adapter's name: raft, consul or memory.
	Store string `json:"store"`
	// Leader leads the store; empty when this node knows none.
	Leader ring.NodeID `json:"leader,omitempty"`
	// LeaderAddr is where it is reached.
	LeaderAddr string `json:"leader_addr,omitempty"`
	// Term is the store's own term, 0 where it has none.
	Term uint64 `json:"term"`
	// Applied is the store's own index of what this node applied.
	Applied uint64 `json:"applied"`
	// Voters decide, NonVoters follow; both empty where the store is elsewhere.
	Voters    []ring.NodeID `json:"voters,omitempty"`
	NonVoters []ring.NodeID `json:"non_voters,omitempty"`
	// Problem says why nothing can be decided now; empty when it can.
	Problem string `json:"problem,omitempty"`
}

// NodeProgress is one member's answer about what it has applied and moves.
type NodeProgress struct {
	Node ring.NodeID
	// Version is the newest version of the record that the member has applied.
	Version uint64
	// Sessions are the transfers that the member takes part in.
	Sessions []Progress
	// Guards are those that the member holds past the end of their sessions.
	Guards []Guard
	// Err is why the member did not answer; the other fields are zero then.
	Err error
}

// Progress is how far one side of a transfer is.
type Progress struct {
	Session uint64
	// Outgoing: the member is the source.
	Outgoing bool
	// Attempt is the number of the stream under the session, from 1.
	Attempt int
	// Items and Bytes were sent, or received, so far; of the Totals that the
	// source's snapshot holds, 0 when not known.
	Items, Bytes           uint64
	TotalItems, TotalBytes uint64
	// Started and Updated are by the member's clock.
	Started, Updated time.Time
	// ItemRate and ByteRate are per second, in the latest seconds.
	ItemRate, ByteRate float64
	// Stall is what took most of the latest seconds, in the words of handoff.Wait;
	// empty when it went on.
	Stall string
}

// Guard is held by work under a session that is over: it has been told to stop and
// has not. Times are by the node's clock.
type Guard struct {
	Node    ring.NodeID `json:"node"`
	Session uint64      `json:"session"`
	// Name says what holds it.
	Name string `json:"name"`
	// Entered is when the work began, Closed when its session did not admit any
	// more.
	Entered time.Time `json:"entered"`
	Closed  time.Time `json:"closed"`
	// Leaked: it is held for so long that it will not end by itself.
	Leaked bool `json:"leaked"`
}

// NodeSizes is one member's answer about what it keeps.
type NodeSizes struct {
	Node  ring.NodeID
	Parts []PartSize
	// Rate is how fast the member's latest transfers went, in bytes per second;
	// 0 when it made none.
	Rate float64
	// Err is why the member did not answer; the other fields are zero then.
	Err error
}

// PartSize is the size of a partition that a member serves.
type PartSize struct {
	Kind      topology.Kind
	Partition ring.Partition
	// Items and Bytes (keys and values) may be estimates.
	Items, Bytes uint64
}

// Setting is one setting of a node in effect.
type Setting struct {
	// Name is as on the command line, without dashes.
	Name  string `json:"name"`
	Value string `json:"value"`
	// Source is where the value came from: flag, environment, file or default.
	Source string `json:"source,omitempty"`
}

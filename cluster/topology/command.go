package topology

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
)

// A CommandID names a command for deduplication. A proposer is one process's life: a restarted node
// proposes under a new name. It numbers its commands from 1 upward; the first one to reach the record
// must be among the first Window.
type CommandID struct {
	Proposer string
	Seq      uint64
}

// String returns the id as proposer/seq.
func (id CommandID) String() string { return fmt.Sprintf("%s/%d", id.Proposer, id.Seq) }

// A Command is one proposal to change the record.
type Command struct {
	ID CommandID
	// Term is the coordinator term the proposer acts in. StagePlan, OpenTransfer, BeginSeal,
	// CommitTransfer, AbortTransfer, RevertTransfer and MarkExited are refused unless it is the current one (F13); other
	// operations ignore it.
	Term uint64
	Op   Op
}

// An Op is the operation of a command: one of the structs of this package.
type Op interface {
	opTag() tag
	// operand returns what the operation is about, for error texts.
	operand() string
	apply(c *change)
}

// CreateCluster makes an empty record a cluster with one member, which owns everything.
type CreateCluster struct {
	ClusterID ClusterID
	// RingSize is the number of partitions, a power of two from 8 to 65,536.
	RingSize int
	// TargetN is the number of consecutive partitions a plan keeps on distinct nodes.
	TargetN int
	// NVal is the default number of replicas.
	NVal  int
	Kinds []KindSpec
	// Member is the founder: Node, Addr, Weight, Location and Nonce are taken.
	Member Member
}

// StartNode says that a member's process starts: its incarnation grows by one, its address is the
// new one, and it is no longer Down.
type StartNode struct {
	ClusterID ClusterID
	Node      ring.NodeID
	// Nonce is the one the node joined with.
	Nonce uint64
	Addr  string
	Kinds []KindSpec
}

// Join asks that a node becomes a member. Any member proposes it for the joiner; the decision is
// kept under the nonce.
type Join struct {
	// ClusterID is zero when the joiner does not know any cluster yet.
	ClusterID ClusterID
	Node      ring.NodeID
	Addr      string
	// Nonce identifies the attempt; a new attempt takes a new one.
	Nonce uint64
	Kinds []KindSpec
	// RingSize is the size the joiner is configured for, or 0 to take the cluster's.
	RingSize int
	Weight   int
	Location string
}

// StageLeave marks a member to leave with the next committed plan.
type StageLeave struct{ Node ring.NodeID }

// StageReplace marks Old to leave with the next committed plan, in which New, a joining member, has
// Old's partitions. They move by transfers.
type StageReplace struct{ Old, New ring.NodeID }

// StageForceRemove marks a member to be Removed by the next committed plan: what it owns belongs at
// once, without a transfer, to the owners of the planned ring, and its copies are given up.
type StageForceRemove struct{ Node ring.NodeID }

// StageForceReplace is StageForceRemove of Old with New, a joining member, in its place.
type StageForceReplace struct{ Old, New ring.NodeID }

// StageShare gives a member another weight, another location, or both, from the next committed plan
// on. Nil leaves it as it is, or as it is staged.
type StageShare struct {
	Node     ring.NodeID
	Weight   *int
	Location *string
}

// Unstage takes back what is staged for one node: its departure, its share, or its join. A
// replacement by it is taken back too.
type Unstage struct{ Node ring.NodeID }

// ClearPlan drops the plan and everything staged: departures and shares are forgotten and joining
// nodes Removed.
type ClearPlan struct{}

// StagePlan keeps a ring that was computed from the membership version BasedOn.
type StagePlan struct {
	Ring    *ring.Ring
	BasedOn uint64
	// Infeasible and Reason are what the claim said of the ring: what the members cannot give, and
	// why it takes more moves than the shares enforce. Each has at most MaxPlanText bytes.
	Infeasible string
	Reason     string
}

// CommitPlan makes the staged ring the committed one: joining members become Valid, those that leave
// or are replaced Leaving, those removed by force Removed, and staged shares count. Partitions then
// move one by one by transfers, but those of members removed by force, which change owners here.
type CommitPlan struct{ PlanVersion uint64 }

// MovePartition makes Target the owner-to-be of one partition of the committed ring, of all kinds.
type MovePartition struct {
	Partition ring.Partition
	Target    ring.NodeID
	// ExpectOwner is the owner in the committed ring that the proposer saw.
	ExpectOwner ring.NodeID
}

// SetTransferLimit bounds how many transfers a member sends at once, and how many it receives. With no
// Node it does so for all members, and what was set for single ones is forgotten.
type SetTransferLimit struct {
	Node ring.NodeID
	// Limit is from 0, which opens no more transfers, to MaxTransferLimit.
	Limit int
}

// SetTransferRate bounds how many bytes a second a member sends in all its transfers together. With no
// Node it does so for all members, and what was set for single ones is forgotten.
type SetTransferRate struct {
	Node ring.NodeID
	// Rate is 0, which is no bound, or from MinTransferRate to MaxTransferRate.
	Rate uint64
}

// SwitchTransfers lets a member open transfers again, or no more of them, of one kind or all, out of it, into
// it, or both. Those that are open go on. With no Node it does so for all members, now and to come.
type SwitchTransfers struct {
	Node ring.NodeID
	// Kind is empty for all kinds.
	Kind Kind
	// Outbound and Inbound are the directions that change; one at least.
	Outbound, Inbound bool
	On                bool
}

// OpenTransfer opens a transfer of a partition from its owner to Target.
type OpenTransfer struct {
	Type      TransferType
	Kind      Kind
	Partition ring.Partition
	Target    ring.NodeID
	// ExpectEpoch is the owner epoch the proposer saw.
	ExpectEpoch uint64
}

// OpenSession opens the transfer under which a fallback hands back what it kept (Merge), or an owner
// rebuilds its copy from those of others (Repair). The owner stays the owner; the partition's one slot is
// taken until the session ends: by CloseHint or MarkWhole, which leave a certificate, by Refuse or
// AbortTransfer, or as its nodes restart or go.
type OpenSession struct {
	// Type is Merge or Repair.
	Type      TransferType
	Kind      Kind
	Partition ring.Partition
	// Node and Incarnation are those of the process that works under the session: the fallback's or the
	// owner's.
	Node        ring.NodeID
	Incarnation uint64
	// ExpectEpoch is the owner epoch the proposer saw.
	ExpectEpoch uint64
}

// A Report names the participant that reports and the session it reports on.
type Report struct {
	Session     uint64
	Node        ring.NodeID
	Incarnation uint64
}

// Reporter returns the report itself; operations that are reports of a participant embed it.
func (r Report) Reporter() Report { return r }

// SourceReady says that the source is ready to fold.
type SourceReady struct{ Report }

// TargetReady says that the target's empty staging exists and its fence is durable.
type TargetReady struct{ Report }

// ReadyToSeal is the source's word that few deltas remain. While a neighbour is between its freeze and the
// end of its drain (K7), the transfer waits for BeginSeal.
type ReadyToSeal struct{ Report }

// SourceFrozen is the source's seal; its freeze is durable.
type SourceFrozen struct {
	Report
	Seal Seal
}

// TargetSealed is the target's seal; its complete copy is durable (in the sense of the kind).
type TargetSealed struct {
	Report
	Seal Seal
}

// TargetActivated says that the target promoted its copy and serves.
type TargetActivated struct {
	Report
	// Fenced is the number of frames that the target turned away since the session was opened; see
	// Certificate.
	Fenced uint64
}

// SourceDrained says that the source ended all work of the session and only forwards.
type SourceDrained struct {
	Report
	// FreezeMicros is the time from the freeze to the applied flip, in microseconds; 0 from a process
	// that did not see both.
	FreezeMicros uint64
	// Fenced is the number of frames that the source turned away since the session was opened.
	Fenced uint64
}

// SourceCleaned says that the source deleted its copy and keeps a tombstone.
type SourceCleaned struct{ Report }

// SourceReleased says that the source left an aborted session and lifted its freeze.
type SourceReleased struct{ Report }

// Refuse is a participant's word that it cannot go on; it may come from source or target.
type Refuse struct {
	Report
	Reason Reason
}

// BeginSeal lets a transfer that waits in StageFold go on to StageSeal.
type BeginSeal struct {
	Session uint64
	// Past are the sessions of neighbours that are not waited for: they wait for a node that does not
	// answer. There are at most as many as neighbours.
	Past []uint64
}

// AbortTransfer aborts a transfer before its flip.
type AbortTransfer struct {
	Session uint64
	Reason  Reason
}

// CommitTransfer decides a transfer in StageSeal by the target's seal alone, whose source can't report its own
// any more, or not in time.
type CommitTransfer struct{ Session uint64 }

// RevertTransfer takes a flip back before the target activated; only for kinds with Activate.
type RevertTransfer struct{ Session uint64 }

// MarkExited says that a Leaving member owns nothing and has no transfer: it becomes Exiting.
type MarkExited struct{ Node ring.NodeID }

// RemoveMember removes an Exiting member, which owns nothing. To give up one that owns partitions, use
// StageForceRemove and commit.
type RemoveMember struct{ Node ring.NodeID }

// MarkDown declares that a member's process is gone until it starts again.
type MarkDown struct{ Node ring.NodeID }

// BeginTerm issues a new coordinator term to a node.
type BeginTerm struct{ Node ring.NodeID }

// PutMetadata keeps a value under a key, or deletes the entry.
type PutMetadata struct {
	// Key has 1 to MaxMetadataKey bytes.
	Key string
	// Value has at most MaxMetadataValue bytes; nil deletes the entry.
	Value []byte
	// Expect is the version of the entry that the proposer saw, as State.Metadata has it: 0 says
	// that there is none. Otherwise the command is refused with ErrMetadataChanged.
	Expect uint64
}

// OpenHint says that a fallback is about to take data of a partition for its owner. It is proposed before
// the fallback's first answer. A hint that is open already stays as it is.
type OpenHint struct {
	Kind      Kind
	Partition ring.Partition
	// Node and Incarnation are those of the fallback's process.
	Node        ring.NodeID
	Incarnation uint64
	// Grace is the grace period of the record in which the data was read. When it is more than one
	// behind, the command is refused with ErrStaleGrace.
	Grace uint64
}

// CloseHint says that the fallback handed everything back. A hint that was opened anew since stays.
type CloseHint struct {
	Kind      Kind
	Partition ring.Partition
	Node      ring.NodeID
	// Opened is that of the Hint.
	Opened uint64
	// Session is the merge that brought it back, 0 if there was nothing to bring; Sent is what the
	// fallback counted under it, and Taken what the owner did, which must be equal.
	Session     uint64
	Sent, Taken Seal
}

// AdvanceGrace ends the grace period From and begins the next one. It changes nothing when that period is
// over already.
type AdvanceGrace struct{ From uint64 }

// MarkIncomplete says that a node has lost what it kept of a kind: all that it owns is incomplete, and the
// hints that it had are closed, which leaves their owners incomplete too. The node proposes it before it
// serves.
type MarkIncomplete struct {
	Node        ring.NodeID
	Incarnation uint64
	Kind        Kind
}

// MarkDamaged says that some of what was kept of one partition is lost, by its owner or by a node that has
// a hint of it: the partition is incomplete as of now. The node proposes it before it gives up the data.
type MarkDamaged struct {
	Kind      Kind
	Partition ring.Partition
}

// MarkWhole says that the owner of a partition got from its replicas what it had lost.
type MarkWhole struct {
	Kind      Kind
	Partition ring.Partition
	// Owner and Epoch are those that repaired it.
	Owner ring.NodeID
	Epoch uint64
	// Since is the Part's Since from before the repair: what was lost meanwhile is not repaired.
	Since uint64
	// Fence is the fence that every vnode which shares a preflist with the partition held before the
	// repair. It must not be below the record's.
	Fence uint64
	// Session is the open repair, and Done what was brought to the copy under it.
	Session uint64
	Done    Seal
}

// OpName returns the operation's name in lower case, as in logs and errors; "none" for nil.
func OpName(op Op) string {
	if op == nil {
		return "none"
	}
	return op.opTag().String()
}

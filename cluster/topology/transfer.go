package topology

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
)

// A Stage is the position of a transfer in the record; doc.go draws the arrows. The zero Stage means
// no transfer.
type Stage uint8

// The stages. Source owns the partition in StagePrepare, StageFold, StageSeal and StageAbort; target
// owns it in StageDrain and StageClean.
const (
	StagePrepare Stage = iota + 1
	StageFold
	StageSeal
	StageDrain
	StageClean
	StageAbort

	stageEnd
)

var stageNames = [stageEnd]string{"none", "prepare", "fold", "seal", "drain", "clean", "abort"}

// String returns the stage in lower case.
func (s Stage) String() string {
	if s < stageEnd {
		return stageNames[s]
	}
	return fmt.Sprintf("stage %d", uint8(s))
}

// A TransferType says what a transfer is for.
type TransferType uint8

const (
	// Swap moves ownership from source to target.
	Swap TransferType = iota + 1
	// Merge brings a fallback's items to the owner, its target; ownership stays.
	Merge
	// Repair rebuilds the owner's copy from other replicas; source and target are the owner.
	Repair

	transferTypeEnd
)

var transferTypeNames = [transferTypeEnd]string{"none", "swap", "merge", "repair"}

// String returns the type in lower case.
func (t TransferType) String() string {
	if t < transferTypeEnd {
		return transferTypeNames[t]
	}
	return fmt.Sprintf("transfer type %d", uint8(t))
}

// A Reason is why a transfer was aborted: one of the constants, or a participant's own word of at
// most MaxReason bytes.
type Reason string

// MaxReason is the longest Reason, in bytes.
const MaxReason = 256

// ReasonOf returns an error's text in the length that the record takes.
func ReasonOf(err error) Reason {
	text := err.Error()
	return Reason(text[:min(len(text), MaxReason)])
}

// Reasons that Apply and the coordinator give, and those that participants share.
const (
	ReasonRefused           Reason = "refused"          // the source's kind said no to handoff_starting
	ReasonCancelled         Reason = "cancelled"        // the operator
	ReasonSuperseded        Reason = "superseded"       // the committed ring wants another owner
	ReasonSourceRestarted   Reason = "source restarted" // and lost the state the transfer needs
	ReasonTargetRestarted   Reason = "target restarted" // and lost the state the transfer needs
	ReasonRestarted         Reason = "restarted"        // a side of a merge or a repair
	ReasonSourceDown        Reason = "source down"
	ReasonTargetDown        Reason = "target down"
	ReasonSourceUnreachable Reason = "source unreachable" // as liveness has it
	ReasonTargetUnreachable Reason = "target unreachable" // as liveness has it
	ReasonDigestMismatch    Reason = "digest mismatch"    // the two seals differ
	ReasonSealChanged       Reason = "seal changed"       // one side reported two different seals
	ReasonOwnerChanged      Reason = "owner changed"      // owner or epoch is not that of the opening
	ReasonSealBudget        Reason = "seal budget"        // frozen for too long without the target's seal
	ReasonReverted          Reason = "reverted"           // the flip was taken back before activation
	ReasonBusy              Reason = "busy"
	ReasonDiskFull          Reason = "disk full"
	ReasonUnreadable        Reason = "unreadable item"
	ReasonIdle              Reason = "idle timeout"
	ReasonIntegrity         Reason = "integrity" // repeated damage on the wire
)

// A Seal is what a side reports about its complete copy: the last sequence number, the number of
// items, their size in bytes (keys and values), and the digest of all of them.
type Seal struct {
	LastSeq uint64
	Items   uint64
	Bytes   uint64
	Digest  Digest
}

// String returns the seal on one line.
func (s Seal) String() string {
	return fmt.Sprintf("seq=%d items=%d bytes=%d digest=%s", s.LastSeq, s.Items, s.Bytes, s.Digest)
}

// A Transfer is the move of one partition of one kind. The record holds at most one for each.
// Values and pointers handed out by State are shared and must not be modified.
type Transfer struct {
	// Session is the transfer's id: a counter, so a later session is always greater.
	Session   uint64
	Type      TransferType
	Kind      Kind
	Partition ring.Partition
	Source    ring.NodeID
	Target    ring.NodeID
	// SourceIncarnation and TargetIncarnation are those of the processes that hold the session.
	SourceIncarnation uint64
	TargetIncarnation uint64
	Stage             Stage
	// Epoch is the owner epoch at the opening; the flip makes it Epoch+1, a revert Epoch+2.
	Epoch uint64

	SourceReady bool
	TargetReady bool
	// Waits says of a transfer in StageFold that the source is ready to seal and a neighbour is not
	// through; see BeginSeal.
	Waits         bool
	Frozen        *Seal // reported by the source
	Sealed        *Seal // reported by the target
	Activated     bool
	SourceDrained bool
	// SourceLost says that the source lost, in StageDrain, the copy that it froze.
	SourceLost bool
	// FreezeMicros, SourceFenced and TargetFenced are reported figures for the certificate.
	FreezeMicros uint64
	SourceFenced uint64
	TargetFenced uint64
	// Reason is set in StageAbort.
	Reason Reason
}

// A Part is the ownership of one partition of one kind. The pointers are shared and read-only.
type Part struct {
	// Owner is the one node that may acknowledge requests for the partition.
	Owner ring.NodeID
	// Epoch grows with every change of owner.
	Epoch uint64
	// Transfer is the active transfer, or nil.
	Transfer *Transfer
	// LastSession is the newest session ever opened for the partition.
	LastSession uint64
	// Certificate is that of the last completed transfer, or nil.
	Certificate *Certificate
	// Attempts counts the transfers aborted since the last completed one.
	Attempts uint64
	// LastReason is why the last of these was aborted.
	LastReason Reason
	// Reassigned is the last time the partition changed owners without a transfer, or nil: whoever
	// owns it has had to do without that copy, but for what was repaired since.
	Reassigned *Reassignment
	// Incomplete says that the owner's copy lacks data that was acknowledged: its node lost it, or the
	// partition was given to it by force, or a fallback was lost that kept data for it. It moves with
	// the partition.
	Incomplete bool
	// Since is the version at which data was last lost, 0 when the copy is whole.
	Since uint64
	// Lost is the version at which data was last lost, 0 if it never was: what the
	// copy wrote before then it may have forgotten, and others may have it.
	Lost uint64
	// Hinted is the grace period before which tombstones are kept as if a hint of the
	// partition were open, 0 if it never had one: what was read from the fallback
	// before its hint was closed may still be on its way (K6).
	Hinted uint64
}

// A Reassignment is the loss of a copy: at the version From was removed by force and its partitions
// were given to others. All partitions of one removal share it.
type Reassignment struct {
	Version uint64
	From    ring.NodeID
}

// A Plan is a staged ring: what a commit would make of the cluster.
type Plan struct {
	// Version is the record's version at the staging; a commit names it.
	Version uint64
	// BasedOn is the membership version the ring was computed from.
	BasedOn uint64
	Ring    *ring.Ring
	// Changes is what was staged, in the order of State.Staged.
	Changes []StagedChange
	// Infeasible and Reason are what the claim said of the ring; see StagePlan.
	Infeasible string
	Reason     string
}

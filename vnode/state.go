package vnode

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// State is where a vnode stands in its life: exactly one of the structs below.
type State interface {
	state()
	String() string
}

// States of a vnode. Only those after FOLD_REQ on the source, and those of a
// target, carry a session.
type (
	// Absent holds nothing and serves nothing.
	Absent struct{}
	// Owner serves in normal operation.
	Owner struct{ Epoch uint64 }
	// Folding serves while a session copies its data (source, FOLD).
	Folding struct {
		Epoch   uint64
		Handoff Handoff
	}
	// Frozen acknowledges nothing until the record decides (source, SEAL).
	Frozen struct {
		Epoch   uint64
		Handoff Handoff
		Durable bool // the freeze mark is on disk
	}
	// Forwarder has lost the partition to Owner and still holds the data (source, DRAIN).
	Forwarder struct {
		Epoch   uint64
		Handoff Handoff
	}
	// Tombstone remembers who took the partition; its data is gone here.
	Tombstone struct{ Epoch uint64 }
	// Staging receives into a generation of its own (target, PREPARE to SEAL).
	Staging struct {
		Session uint64
		Created bool // the generation exists and the session is on disk
	}
	// Sealed holds a complete, verified, durable copy that is not yet committed (target, SEAL).
	Sealed struct {
		Session uint64
		Seal    topology.Seal
	}
	// Activating owns the partition and makes the copy its active generation (target, DRAIN).
	Activating struct {
		Session  uint64
		Epoch    uint64
		Promoted bool
	}
)

func (Absent) state()     {}
func (Owner) state()      {}
func (Folding) state()    {}
func (Frozen) state()     {}
func (Forwarder) state()  {}
func (Tombstone) state()  {}
func (Staging) state()    {}
func (Sealed) state()     {}
func (Activating) state() {}

func (Absent) String() string      { return "absent" }
func (s Owner) String() string     { return fmt.Sprintf("owner epoch=%d", s.Epoch) }
func (s Folding) String() string   { return fmt.Sprintf("folding session=%d", s.Handoff.Session) }
func (s Frozen) String() string    { return fmt.Sprintf("frozen session=%d", s.Handoff.Session) }
func (s Forwarder) String() string { return fmt.Sprintf("forwarder session=%d", s.Handoff.Session) }
func (s Tombstone) String() string { return fmt.Sprintf("tombstone epoch=%d", s.Epoch) }
func (s Staging) String() string   { return fmt.Sprintf("staging session=%d", s.Session) }
func (s Sealed) String() string    { return fmt.Sprintf("sealed session=%d", s.Session) }
func (s Activating) String() string {
	return fmt.Sprintf("activating session=%d epoch=%d", s.Session, s.Epoch)
}

// Event is what happened to a vnode.
type Event interface{ event() }

type (
	// Recovered is the first event after the process opened the partition's
	// durable record: Staged is the session of the staging generation found, 0
	// for none; Seal its seal when that was durable.
	Recovered struct {
		Epoch     uint64
		Fence     uint64 // the lowest ring version that is served
		HasData   bool
		Frozen    uint64
		Staged    uint64
		Seal      *topology.Seal
		Tombstone bool
	}
	// Applied is the partition's entry in a newer record.
	Applied struct {
		Version uint64
		Part    topology.Part
		// Fence is the record's.
		Fence uint64
		// Activate is the kind's property: the target asks the record before
		// its first acknowledgement.
		Activate bool
	}
	// StartAnswered is the module's answer to HandoffStarting; Err refuses.
	StartAnswered struct {
		Session uint64
		Err     error
	}
	// FoldRequested is FOLD_REQ: the sending task has been admitted by the
	// target and asks for the data.
	FoldRequested struct{ Session uint64 }
	// FreezeStored: the freeze mark of the session is durable.
	FreezeStored struct{ Session uint64 }
	// StagingCreated answers CreateStaging; Err refuses the session.
	StagingCreated struct {
		Session uint64
		Err     error
	}
	// CopySealed: the receiver verified the copy and made it and its seal durable.
	CopySealed struct {
		Session uint64
		Seal    topology.Seal
	}
	// CopyPromoted answers Promote.
	CopyPromoted struct{ Session uint64 }
	// SourceGone: the sending task of the session has ended and every guard of
	// the session is released here.
	SourceGone struct{ Session uint64 }
	// DataDeleted answers DeleteData.
	DataDeleted struct{ Session uint64 }
	// FenceRaised: whoever asks by an older record is refused from now on.
	FenceRaised struct{ Version uint64 }
)

func (Recovered) event()      {}
func (Applied) event()        {}
func (StartAnswered) event()  {}
func (FoldRequested) event()  {}
func (FreezeStored) event()   {}
func (StagingCreated) event() {}
func (CopySealed) event()     {}
func (CopyPromoted) event()   {}
func (SourceGone) event()     {}
func (DataDeleted) event()    {}
func (FenceRaised) event()    {}

// Action is what the shell must do, in the order given.
type Action interface{ action() }

type (
	// Open makes the module ready to serve; Import says that the active
	// generation holds exported items to give to it first.
	Open struct{ Import bool }
	// Close stops the module and keeps the data.
	Close struct{}
	// AskStarting calls HandoffStarting; the answer is StartAnswered.
	AskStarting struct{ Handoff Handoff }
	// Propose puts a report into the record, retried until its outcome is known.
	Propose struct{ Op topology.Op }
	// StartSource starts the task that sends the data under the session. The
	// vnode goes on normally; the task asks FoldRequested when it is admitted.
	StartSource struct{ Transfer topology.Transfer }
	// BeginFold gives the task a snapshot and starts to note changed keys.
	BeginFold struct{ Handoff Handoff }
	// StoreFreeze makes the freeze durable, then FreezeStored.
	StoreFreeze struct{ Session uint64 }
	// SealSource tells the task that the state is final: send the rest, then FIN.
	SealSource struct{ Session uint64 }
	// StopSource ends the task (a no-op when it ended), then SourceGone.
	StopSource struct {
		Session uint64
		Reason  string
	}
	// LiftFreeze removes the durable freeze.
	LiftFreeze struct{ Session uint64 }
	// Cancelled tells the module that the move was given up; it serves on.
	Cancelled struct{ Handoff Handoff }
	// Finished tells the module that the target owns the partition.
	Finished struct{ Handoff Handoff }
	// ReplayParked serves what was parked or deferred, in order.
	ReplayParked struct{}
	// ForwardParked sends what was parked or deferred to the owner.
	ForwardParked struct{ Owner ring.NodeID }
	// CreateStaging makes an empty generation named by the session, records the
	// session as the highest seen (F4), then StagingCreated.
	CreateStaging struct{ Transfer topology.Transfer }
	// DropStaging closes the session's guards and drops its generation.
	DropStaging struct{ Session uint64 }
	// Promote flips the active generation to the session's, then CopyPromoted.
	Promote struct {
		Session uint64
		Epoch   uint64
	}
	// DeleteData closes the module and drops the active generation, leaving a
	// durable tombstone, then DataDeleted.
	DeleteData struct {
		Session uint64
		Epoch   uint64
		Owner   ring.NodeID
	}
)

func (Open) action()          {}
func (Close) action()         {}
func (AskStarting) action()   {}
func (Propose) action()       {}
func (StartSource) action()   {}
func (BeginFold) action()     {}
func (StoreFreeze) action()   {}
func (SealSource) action()    {}
func (StopSource) action()    {}
func (LiftFreeze) action()    {}
func (Cancelled) action()     {}
func (Finished) action()      {}
func (ReplayParked) action()  {}
func (ForwardParked) action() {}
func (CreateStaging) action() {}
func (DropStaging) action()   {}
func (Promote) action()       {}
func (DeleteData) action()    {}

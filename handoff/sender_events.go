package handoff

import (
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
)

// SenderEvent is what happened to an outgoing transfer.
type SenderEvent interface{ senderEvent() }

// Events of the Sender, from its own node.
type (
	// StreamOpened is the first event: the stream to the target is up.
	StreamOpened struct{}
	// FoldBegun answers RequestFold: a snapshot is held and changes are noted
	// from it on. Empty says that there is nothing to move; the module has then
	// not been told of a fold, and readiness is reported at once. A module that
	// exports its state is not Empty while it has any: it has no snapshot, so the
	// first ReadBulk is answered by BulkRead{Last: true} and all it has is dirty.
	FoldBegun struct{ Empty bool }
	// BulkRead answers ReadBulk. Last says that the snapshot is exhausted.
	BulkRead struct {
		Items   int
		Payload []byte // nil without items
		Last    bool
	}
	// DirtyRead answers ReadDirty. Left is how many keys are still marked. Final
	// is set in the answer that completes the copy: the vnode was durably frozen
	// and nothing was left when it was given.
	DirtyRead struct {
		Items   int
		Payload []byte // nil without items
		Left    uint64
		Final   *store.Summary
	}
	// Unreadable says that an item can't be read or encoded (F8).
	Unreadable struct{ Err error }
	// Frozen says that the record reached SEAL and the vnode is durably frozen:
	// the next dirty reads end with a Final one. Streams opened later under the
	// session are made with SenderOptions.Frozen.
	Frozen struct{}
	// Tick says that a little time has passed, some milliseconds. Without it
	// changes made between readiness and the freeze wait for the freeze.
	Tick struct{}
	// Lost says that the stream broke, or was silent for too long.
	Lost struct{ Err error }
	// Cancelled says that the record gave the session up, or that the node stops.
	Cancelled struct{ Reason string }
)

// Events of the Sender, from the target.
type (
	// HelloOK admits the transfer. Window is how many unacknowledged bytes the
	// target takes, 0 for as many as the source likes.
	HelloOK struct {
		HaveSeq uint64
		Window  int
	}
	// Acked acknowledges every batch up to UpTo.
	Acked struct{ UpTo uint64 }
	// FinOK says that the target's copy is verified, sealed and durable.
	FinOK struct{ Seal topology.Seal }
	// FinBad says that the target's copy is not the source's; Have is what it holds.
	FinBad struct {
		Err  *messages.Error
		Have topology.Seal
	}
	// Rejected says that the target ended the stream and why.
	Rejected struct{ Err *messages.Error }
)

func (StreamOpened) senderEvent() {}
func (FoldBegun) senderEvent()    {}
func (BulkRead) senderEvent()     {}
func (DirtyRead) senderEvent()    {}
func (Unreadable) senderEvent()   {}
func (Frozen) senderEvent()       {}
func (Tick) senderEvent()         {}
func (Lost) senderEvent()         {}
func (Cancelled) senderEvent()    {}
func (HelloOK) senderEvent()      {}
func (Acked) senderEvent()        {}
func (FinOK) senderEvent()        {}
func (FinBad) senderEvent()       {}
func (Rejected) senderEvent()     {}

// SenderAction is what the shell of an outgoing transfer must do, in the order
// given.
type SenderAction interface{ senderAction() }

// Actions of the Sender, on its own node.
type (
	// RequestFold asks the vnode for the fold (FOLD_REQ), then FoldBegun.
	RequestFold struct{}
	// ReadBulk reads the next batch of the snapshot, then BulkRead or Unreadable.
	ReadBulk struct{ MaxBytes int }
	// ReadDirty asks the vnode for changed items, then DirtyRead or Unreadable.
	ReadDirty struct {
		MaxItems int
		MaxBytes int
	}
	// SlowWriters says that the changes do not get fewer: Lag items were marked
	// at the last look. Writers of the partition should be held back a little.
	SlowWriters struct{ Lag uint64 }
	// ReportReadyToSeal proposes topology.ReadyToSeal.
	ReportReadyToSeal struct{}
	// ReportFrozen proposes topology.SourceFrozen.
	ReportFrozen struct{ Seal topology.Seal }
	// Done ends the task well: the target holds the sealed copy. The record
	// decides the rest.
	Done struct{ Seal topology.Seal }
	// Fail ends the task. Then says what follows; Reason is for the record when
	// that is GiveUp.
	Fail struct {
		Err    error
		Then   Verdict
		Reason topology.Reason
	}
)

// Actions of the Sender, frames to the target.
type (
	// SendHello offers the session. The frame's sequence number is the attempt
	// (see Streams).
	SendHello struct{ Attempt int }
	// SendItems sends a batch of the snapshot.
	SendItems struct {
		Seq     uint64
		Payload []byte
	}
	// SendDelta sends a batch of changed items, in the same sequence.
	SendDelta struct {
		Seq     uint64
		Payload []byte
	}
	// SendFin says what the whole copy must be.
	SendFin struct{ Seal topology.Seal }
	// SendAbort ends the conversation.
	SendAbort struct{ Reason string }
)

func (RequestFold) senderAction()       {}
func (ReadBulk) senderAction()          {}
func (ReadDirty) senderAction()         {}
func (SlowWriters) senderAction()       {}
func (ReportReadyToSeal) senderAction() {}
func (ReportFrozen) senderAction()      {}
func (Done) senderAction()              {}
func (Fail) senderAction()              {}
func (SendHello) senderAction()         {}
func (SendItems) senderAction()         {}
func (SendDelta) senderAction()         {}
func (SendFin) senderAction()           {}
func (SendAbort) senderAction()         {}

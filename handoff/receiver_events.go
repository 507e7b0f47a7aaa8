package handoff

import (
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
)

// ReceiverEvent is what happened to an incoming transfer.
type ReceiverEvent interface{ receiverEvent() }

// Events of the Receiver, from the source. Each names the session of the frame
// that it came in; the frame's checksum and envelope are checked already.
type (
	// Hello is the first event. View is what this node knew when it arrived.
	Hello struct {
		Session uint64
		Source  ring.NodeID
		Codec   uint32
		View    View
	}
	// Batch is a run of items, or of changed items if Delta is set.
	Batch struct {
		Session uint64
		Seq     uint64
		Delta   bool
		Payload []byte
	}
	// Fin says what the whole copy must be.
	Fin struct {
		Session uint64
		Seal    topology.Seal
	}
	// SourceAborted says that the source ended the conversation.
	SourceAborted struct{ Reason string }
	// StreamLost says that the stream broke, was silent for too long, or carried
	// a damaged frame.
	StreamLost struct{ Err error }
)

// Events of the Receiver, from its own node.
type (
	// ViewApplied says that a newer record was applied, after AwaitView.
	ViewApplied struct{ View View }
	// ViewTimedOut says that AwaitView waited long enough.
	ViewTimedOut struct{}
	// StagingReset answers ResetStaging.
	StagingReset struct{}
	// Applied answers Apply: the batch is in the staging generation (swap), or
	// durably in the active one (merge and repair).
	Applied struct{ Seq uint64 }
	// StagingSynced answers SyncStaging: all that was applied is durable, and
	// Summary is what it amounts to.
	StagingSynced struct{ Summary store.Summary }
	// SealStored answers StoreSeal.
	SealStored struct{}
	// StoreFailed answers ResetStaging, Apply, SyncStaging or StoreSeal with an
	// error; messages.ErrNoSpace within Err says that the disk is full.
	StoreFailed struct{ Err error }
	// SessionClosed says that the record closed the session, or that the node
	// stops.
	SessionClosed struct{ Err error }
)

func (Hello) receiverEvent()         {}
func (Batch) receiverEvent()         {}
func (Fin) receiverEvent()           {}
func (SourceAborted) receiverEvent() {}
func (StreamLost) receiverEvent()    {}
func (ViewApplied) receiverEvent()   {}
func (ViewTimedOut) receiverEvent()  {}
func (StagingReset) receiverEvent()  {}
func (Applied) receiverEvent()       {}
func (StagingSynced) receiverEvent() {}
func (SealStored) receiverEvent()    {}
func (StoreFailed) receiverEvent()   {}
func (SessionClosed) receiverEvent() {}

// ReceiverAction is what the shell of an incoming transfer must do, in the
// order given. Every action that touches the store runs inside a guard of the
// session and checks it first (F6).
type ReceiverAction interface{ receiverAction() }

// Actions of the Receiver, on its own node.
type (
	// AwaitView makes the node look at the record by a linearizable read and
	// wait, within a bound, until something about the partition changed; then
	// ViewApplied or ViewTimedOut.
	AwaitView struct {
		Session     uint64
		RingVersion uint64 // of the view that did not suffice
	}
	// ResetStaging empties the session's staging generation, then StagingReset.
	// No other stream of the session may be at work here (Streams); a copy whose
	// seal is stored is never emptied, StoreFailed with messages.ErrSealed is the
	// answer then. Merge and repair have no staging: there it does nothing.
	ResetStaging struct{}
	// Apply writes a batch as one atomic batch, then Applied. Batches are applied
	// in the order of the actions.
	Apply struct {
		Seq   uint64
		Delta bool
		Items Items
	}
	// SyncStaging makes everything applied durable, then StagingSynced.
	SyncStaging struct{}
	// StoreSeal makes the seal durable in the partition's record, then SealStored.
	StoreSeal struct{ Seal topology.Seal }
	// ReportSealed tells the vnode that the copy is complete, verified and
	// durable. It may be repeated.
	ReportSealed struct{ Seal topology.Seal }
	// End ends the task: the stream is closed and the guard left. Err is nil when
	// the copy was sealed. What was staged stays until the record decides.
	End struct{ Err error }
)

// Actions of the Receiver, frames to the source.
type (
	// SendHelloOK admits the transfer into empty staging.
	SendHelloOK struct{ HaveSeq uint64 }
	// SendAck acknowledges every batch up to UpTo.
	SendAck struct{ UpTo uint64 }
	// SendFinOK says that the sealed copy is durable. It also answers a Hello
	// whose session is sealed already.
	SendFinOK struct{ Seal topology.Seal }
	// SendFinBad says that the copy is not what FIN says.
	SendFinBad struct {
		Err  *messages.Error
		Have topology.Seal
	}
	// Reject ends the conversation with an error.
	Reject struct{ Err *messages.Error }
)

func (AwaitView) receiverAction()    {}
func (ResetStaging) receiverAction() {}
func (Apply) receiverAction()        {}
func (SyncStaging) receiverAction()  {}
func (StoreSeal) receiverAction()    {}
func (ReportSealed) receiverAction() {}
func (End) receiverAction()          {}
func (SendHelloOK) receiverAction()  {}
func (SendAck) receiverAction()      {}
func (SendFinOK) receiverAction()    {}
func (SendFinBad) receiverAction()   {}
func (Reject) receiverAction()       {}

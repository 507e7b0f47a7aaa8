package topology

import (
	"errors"
	"fmt"
)

// Errors about the command itself.
var (
	// ErrInvalid is returned for a command whose fields cannot be right on any record.
	ErrInvalid = errors.New("invalid command")
	// ErrForgotten is returned for a command id older than the recorded window of its
	// proposer: whether it took effect can only be read from the record.
	ErrForgotten = errors.New("outcome no longer recorded")
	// ErrStaleTerm is returned when the command's coordinator term is not the current one (F13).
	ErrStaleTerm = errors.New("not the current coordinator term")
)

// Errors about the cluster and its members.
var (
	// ErrNoCluster is returned for every command but CreateCluster on an empty record.
	ErrNoCluster = errors.New("no cluster in the record")
	// ErrClusterExists is returned when a second cluster is created in one record.
	ErrClusterExists = errors.New("record already holds a cluster")
	// ErrClusterMismatch is returned when the command names another cluster.
	ErrClusterMismatch = errors.New("another cluster")
	// ErrRingSize is returned when ring sizes differ or a size is out of range.
	ErrRingSize = errors.New("wrong ring size")
	// ErrUnknownKind is returned when the record has no such vnode kind.
	ErrUnknownKind = errors.New("unknown vnode kind")
	// ErrMissingKind is returned when a node does not serve a kind the cluster has.
	ErrMissingKind = errors.New("vnode kind not served by the node")
	// ErrUnknownPartition is returned for a partition outside the ring.
	ErrUnknownPartition = errors.New("unknown partition")
	// ErrNotMember is returned when the named node is not a member.
	ErrNotMember = errors.New("not a member")
	// ErrNameTaken is returned when another node already is a member under that name.
	ErrNameTaken = errors.New("node name taken")
	// ErrMemberStatus is returned when a member's status does not allow the change.
	ErrMemberStatus = errors.New("member status does not allow it")
	// ErrStillOwns is returned when a member that owns partitions or moves one is to be removed.
	ErrStillOwns = errors.New("member still owns partitions")
	// ErrAlreadyLeaving is returned when another departure of the member is staged or under way.
	ErrAlreadyLeaving = errors.New("member is already leaving")
	// ErrAlreadyReplacement is returned when the new node already replaces another member.
	ErrAlreadyReplacement = errors.New("already the replacement of another member")
	// ErrInvalidReplacement is returned when the new node is not a joining member.
	ErrInvalidReplacement = errors.New("invalid replacement")
	// ErrLastMember is returned when no member would be left to own the partitions.
	ErrLastMember = errors.New("no other member to own the partitions")
)

// Errors about the staged plan.
var (
	// ErrNothingPlanned is returned when a commit finds no staged plan.
	ErrNothingPlanned = errors.New("nothing planned")
	// ErrPlanChanged is returned when members or plan changed since the plan was made.
	ErrPlanChanged = errors.New("plan changed")
)

// Errors about the metadata, hints and grace periods.
var (
	// ErrMetadataChanged is returned when an entry of the metadata is not of the expected version.
	ErrMetadataChanged = errors.New("metadata changed")
	// ErrRecordFull is returned when the record has no room for more metadata or hints.
	ErrRecordFull = errors.New("record is full")
	// ErrStaleGrace is returned when a request carries what was read too many grace periods ago.
	ErrStaleGrace = errors.New("grace period is over")
)

// Errors about transfers.
var (
	// ErrTransferInProgress is returned when the slot of the partition is taken.
	ErrTransferInProgress = errors.New("transfer in progress")
	// ErrNoTransfer is returned when no open transfer has that session: it never existed or it
	// is closed.
	ErrNoTransfer = errors.New("no open transfer with that session")
	// ErrNotOwner is returned when a transfer would start from or lead to the wrong owner.
	ErrNotOwner = errors.New("not the owner")
	// ErrNotParticipant is returned when a node reports for a transfer it has no such part in.
	ErrNotParticipant = errors.New("not a participant of the transfer")
	// ErrStale is returned when an epoch, an incarnation or a join attempt in the command is not
	// the current one.
	ErrStale = errors.New("stale epoch, incarnation or attempt")
	// ErrStage is returned when a report does not fit the stage of its transfer.
	ErrStage = errors.New("report does not fit the stage")
	// ErrTooLate is returned when an abort or a revert finds the ownership decided.
	ErrTooLate = errors.New("ownership is decided")
)

// Errors of the binary codecs.
var (
	// ErrDamaged is returned when encoded bytes are cut, altered or not in canonical form.
	ErrDamaged = errors.New("damaged encoding")
	// ErrFormat is returned when encoded bytes carry a format version this build does not read.
	ErrFormat = errors.New("unsupported format version")
)

// A Code is the compact form of an outcome: CodeApplied, CodeUnchanged or one per sentinel error.
// Codes are part of the record's format: a number never changes its meaning.
type Code uint8

// The codes of an Outcome.
const (
	CodeApplied Code = iota + 1
	CodeUnchanged
	CodeInvalid
	CodeForgotten
	CodeStaleTerm
	CodeNoCluster
	CodeClusterExists
	CodeClusterMismatch
	CodeRingSize
	CodeUnknownKind
	CodeMissingKind
	CodeUnknownPartition
	CodeNotMember
	CodeNameTaken
	CodeMemberStatus
	CodeStillOwns
	CodeLastMember
	CodeNothingPlanned
	CodePlanChanged
	CodeTransferInProgress
	CodeNoTransfer
	CodeNotOwner
	CodeNotParticipant
	CodeStale
	CodeStage
	CodeTooLate
	CodeAlreadyLeaving
	CodeAlreadyReplacement
	CodeInvalidReplacement
	CodeMetadataChanged
	CodeRecordFull
	CodeStaleGrace

	codeEnd
)

// sentinels maps each refusing code to its sentinel; index is the code.
var sentinels = [codeEnd]error{
	CodeInvalid:            ErrInvalid,
	CodeForgotten:          ErrForgotten,
	CodeStaleTerm:          ErrStaleTerm,
	CodeNoCluster:          ErrNoCluster,
	CodeClusterExists:      ErrClusterExists,
	CodeClusterMismatch:    ErrClusterMismatch,
	CodeRingSize:           ErrRingSize,
	CodeUnknownKind:        ErrUnknownKind,
	CodeMissingKind:        ErrMissingKind,
	CodeUnknownPartition:   ErrUnknownPartition,
	CodeNotMember:          ErrNotMember,
	CodeNameTaken:          ErrNameTaken,
	CodeMemberStatus:       ErrMemberStatus,
	CodeStillOwns:          ErrStillOwns,
	CodeLastMember:         ErrLastMember,
	CodeNothingPlanned:     ErrNothingPlanned,
	CodePlanChanged:        ErrPlanChanged,
	CodeTransferInProgress: ErrTransferInProgress,
	CodeNoTransfer:         ErrNoTransfer,
	CodeNotOwner:           ErrNotOwner,
	CodeNotParticipant:     ErrNotParticipant,
	CodeStale:              ErrStale,
	CodeStage:              ErrStage,
	CodeTooLate:            ErrTooLate,
	CodeAlreadyLeaving:     ErrAlreadyLeaving,
	CodeAlreadyReplacement: ErrAlreadyReplacement,
	CodeInvalidReplacement: ErrInvalidReplacement,
	CodeMetadataChanged:    ErrMetadataChanged,
	CodeRecordFull:         ErrRecordFull,
	CodeStaleGrace:         ErrStaleGrace,
}

// String returns the code as text: the sentinel's words for a refusal.
func (c Code) String() string {
	switch {
	case c == CodeApplied:
		return "applied"
	case c == CodeUnchanged:
		return "unchanged"
	case c < codeEnd && sentinels[c] != nil:
		return sentinels[c].Error()
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// An Error is a refusal by Apply. Its text names the operation, the operands and what to do; its
// code survives the codecs, so errors.Is works on an outcome that was recorded by another process.
type Error struct {
	Code Code
	Text string
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the sentinel of the code.
func (e *Error) Unwrap() error {
	if e.Code < codeEnd {
		return sentinels[e.Code]
	}
	return nil
}

package topology

// A tag is the number of an operation in the command codec; a number never changes its meaning.
type tag uint8

const (
	tagCreateCluster tag = iota + 1
	tagStartNode
	tagJoin
	tagStageLeave
	tagUnstage
	tagClearPlan
	tagStagePlan
	tagCommitPlan
	tagOpenTransfer
	tagSourceReady
	tagTargetReady
	tagReadyToSeal
	tagSourceFrozen
	tagTargetSealed
	tagTargetActivated
	tagSourceDrained
	tagSourceCleaned
	tagSourceReleased
	tagRefuse
	tagAbortTransfer
	tagRevertTransfer
	tagMarkExited
	tagRemoveMember
	tagMarkDown
	tagBeginTerm
	tagStageReplace
	tagStageForceRemove
	tagStageForceReplace
	tagStageShare
	tagMovePartition
	tagSetTransferLimit
	tagPutMetadata
	tagOpenHint
	tagCloseHint
	tagAdvanceGrace
	tagMarkIncomplete
	tagMarkDamaged
	tagMarkWhole
	tagBeginSeal
	tagSetTransferRate
	tagSwitchTransfers
	tagOpenSession
	tagCommitTransfer

	tagEnd
)

var opNames = [tagEnd]string{
	tagCreateCluster:     "create cluster",
	tagStartNode:         "start node",
	tagJoin:              "join",
	tagStageLeave:        "stage leave",
	tagUnstage:           "unstage",
	tagClearPlan:         "clear plan",
	tagStagePlan:         "stage plan",
	tagCommitPlan:        "commit plan",
	tagOpenTransfer:      "open transfer",
	tagSourceReady:       "source ready",
	tagTargetReady:       "target ready",
	tagReadyToSeal:       "ready to seal",
	tagSourceFrozen:      "source frozen",
	tagTargetSealed:      "target sealed",
	tagTargetActivated:   "target activated",
	tagSourceDrained:     "source drained",
	tagSourceCleaned:     "source cleaned",
	tagSourceReleased:    "source released",
	tagRefuse:            "refuse",
	tagAbortTransfer:     "abort transfer",
	tagRevertTransfer:    "revert transfer",
	tagMarkExited:        "mark exited",
	tagRemoveMember:      "remove member",
	tagMarkDown:          "mark down",
	tagBeginTerm:         "begin term",
	tagStageReplace:      "stage replace",
	tagStageForceRemove:  "stage force remove",
	tagStageForceReplace: "stage force replace",
	tagStageShare:        "stage share",
	tagMovePartition:     "move partition",
	tagSetTransferLimit:  "set transfer limit",
	tagPutMetadata:       "put metadata",
	tagOpenHint:          "open hint",
	tagCloseHint:         "close hint",
	tagAdvanceGrace:      "advance grace",
	tagMarkIncomplete:    "mark incomplete",
	tagMarkDamaged:       "mark damaged",
	tagMarkWhole:         "mark whole",
	tagBeginSeal:         "begin seal",
	tagSetTransferRate:   "set transfer rate",
	tagSwitchTransfers:   "switch transfers",
	tagOpenSession:       "open session",
	tagCommitTransfer:    "commit transfer",
}

func (t tag) String() string { return opNames[t] }

func (CreateCluster) opTag() tag     { return tagCreateCluster }
func (StartNode) opTag() tag         { return tagStartNode }
func (Join) opTag() tag              { return tagJoin }
func (StageLeave) opTag() tag        { return tagStageLeave }
func (Unstage) opTag() tag           { return tagUnstage }
func (ClearPlan) opTag() tag         { return tagClearPlan }
func (StagePlan) opTag() tag         { return tagStagePlan }
func (CommitPlan) opTag() tag        { return tagCommitPlan }
func (OpenTransfer) opTag() tag      { return tagOpenTransfer }
func (SourceReady) opTag() tag       { return tagSourceReady }
func (TargetReady) opTag() tag       { return tagTargetReady }
func (ReadyToSeal) opTag() tag       { return tagReadyToSeal }
func (SourceFrozen) opTag() tag      { return tagSourceFrozen }
func (TargetSealed) opTag() tag      { return tagTargetSealed }
func (TargetActivated) opTag() tag   { return tagTargetActivated }
func (SourceDrained) opTag() tag     { return tagSourceDrained }
func (SourceCleaned) opTag() tag     { return tagSourceCleaned }
func (SourceReleased) opTag() tag    { return tagSourceReleased }
func (Refuse) opTag() tag            { return tagRefuse }
func (AbortTransfer) opTag() tag     { return tagAbortTransfer }
func (CommitTransfer) opTag() tag    { return tagCommitTransfer }
func (RevertTransfer) opTag() tag    { return tagRevertTransfer }
func (MarkExited) opTag() tag        { return tagMarkExited }
func (RemoveMember) opTag() tag      { return tagRemoveMember }
func (MarkDown) opTag() tag          { return tagMarkDown }
func (BeginTerm) opTag() tag         { return tagBeginTerm }
func (StageReplace) opTag() tag      { return tagStageReplace }
func (StageForceRemove) opTag() tag  { return tagStageForceRemove }
func (StageForceReplace) opTag() tag { return tagStageForceReplace }
func (StageShare) opTag() tag        { return tagStageShare }
func (MovePartition) opTag() tag     { return tagMovePartition }
func (SetTransferLimit) opTag() tag  { return tagSetTransferLimit }
func (PutMetadata) opTag() tag       { return tagPutMetadata }
func (OpenHint) opTag() tag          { return tagOpenHint }
func (CloseHint) opTag() tag         { return tagCloseHint }
func (AdvanceGrace) opTag() tag      { return tagAdvanceGrace }
func (MarkIncomplete) opTag() tag    { return tagMarkIncomplete }
func (MarkDamaged) opTag() tag       { return tagMarkDamaged }
func (MarkWhole) opTag() tag         { return tagMarkWhole }
func (BeginSeal) opTag() tag         { return tagBeginSeal }
func (SetTransferRate) opTag() tag   { return tagSetTransferRate }
func (SwitchTransfers) opTag() tag   { return tagSwitchTransfers }
func (OpenSession) opTag() tag       { return tagOpenSession }

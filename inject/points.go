package inject

// A Point is a place in the code, by its name.
type Point string

// The points of a handoff, in the order in which it passes them.
const (
	OpenBefore    Point = "coordinate.before"      // leader: something is decided and not proposed
	OpenAfter     Point = "coordinate.after"       // leader: it is in the record
	StagingBefore Point = "handoff.staging.before" // target: no staging generation yet
	FoldBefore    Point = "handoff.fold.before"    // source: the module agreed, FOLD_REQ is to come
	SentFirst     Point = "handoff.batch.sent"     // source: a batch is on its way
	BatchReceived Point = "handoff.batch.received" // target: a batch was received and not admitted
	ApplyBefore   Point = "handoff.apply.before"   // target: a batch was admitted and not written
	ApplyAfter    Point = "handoff.apply.after"    // target: it is written and not acknowledged
	FrozenAfter   Point = "handoff.frozen.after"   // source: the freeze is durable
	FinBefore     Point = "handoff.fin.before"     // source: all is sent but FIN
	SyncBefore    Point = "handoff.sync.before"    // target: FIN is in, the copy is not durable
	SealedAfter   Point = "handoff.sealed.after"   // target: the seal is durable and not reported
	PromoteBefore Point = "handoff.promote.before" // target: it owns and its copy is staged
	PromoteAfter  Point = "handoff.promote.after"  // target: its copy is the active one
	DeleteBefore  Point = "handoff.delete.before"  // source: the target owns, the data is here
	DeleteAfter   Point = "handoff.delete.after"   // source: the data is gone, and nobody knows
)

// All are the points, in the order in which a handoff passes them.
var All = []Point{
	OpenBefore, OpenAfter, StagingBefore, FoldBefore, SentFirst, BatchReceived, ApplyBefore, ApplyAfter, FrozenAfter, FinBefore,
	SyncBefore, SealedAfter, PromoteBefore, PromoteAfter, DeleteBefore, DeleteAfter,
}

// Failing are the points at which Fail may make the code fail: it goes on as if the store had.
var Failing = []Point{StagingBefore, ApplyBefore, SyncBefore}

// Package topology is the replicated record: cluster, members, ring, staged plan, owners, transfers.
//
// The record is a [State], an immutable value; [State.Apply] is the only place where it changes:
//
//	next, outcome := state.Apply(topology.Command{ID: id, Term: term, Op: topology.OpenTransfer{...}})
//
// Ownership is per vnode kind and partition, and [State.Ring] is only where partitions are bound for;
// who serves one now is its [Part]'s owner. A partition moves by a [Transfer], whose stages advance
// by the reports of source and target alone:
//
//	PREPARE --SourceReady, TargetReady--> FOLD --ReadyToSeal, later BeginSeal if a neighbour is sealing--> SEAL
//	SEAL --SourceFrozen, TargetSealed: equal seals, nobody restarted (F11)--> DRAIN: target owns, epoch+1
//	SEAL --TargetSealed, CommitTransfer: the source can't report its seal--> DRAIN
//	DRAIN --TargetActivated, SourceDrained--> CLEAN --SourceCleaned--> closed, Certificate kept
//	PREPARE, FOLD, SEAL --Refuse, AbortTransfer, or unequal seals--> ABORT --SourceReleased--> closed
//	DRAIN --RevertTransfer, not activated--> ABORT: source owns, epoch+1
//
// A node that starts ([StartNode]) takes a new incarnation, and its reports of the former one are
// refused. In PREPARE the new process takes over; in FOLD, and in SEAL before its own seal, the
// transfer has lost it; a seal of a durable kind outlives the process, one of a volatile kind does
// not, and until the target has sealed the source's process is needed;
// from then on its seal may decide alone (CommitTransfer). In DRAIN the end of the source's
// process counts as drained, and when both processes of a volatile kind are gone the owner counts as
// activated: it begins anew.
//
// Kinds with Activate acknowledge nothing before TargetActivated is applied, so until then their flip
// can be reverted. The other kinds may serve from the flip on, and are never reverted but when their
// new owner is removed by force before it reported.
//
// Members change in three steps: stage, plan, commit. What is staged has no effect, and is in the
// record: it survives whoever staged it. A plan is void as soon as a member, a share or the ring
// changes after it, and a commit of it is refused.
//
//	operation           staged on             the commit makes the member       its partitions
//	Join                the joiner, Joining   Valid                             come by transfers
//	StageLeave          Valid                 Leaving, later Exiting, Removed   go by transfers
//	StageReplace        Valid, with a joiner  Leaving, later Exiting, Removed   go to the joiner by transfers
//	StageForceRemove    any but Joining       Removed                           belong to the ring's owners at once
//	StageForceReplace   any but Joining       Removed                           belong to the joiner at once
//	StageShare          who claims            as it was                         go and come by transfers
//
// Without staging: MovePartition changes the owner-to-be of one partition, MarkDown says that a
// process is gone until it starts, SetTransferLimit and SetTransferRate bound transfers, SwitchTransfers
// opens no more of them, RemoveMember ends an exit.
// Unstage takes back what is staged for a node, and a replacement by it; ClearPlan takes back all.
//
// A replacement gets exactly what the replaced member has in the ring when nothing else is staged;
// beside other changes it first takes that member's place, and then the claim for the others starts.
//
// A member removed by force is gone in the version of the commit: its reports, its start and its term
// are refused, what it owned has other owners under new epochs, and each such [Part] says whose copy
// was given up, for the repair. Its transfers end as far as they waited for it:
//
//	                                  it was the source        it was the target      both are removed
//	PREPARE, FOLD, SEAL               aborted, reassigned      aborted, source owns   reassigned
//	SEAL, the target sealed           flipped: copy complete   aborted, source owns   reassigned
//	DRAIN                             the drain is waived      reverted               reassigned
//	DRAIN, activated; CLEAN           waived                   reassigned             reassigned
//	ABORT                             closed, reassigned       source releases        closed, reassigned
//
// Beside owners the record has what their copies lack and who keeps it: a [Hint] for each fallback that keeps
// data for an owner, Part.Incomplete for a copy that lost some, the grace period (a counter) by which late
// messages are told, and metadata: small values under keys, changed by whoever saw their last version.
//
// Invariants, which the tests name:
//
//	I1  Apply never changes its input
//	I2  a command id takes effect once, and gets the same outcome whenever it is repeated
//	I3  a refused command changes nothing but the recorded outcomes (a refused Join its decision)
//	I4  version, session, term and each member's incarnation only grow, the version by one a change
//	I5  each partition of each kind has one owner, and its epoch grows by one with each change of it
//	I6  owners change by a transfer only with equal seals of both sides (F11), by processes that
//	    still hold them; CommitTransfer and the removal of the source take the target's seal, who
//	    compared, for both
//	I7  a flip is reverted only before its target activated
//	I8  a partition of a kind has at most one transfer, and a later one a greater session
//	I9  the same history gives the same encoded record, also through a snapshot
//	I10 a report counts only from the running incarnation of a participant
//	I11 a Removed member owns nothing, is bound for nothing, has nothing staged and no term; owners
//	    change without a transfer only in the commit that removes them by force
//	I12 a transfer comes to StageSeal beside no neighbour in StageSeal, StageDrain or StageAbort that
//	    BeginSeal does not name (K7)
//	I13 a copy that lost acknowledged data is incomplete until MarkWhole names that loss and the
//	    fence, wherever it moves; a hint ends by its CloseHint, or its owner is incomplete
//	I14 the certificates of a partition of a kind are a chain: each has the hash of the one before
//	I15 a commit that gives up a copy raises the fence to its version
package topology

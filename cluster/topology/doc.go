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
//	PREPARE --SourceReady, TargetReady--> FOLD --ReadyToSeal--> SEAL
//	SEAL --SourceFrozen, TargetSealed: equal seals, nobody restarted (F11)--> DRAIN: target owns, epoch+1
//	DRAIN --TargetActivated, SourceDrained--> CLEAN --SourceCleaned--> closed, Certificate kept
//	PREPARE, FOLD, SEAL --Refuse, AbortTransfer, or unequal seals--> ABORT --SourceReleased--> closed
//	DRAIN --RevertTransfer, not activated--> ABORT: source owns, epoch+1
//
// A node that starts ([StartNode]) takes a new incarnation, and its reports of the former one are
// refused. In PREPARE the new process takes over; in FOLD, and in SEAL before its own seal, the
// transfer has lost it; a seal of a durable kind outlives the process, one of a volatile kind does
// not. In DRAIN the end of the source's process counts as drained. What a removed node still had to
// report is waived.
//
// Kinds with Activate acknowledge nothing before TargetActivated is applied, so until then their flip
// can be reverted. The other kinds may serve from the flip on, and are never reverted but when their
// new owner is removed by force before it reported.
//
// Invariants, which the tests name:
//
//	I1  Apply never changes its input
//	I2  a command id takes effect once, and gets the same outcome whenever it is repeated
//	I3  a refused command changes nothing but the recorded outcomes (a refused Join its decision)
//	I4  version, session, term and each member's incarnation only grow, the version by one a change
//	I5  each partition of each kind has one owner, and its epoch grows by one with each change of it
//	I6  owners change only with equal seals of both sides (F11), by processes that still hold them
//	I7  a flip is reverted only before its target activated
//	I8  a partition of a kind has at most one transfer, and a later one a greater session
//	I9  the same history gives the same encoded record, also through a snapshot
//	I10 a report counts only from the running incarnation of a participant
package topology

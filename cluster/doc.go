// Package cluster is agreement: the [Store] of the replicated record, and the coordinator that moves
// partitions to where the record wants them.
//
//	node --Propose--> Store --apply--> record --Watch--> every node
//	leader: record changed --> Schedule --> Propose: open, seal, abort, revert, mark exited
//	source, target: record changed --> work --> Propose: reports
//	exiting node: finished what it feeds --> Propose: remove
//
// A Store is linearizable; adapters implement it ([github.com/dee2748c/baton/cluster/memory] within
// one process) and package clustertest holds them to it. A [Proposer] numbers one process's commands
// and repeats those whose outcome is unknown, which the record's deduplication makes safe:
//
//	p := cluster.NewProposer(store, "n1 5f3a")
//	out, err := p.Propose(ctx, term, topology.StageLeave{Node: "n2"})
//	// err: no answer.  out[0].Err: refused, and why.
//
// An operator changes the ring in three steps: stage changes of members, propose the [PlanOp] of a
// [Plan] and look at its [Report], commit. The transfers follow by themselves: [Schedule] says, as a
// pure function of the record, what is to be proposed next, and a [Coordination] turns updates into
// proposals, at most one outstanding. A [Coordinator] runs it. Every node has one and only the
// leader's proposes; which node leads is advice, and the term it begins (BeginTerm) fences its
// predecessors.
//
// Nothing happens on a tick: a coordinator wakes up when the record changes, and when the pause after
// a failed transfer or an unanswered proposal ends.
//
// Invariants, which the tests name:
//
//	I1 a successor needs nothing of a coordinator but the record
//	I2 of the partitions of a preflist at most one of a kind is between its freeze and the end of its
//	   drain (K7), but for those that wait for a node that is unreachable
//	I3 a node sends at most its limit of transfers that the scheduler opened, and receives as many
//	I4 when faults end, every partition comes to rest where the committed ring wants it
//	I5 a member that is unreachable for ever holds up nobody's join, and nobody's leave but of those
//	   that handed over to it and were not told that it arrived
//	I6 liveness changes no owner and no status
package cluster

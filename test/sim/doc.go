// Package sim runs a whole cluster in one goroutine under a fake clock, network and disk. One seed is one
// history: everything that happens is an event on a heap, every choice comes from the seed, and what
// happened is hashed. The same seed gives the same hash; a failure prints the line that repeats it.
//
//	c := sim.NewCluster(sim.Options{Seed: 7, Nodes: 5, RingSize: 64})
//	c.Operate(sim.Join("n6"))
//	err := c.Run(c.Settled, time.Minute)
//
// What is real: topology.State.Apply on every node, cluster.Coordination (also Schedule and Plan),
// vnode.Lifecycle of every partition, the log form of proposals. The shells that translate between their
// events and actions are written anew here, in the order in which package actors does it: a vnode waits
// while its record is being stored.
//
// What is a model, and stands for something else:
//
//   - [World]: the clock, the heap of events, the seed and the hash.
//   - [Network]: messages are values; it drops, doubles, delays (and so reorders) them, and cuts ordered
//     pairs of nodes.
//   - [Disk]: one for the log and one for the partitions of a node; each is a journal of checked records; a crash loses what was not synced, all of it or from some byte
//     on (a torn tail), a sync may fail, a bit may flip. How far a journal was synced is itself known.
//   - The log: it stands for cluster/raft. An election is one step of the simulator, in which a majority
//     whose members reach the winner take the next term and the winner has the newest synced log of them;
//     what follows (append, sync, acknowledge, commit, step down, unknown outcomes) happens by messages.
//     The founders vote for ever; others have the log without a vote.
//   - Moving data: hello, items, fin between two nodes stands for handoff.Sender and Receiver. Partitions
//     hold a few fixed items, so that a copy can be compared. There are no client requests.
//   - Operators and joiners are short programs that repeat what has no answer.
//
// At every step the simulator checks, and the tests name:
//
//	S1 logs agree: what two nodes applied at one index is the same entry
//	S2 views agree: at one version all nodes see the same owner of every partition
//	S3 versions grow by at most one with a command, sessions and epochs never go back
//	S4 at most one process serves a partition of a kind, unless a member was removed by force
//	S5 of the n partitions of a preflist at most one of a kind is on the move (K7)
//	S6 items of a durable kind are complete at whoever serves them
//	S7 a source of a durable kind whose seal is in the record does not serve until the record gives the session up (F10)
//	S8 what only a coordinator may do takes effect in its own term alone (F13)
package sim

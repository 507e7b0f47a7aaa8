// Package sim runs a whole cluster in one goroutine under a fake clock, network and disk. One seed is one
// history: everything that happens is an event on a heap, every choice comes from the seed, and what
// happened is hashed. The same seed gives the same hash; a failure prints the line that repeats it.
//
//	c := sim.NewCluster(sim.Options{Seed: 7, Nodes: 5, RingSize: 64})
//	c.Operate(sim.Join("n6"))
//	err := c.Run(c.Settled, time.Minute)
//
// What is real: topology.State.Apply on every node, cluster.Coordination (also Schedule and Plan), the log form
// of proposals; vnode.Lifecycle of every partition, with Admit for every request; handoff.Sender, Receiver,
// Streams, Admit and CheckEnvelope; session.Registry; store/memory under a journal. The shells that translate
// between their events and actions are written anew here, in the order in which package actors does it: a
// vnode waits while its record is being stored, an effect of a session happens inside a guard, some time
// after that was entered.
//
// What is a model, and stands for something else:
//
//   - [World]: the clock, the heap of events, the seed and the hash.
//   - [Network]: messages are values; it drops, doubles, delays (and so reorders) them, and cuts ordered
//     pairs of nodes. Frames of a stream keep their order, but for those that don't; a copy of a frame or of a
//     request may come at any later time, and its node may not know any more for what.
//   - [Disk]: one for the log and one for the partitions of a node; each is a journal of checked records; a
//     crash loses what was not synced, all of it or from some byte on (a torn tail), a sync may fail, a bit
//     may flip. How far a journal was synced is itself known.
//   - The log: it stands for cluster/raft. An election is one step of the simulator, in which a majority
//     whose members reach the winner take the next term and the winner has the newest synced log of them;
//     what follows (append, sync, acknowledge, commit, step down, unknown outcomes) happens by messages.
//     The founders vote for ever; others have the log without a vote.
//   - Most vnodes hold registers, each of one client: a command sets some of them, and the client knows what
//     each must be at least. Those of objects are package kv's, and kv.Write and kv.Read run on the nodes, without
//     fallbacks; whoever reads a key knows all that was ever written to it.
//   - Operators, joiners and clients are short programs that repeat what has no answer.
//
// At every step the simulator checks, and the tests name:
//
//	S1  logs agree: what two nodes applied at one index is the same entry
//	S2  views agree: at one version all nodes see the same owner of every partition
//	S3  versions grow by at most one with a command, sessions and epochs never go back
//	S4  at most one process serves a partition of a kind, unless a member was removed by force
//	S5  of the n partitions of a preflist at most one of a kind is on the move (K7)
//	S6  whoever serves a partition of a durable kind has what it held from the beginning on
//	S7  a source of a durable kind whose seal is in the record does not serve until the record gives the session up (F10)
//	S8  what only a coordinator may do takes effect in its own term alone (F13)
//	S9  whoever acknowledges an operation owns the partition at that epoch in the newest record; epochs of
//	    acknowledgements never go back (F9)
//	S10 a session that was closed and drained on a process has no effect there any more (F6)
//	S11 a copy gets the data of its own session alone (F3, F4)
//	S12 a copy that becomes the active one is what the source froze, item by item (F11)
//	S13 data is deleted by who does not own it, after both sides are through (F12)
//	S14 what was acknowledged is there, and nothing that nobody asked for
//
//	S15 a read of an object shows what was acknowledged before and not superseded, and nothing that was not
//	    done or is superseded for certain
//
// Beside these F1, F2, F5, F7, F14 and F16 are held at each message that a node takes.
//
// A [Trial] brings one transfer to a point and lets a test strike there.
package sim

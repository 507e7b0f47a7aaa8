// Package vnode holds the contract that a vnode kind implements and the pure
// machine of one vnode's life.
//
// A vnode is one partition's instance of a kind on one node. A kind answers
// commands; where it keeps its state in the store that the runtime hands it
// (through Context), the runtime derives everything a move needs from that
// store: the snapshot, the changes made meanwhile, the digest, staging and
// durability. A kind with state of its own implements StateExporter instead.
//
// # The life of a vnode
//
//	source:  Owner --FOLD_REQ--> Folding --seal--> Frozen --flip--> Forwarder --clean--> Tombstone
//	           ^                    |                |                  |
//	           +------- abort ------+----- abort ----+----- revert -----+
//
//	target:  Absent --prepare--> Staging --FIN--> Sealed --flip--> Activating --> Owner
//	           ^                    |               |
//	           +------ abort -------+---- abort ----+
//
// A handoff starts in two steps: the module is asked (HandoffStarting), and
// later the task that sends the data asks for the fold (FOLD_REQ). Between the
// two, messages of workers and clients arrive. The vnode is plainly an Owner
// until the second step: asking changes no state, and only the states after
// FOLD_REQ carry a session, so that a vnode which believes itself to be moving
// without a session to move under can't be written down.
//
// # The life of a fallback
//
// A vnode that stands in for a primary of another node has a life of its own,
// the machine [Fallback]: it registers itself in the record, serves on a store of
// its own, and hands back.
//
// # Decisions and effects
//
// Lifecycle.Step takes what happened (the applied record, the answer of the
// module, FOLD_REQ, an effect that completed) and returns what to do. Admit
// says how one command is served in the present state. Nothing here reads a
// clock, starts a goroutine or touches the store: package actors performs the
// actions and reports back.
//
// # Invariants
//
//   - I1 A command is served as in normal operation from HandoffStarting until FOLD_REQ.
//   - I2 Only Owner and Folding acknowledge commands (F9); a Frozen vnode parks or refuses all but reads that may be old.
//   - I3 A freeze is made durable before the final state is sent, and only the record lifts it (F10).
//   - I4 Data is deleted only when the record shows CLEAN for the session that moved it (F12).
//   - I5 A command hops at most once (F14).
//   - I6 A Tombstone and an Absent vnode name the owner; they never answer as if they were empty.
//   - I7 What was parked or deferred during a session is answered: by the owner after the flip, here after an abort.
//   - I8 A request that was sent by a ring below the fence is not served, and the fence never falls (F16).
//   - I9 A fallback answers only under a hint of the record, and forgets an item only once the owner has it durably.
package vnode

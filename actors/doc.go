// Package actors is the shell around the pure machines: one Host per node, with
// an actor for each vnode and each pipe worker, a task for each transfer, and
// the way from node to node (Transport).
//
// Decisions are made in packages vnode, handoff and pipe. Here messages become
// events and actions become messages, writes, tasks and proposals. The only
// state of its own is what a machine must not know: actors, buffers, clocks.
//
//	frame -> Host.deliver -> vnodeActor -> Lifecycle.Admit -> module -> reply
//	record -> Host.applyState -> sessions, View -> Lifecycle.Step -> actions
//	transfer: sourceTask (Sender) ==stream==> targetStream (Receiver) -> staging
//	request: Host.Run -> replica.Machine -> vnodes of several nodes -> Answer, Fail -> machine
//	fallback: fallbackActor -> Fallback -> hint in the record -> module -> pages to the owner
//	job: Run -> coordinatorActor (Coordinator, Folds) -> foldSource -> pipeVnode
//	     (Queues) -> workerActor (Runner) -> ... -> sinkActor (Sink) -> Run.Next
//
// # Who owns what
//
// An actor's state is its own; what leaves in a message is immutable. A vnode's
// store is written by its actor only, its staging generation by the one stream
// of the session. Every goroutine is started by Host.own and awaited by Stop.
// Nothing blocks in a Receive but the node's own engine and, in a worker, the
// user's code.
//
// # The founding race
//
// A vnode's behavior follows its lifecycle's state. The only Become that leaves
// active for handingOff is the one in the step that received FOLD_REQ: a worker
// that asks for its next input after handoff_starting gets it.
//
// # Invariants
//
//   - I1 Within a node no message is encoded; between nodes none is copied but by the socket.
//   - I2 A command is answered at most once, and after what it wrote is durable unless its sender asks for less.
//   - I3 No transfer step waits for a timer; time only repeats what may have been lost.
//   - I4 After Stop no goroutine of the host runs.
//   - I5 A side effect of a session happens inside one of its guards, or not at all (F6).
//   - I6 A read beside a vnode is answered only if the vnode served all the while (F9).
//   - I7 A fallback answers under a hint in the record, and removes what the owner has durably and nothing else.
package actors

// Package pipe is dataflow over the ring: items flow through a sequence of
// fittings, each fitting has one worker per partition that gets input for it,
// and every item is processed where its hash puts it.
//
// All of it is pure machines. A machine's Step takes what happened and returns
// what to do; a shell carries messages and runs workers. The machines:
//
//   - Outbox, with every sender: groups items into batches by destination,
//     numbers them, keeps them until they are acknowledged.
//   - Queues, with every pipe vnode: takes batches in order, queues them up to
//     a limit, feeds workers, and moves to another node when its partition does.
//   - Runner, with every worker: asks for input, runs the worker's code, waits
//     for room in its outbox, archives, finishes.
//   - Coordinator, one per pipe: passes the end of inputs down the fittings and
//     checks that the counts add up.
//   - Sink, one per pipe: hands results to a consumer at the consumer's pace.
//
// # Protocol
//
//	sender   -- Enqueue{stream, seq, batch} --> Queues     taken: Ack; full: held back, no Ack; gap: Refuse{expected}
//	Queues   -- SpecRequest --> Coordinator -- SpecKnown | SpecGone --> Queues
//	Queues   -- StartWorker --> Runner -- NextInput --> Queues -- Give | GiveArchives | GiveDone --> Runner
//	Runner   -- Enqueue --> Queues of the next fitting, or Sink
//	sender   -- SenderDone{sent} --> Coordinator -- EOI --> Queues -- GiveDone --> Runner -- WorkerDone --> Queues -- Done{counts} --> Coordinator
//	EOI of a fitting that sends to itself: Coordinator -- EOI{probe} --> Queues -- GiveProbe --> Runner -- WorkerQuiet --> Queues -- Done{probe, counts} --> Coordinator -- EOI, when the counts are balanced
//	FOLD_REQ -- Queues -- OrderArchive --> Runner -- Archived --> Queues, whose items then move
//
// An Ack names a stream and a sequence number, never an actor, so it may come
// from, and go to, a partition that has moved in the meantime. Everything that
// crosses nodes may be lost, repeated or late; Tick makes senders repeat it.
//
// # Example
//
//	q := pipe.NewQueues(pipe.QueuesOptions{Partition: 7})
//	q.Step(pipe.Opened{Epoch: 1})
//	q.Step(enqueue)                       // *Ack, *SpecRequest
//	q.Step(&pipe.SpecKnown{Spec: spec})   // *StartWorker
//	q.Step(pipe.NextInput{Worker: w})     // *Give
//
// # Invariants
//
//   - I1 Each batch of a stream is queued exactly once, in order, whatever the network repeats or reorders.
//   - I2 An acknowledged batch is in the queue, in a worker, processed, or in an exported item.
//   - I3 No worker is asked to archive before FOLD_REQ.
//   - I4 After FOLD_REQ every live worker ends by archive, by done or by failure, and the export waits for no other thing.
//   - I5 A cancelled handoff leaves every worker running with the state it had.
//   - I6 What was handed off is processed before what arrived at the new owner.
//   - I7 A worker reports done only when all its outputs are acknowledged; a fitting ends only when all that was sent to it is processed.
//   - I8 A pipe ends complete, or with an error that says what is missing.
//   - I9 A call of a worker's code that fails leaves no output and no state; the input is tried once more, in a new worker.
//   - I10 What a fitting sends to itself is never held back, and its workers are done only when none of it is left.
//   - I11 No more workers run at a partition than its limit, and every fitting gets its turn.
//   - I12 A pipe whose coordinator is silent for a lease is dropped.
package pipe

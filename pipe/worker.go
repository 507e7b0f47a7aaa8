package pipe

import (
	"context"

	"github.com/dee2748c/baton/cluster/ring"
)

// Factory makes the workers of one fitting type. It is registered by name on
// every node and must be safe for concurrent use. It may also implement
// ArgValidator.
type Factory interface {
	// Init returns a worker for one fitting at one partition. It is called once
	// per start of a worker, a start from an archive included.
	Init(WorkerContext) (Worker, error)
}

// FactoryFunc makes a Factory of a function.
type FactoryFunc func(WorkerContext) (Worker, error)

// Init calls f.
func (f FactoryFunc) Init(c WorkerContext) (Worker, error) { return f(c) }

// ArgValidator is implemented by factories that check a fitting's argument
// before the pipe starts.
type ArgValidator interface {
	ValidateArg(arg []byte) error
}

// WorkerContext says what a worker is for.
type WorkerContext struct {
	Pipe      ID
	Fitting   int
	Name      string
	Arg       []byte
	Partition ring.Partition
	RingSize  int
	// Context ends when nobody wants what the worker does any more: a call that
	// takes long should then return.
	Context context.Context
}

// Worker processes the inputs of one fitting at one partition. Its methods are
// called one at a time, never concurrently. After an error or a panic nothing
// that the call emitted is sent; the input is given to a new worker once more,
// and if that fails as well the pipe's policy says what happens. The new worker
// has the state that the failed one had before the call, if it is an Archiver,
// and none else.
type Worker interface {
	// Process takes one input. The item is immutable and may be kept.
	Process(item []byte, out Output) error
	// Done is called once when there are no more inputs; it may still emit.
	Done(out Output) error
}

// BatchWorker is implemented by workers that take whole batches. Process is
// then called only for the items of a batch that ProcessBatch failed at.
type BatchWorker interface {
	ProcessBatch(b Batch, out Output) error
}

// Archiver is implemented by workers with a state that must follow them to
// another node.
type Archiver interface {
	// Archive returns the state, of which the slice is no part any more. The
	// worker may go on afterwards.
	Archive() ([]byte, error)
	// Restore merges an archive into the present state. It is called before
	// the first input, but also later when a second archive of the same
	// fitting and partition arrives.
	Restore(archive []byte) error
}

// Output takes what a worker produces. Items are copied before the call
// returns. An output that can't be sent (ErrRoute, ErrTooLarge) fails the
// worker when its call returns, whether it looks at it or not.
type Output interface {
	// Emit sends the item to the next fitting by that fitting's route, or to
	// the sink after the last.
	Emit(item []byte)
	// EmitTo sends the item to a partition of a fitting whose route is Direct.
	EmitTo(p ring.Partition, item []byte)
	// Recurse sends the item to the worker's own fitting, which must be
	// Recursive, by its route; a Direct one sends to the worker's partition. It
	// never waits for room, and fails (ErrRoute) in Done.
	Recurse(item []byte)
	// Last reports whether the input in hand may not be handed on by
	// ErrForward: no other partition of its preference list is left.
	Last() bool
}

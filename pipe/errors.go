package pipe

import (
	"errors"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
)

// Errors of a pipe's description.
var (
	// ErrUnknownWorker: no worker is registered under the name.
	ErrUnknownWorker = errors.New("unknown worker")
	// ErrUnknownHash: no hash function is registered under the name.
	ErrUnknownHash = errors.New("unknown hash function")
	// ErrRegistered: the name is taken.
	ErrRegistered = errors.New("name is already registered")
	// ErrBadSpec: the pipe can't be run as described; see SpecError.
	ErrBadSpec = errors.New("bad pipe spec")
)

// Errors of decoding.
var (
	// ErrDamaged: the bytes are not what an encoder of this package wrote.
	ErrDamaged = errors.New("damaged encoding")
	// ErrVersion: the bytes were written by a newer version.
	ErrVersion = errors.New("unknown encoding version")
)

// Errors of a running pipe.
var (
	// ErrCounts: a fitting processed more or fewer inputs than were sent to it;
	// see CountsError.
	ErrCounts = errors.New("counts do not add up")
	// ErrLost: a destination forgot inputs that it had acknowledged; it lost its
	// state in a crash.
	ErrLost = errors.New("acknowledged inputs were lost")
	// ErrWorker: a worker failed; see WorkerError.
	ErrWorker = errors.New("worker failed")
	// ErrFull: there is no room for an item, and the sender was not to wait.
	ErrFull = errors.New("no room in the pipe for now")
	// ErrForward is no failure: a worker returns it to hand an input on to the
	// next partition of its preference list; see Fitting.NVal.
	ErrForward = errors.New("input is for the next partition of its preference list")
	// ErrPreflist: an input was handed on by the last partition of its list.
	ErrPreflist = errors.New("no partition is left on the input's preference list")
	// ErrRecursion: a fitting sent more to itself than a partition holds.
	ErrRecursion = errors.New("too much recursion")
	// ErrSetAside: the pipe is complete but for inputs that were set aside; see
	// SetAsideError.
	ErrSetAside = errors.New("inputs were set aside")
	// ErrReplay: after a failure a worker was given its inputs again and emitted
	// something else; what it had emitted can't be relied upon.
	ErrReplay = errors.New("worker does not emit the same when its inputs are repeated")
	// ErrCancelled: the pipe was ended by its owner.
	ErrCancelled = errors.New("pipe cancelled")
	// ErrRoute: an output was emitted in a way that the next fitting's route
	// does not allow.
	ErrRoute = errors.New("output does not fit the route")
	// ErrTooLarge: an item exceeds MaxItem.
	ErrTooLarge = errors.New("item is too large")
	// ErrConflict: two archives claim the same sequence of outputs.
	ErrConflict = errors.New("conflicting archives of one worker")
)

// SpecError says which field of which fitting is wrong. It matches ErrBadSpec
// and its cause.
type SpecError struct {
	Fitting string // name or, when that is empty, position; empty for the pipe as a whole
	Field   string
	Err     error
}

// Error names the fitting, the field and the cause.
func (e *SpecError) Error() string {
	if e.Fitting == "" {
		return fmt.Sprintf("pipe %s: %v", e.Field, e.Err)
	}
	return fmt.Sprintf("fitting %s: %s: %v", e.Fitting, e.Field, e.Err)
}

// Unwrap returns ErrBadSpec and the cause.
func (e *SpecError) Unwrap() []error { return []error{ErrBadSpec, e.Err} }

// WorkerError is what ended a worker: an error or a panic of its code. It
// matches ErrWorker and its cause.
type WorkerError struct {
	Pipe      ID
	Fitting   string
	Partition ring.Partition
	Input     []byte // a copy of the item in hand, cut at MaxErrorInput bytes; nil outside of Process
	Cause     error
}

// Error names the place and the cause.
func (e *WorkerError) Error() string {
	return fmt.Sprintf("pipe %v: worker of fitting %s at partition %d: %v", e.Pipe, e.Fitting, e.Partition, e.Cause)
}

// Unwrap returns ErrWorker and the cause.
func (e *WorkerError) Unwrap() []error { return []error{ErrWorker, e.Cause} }

// CountsError says where inputs went missing or were counted twice. It matches
// ErrCounts.
type CountsError struct {
	Fitting   string         // "sink" for the sink
	Partition ring.Partition // where the counts differ; 0 for the sink
	Sent      uint64         // items that the fitting before it sent there
	Processed uint64         // items that were processed there
}

// Error names the fitting and both counts.
func (e *CountsError) Error() string {
	return fmt.Sprintf("fitting %s at partition %d: %d items sent, %d processed", e.Fitting, e.Partition, e.Sent, e.Processed)
}

// Unwrap returns ErrCounts.
func (e *CountsError) Unwrap() error { return ErrCounts }

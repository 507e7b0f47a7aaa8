package mapreduce

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// Errors of describing and registering a job.
var (
	// ErrInvalid: the job can't run as described; the text says why.
	ErrInvalid = errors.New("invalid job")
	// ErrDuplicate: a job of that name is registered already.
	ErrDuplicate = errors.New("job is already registered")
	// ErrUnknown: no job of that name is registered on this node.
	ErrUnknown = errors.New("unknown job")
	// ErrCodec: a type has no built-in codec that keeps its values as they are.
	ErrCodec = errors.New("no codec")
)

// Errors of a running job.
var (
	// ErrDamaged: bytes that no encoder of this package wrote.
	ErrDamaged = errors.New("damaged encoding")
	// ErrMemory: the reduce state of one partition grew beyond the job's limit.
	ErrMemory = errors.New("reduce state exceeds its limit")
	// ErrIncomplete: the counts of a job do not add up or partitions are missing.
	ErrIncomplete = errors.New("incomplete result")
)

// Phases of a job, as errors and reports name them.
const (
	PhaseMap    = "map"
	PhaseReduce = "reduce"
)

// A TaskError is what a function of a job did wrong, and with which input. It
// unwraps to the error that the function returned, or to a [PanicError].
type TaskError struct {
	Job    string
	Phase  string // PhaseMap or PhaseReduce
	Bucket string // of the object in hand, in the map phase
	Key    string // of the object, or the key being reduced
	Err    error
}

// Error names the job, the phase, the input and the cause.
func (e *TaskError) Error() string {
	if e.Phase == PhaseMap {
		return fmt.Sprintf("job %s: map of %q/%q: %v", e.Job, e.Bucket, e.Key, e.Err)
	}
	return fmt.Sprintf("job %s: %s of key %s: %v", e.Job, e.Phase, e.Key, e.Err)
}

// Unwrap returns the cause.
func (e *TaskError) Unwrap() error { return e.Err }

// A PanicError is a panic of a user's function, recovered.
type PanicError struct {
	Value any
	Where string // file:line of the panic, base name only; may be empty
}

// Error gives the panic's value and place.
func (e *PanicError) Error() string {
	if e.Where == "" {
		return fmt.Sprintf("panic: %v", e.Value)
	}
	return fmt.Sprintf("panic: %v (%s)", e.Value, e.Where)
}

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// panicked makes an error of a recovered value; it must be called by the
// deferred function itself, whose stack still shows the panic.
func panicked(value any) *PanicError {
	return &PanicError{Value: value, Where: panicSite()}
}

// panicSite finds the frame that panicked: the first one below the runtime's
// own panic frames.
func panicSite() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	seen := false
	for {
		f, more := frames.Next()
		inRuntime := strings.HasPrefix(f.Function, "runtime.")
		if seen && !inRuntime {
			return fmt.Sprintf("%s:%d", f.File[strings.LastIndexByte(f.File, '/')+1:], f.Line)
		}
		seen = seen || inRuntime
		if !more {
			return ""
		}
	}
}

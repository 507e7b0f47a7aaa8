package actors

import "errors"

// ErrStopped is what every call of a Host that has stopped returns.
var ErrStopped = errors.New("host stopped")

var (
	// errWorkerStopped is the cause of a worker whose actor died.
	errWorkerStopped = errors.New("the worker's actor stopped")
	// errNotNow answers a helper whose session the vnode has left.
	errNotNow = errors.New("not in this state")
)

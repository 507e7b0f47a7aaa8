package actors

import "errors"

var (
	// errWorkerStopped is the cause of a worker whose actor died.
	errWorkerStopped = errors.New("the worker's actor stopped")
	// errNotNow answers a helper whose session the vnode has left.
	errNotNow = errors.New("not in this state")
)

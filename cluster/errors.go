package cluster

import "errors"

// Errors of a Store. Refusals of single commands are not among them: they are in the outcomes.
var (
	// ErrUnknown is returned when a proposal may or may not have been applied: its answer was
	// lost. Proposing the same command ids again returns the recorded outcomes.
	ErrUnknown = errors.New("outcome unknown")
	// ErrUnavailable is returned when the store cannot be reached or has no quorum; nothing was
	// applied.
	ErrUnavailable = errors.New("topology store unavailable")
	// ErrClosed is returned by a handle that was closed.
	ErrClosed = errors.New("topology store closed")
	// ErrBatch is returned for a proposal of more commands than a store takes at once.
	ErrBatch = errors.New("too many commands in one proposal")
	// ErrTopologyLost is returned when the store has lost the record of this node's cluster, or
	// goes on from an older one. What nodes know they go on with; changes are refused until an
	// operator brings the record back.
	ErrTopologyLost = errors.New("topology_lost: the store no longer has this cluster's record; `baton cluster restore` brings it back")
)

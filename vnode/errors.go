package vnode

import (
	"github.com/dee2748c/baton/messages"
)

// Errors that a sender of commands sees.
var (
	// ErrWrongOwner: the vnode does not own the partition; the answer names who does.
	ErrWrongOwner = messages.ErrWrongOwner
	// ErrFrozen: the partition is between two owners; try again shortly.
	ErrFrozen = messages.ErrFrozen
	// ErrStaleRing: a forwarded command found no owner; look at a newer ring.
	ErrStaleRing = messages.ErrStaleRing
	// ErrOverloaded: as many requests wait for the vnode as may; this one was
	// not done.
	ErrOverloaded = messages.ErrOverloaded
	// ErrStopped: the vnode stopped before it served the command.
	ErrStopped = messages.NewSentinel(messages.CodeStopped, "vnode stopped")
)

// Errors of kinds.
var (
	// ErrUnexpectedForward: Forward was returned outside of a handoff.
	ErrUnexpectedForward = messages.NewSentinel(messages.CodeUnexpectedForward, "forward outside of a handoff")
)

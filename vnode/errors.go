package vnode

import (
	"errors"

	"github.com/dee2748c/baton/messages"
)

// Errors that a sender of commands sees.
var (
	// ErrWrongOwner: the vnode does not own the partition; the answer names who does.
	ErrWrongOwner = errors.New("vnode does not own the partition")
	// ErrFrozen: the partition is between two owners; try again shortly.
	ErrFrozen = errors.New("partition is frozen for handoff")
	// ErrStaleRing: a forwarded command found no owner; look at a newer ring.
	ErrStaleRing = errors.New("command was forwarded on a stale ring")
	// ErrOverloaded: as many requests wait for the vnode as may; this one was
	// not done.
	ErrOverloaded = messages.ErrOverloaded
	// ErrStopped: the vnode stopped before it served the command.
	ErrStopped = errors.New("vnode stopped")
)

// Errors of kinds.
var (
	// ErrUnexpectedForward: Forward was returned outside of a handoff.
	ErrUnexpectedForward = errors.New("forward outside of a handoff")
)

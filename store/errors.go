package store

import "errors"

// Errors of reading and writing one generation.
var (
	// ErrNotFound is returned by Get for a key that the generation does not hold.
	ErrNotFound = errors.New("store: key not found")
	// ErrDropped is returned by a handle whose generation was dropped, or
	// replaced by a promotion. Open the partition again for its active one.
	ErrDropped = errors.New("store: generation dropped")
	// ErrOrder is returned by a bulk load whose items are not in strictly
	// ascending order of their keys.
	ErrOrder = errors.New("store: keys out of order")
	// ErrNotEmpty is returned by a bulk load into a generation that holds items.
	ErrNotEmpty = errors.New("store: generation not empty")
)

// Errors of generations and records.
var (
	// ErrNotStaged is returned by Promote when no staging generation of that
	// session exists.
	ErrNotStaged = errors.New("store: session not staged")
	// ErrStaleSession is returned for a session that is zero, that is lower than
	// the one staged now, or that is not above the last one promoted.
	ErrStaleSession = errors.New("store: stale session")
	// ErrFenceLowered is returned by SetRecord for a record that would lower a
	// fence: its Epoch, RingVersion or MaxSession is below the stored one.
	ErrFenceLowered = errors.New("store: fence lowered")
	// ErrCorrupt is returned for stored bytes that can't be decoded.
	ErrCorrupt = errors.New("store: corrupt")
)

// Errors of the whole engine.
var (
	// ErrClosed is returned by every call after Close.
	ErrClosed = errors.New("store: closed")
	// ErrBroken is returned by every call after the engine lost the ability to
	// keep a durability promise (a failed fsync, for one). The process must stop.
	ErrBroken = errors.New("store: broken")
)

package store

import (
	"errors"
	"fmt"

	"github.com/dee2748c/baton/messages"
)

// Errors of reading and writing one generation.
var (
	// ErrNotFound is returned by Get for a key that the generation does not hold.
	ErrNotFound = errors.New("store: key not found")
	// ErrDropped is returned by a handle whose generation was dropped, or
	// replaced by a promotion. Open the partition again for its active one.
	ErrDropped = messages.NewSentinel(messages.CodeDropped, "store: generation dropped")
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
	// ErrCorrupt is returned for stored bytes that can't be decoded or fail their
	// checksum. Where it is about items it comes as a *CorruptError.
	ErrCorrupt = messages.NewSentinel(messages.CodeCorrupt, "store: corrupt")
)

// Errors of the whole engine.
var (
	// ErrClosed is returned by every call after Close.
	ErrClosed = messages.NewSentinel(messages.CodeStoreClosed, "store: closed")
	// ErrDiskFull is returned by calls that would store more when the disk has no
	// room for it. Nothing of the call is stored, reads and drops go on, and so do
	// writes as soon as there is room.
	ErrDiskFull = messages.NewSentinel(messages.CodeNoSpace, "store: disk full")
	// ErrBroken is returned by every call after the engine lost the ability to
	// keep a durability promise (a failed fsync, for one). The process must stop.
	ErrBroken = messages.NewSentinel(messages.CodeBroken, "store: broken")
)

// CorruptError says which items of a partition can't be read, so that they can
// be fetched from another copy. It is an ErrCorrupt.
type CorruptError struct {
	ID       ID
	From, To []byte // the range of keys that is in doubt, From <= key < To; a nil To is the end
	Err      error  // what was found
}

// Error names the partition, the range and what was found.
func (e *CorruptError) Error() string {
	if e.To == nil {
		return fmt.Sprintf("%v: items from %q on: %v", e.ID, e.From, e.Err)
	}
	return fmt.Sprintf("%v: items from %q to %q: %v", e.ID, e.From, e.To, e.Err)
}

// Unwrap returns what was found.
func (e *CorruptError) Unwrap() error { return e.Err }

// WireCode is that of ErrCorrupt, whatever was found.
func (e *CorruptError) WireCode() messages.Code { return messages.CodeCorrupt }

// Is makes it an ErrCorrupt, whatever was found.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

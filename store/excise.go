package store

import (
	"fmt"

	"github.com/dee2748c/baton/messages"
)

// Excised is a range of keys that a generation gives up: From <= key < To, a nil
// From is the first key, a nil To the end.
type Excised struct {
	ID       ID
	From, To []byte
}

// Exciser is implemented by engines whose items a disk can damage.
type Exciser interface {
	// OnDamage has f told of all damage that is met, by reads, by writes and by the
	// upkeep of the store, which knows the table only: its CorruptError has no ID.
	// What was met before is told at once. The same damage is told again whenever
	// it is met. f may be called by any goroutine and must not call the engine.
	OnDamage(f func(*CorruptError))
	// Excise gives up what can't be read in the range that a CorruptError names, so
	// that reads, writes and the upkeep of the store go on without it. It gives up
	// as little as it can, but no less than a block of keys around each damaged
	// one, and where a whole table can't be read, what that holds of other
	// partitions.
	//
	// Announce is told what is about to be given up, once or several times, and
	// must make sure that nobody takes the gaps for deletes; if it fails, nothing
	// more is given up and its error is returned. It is not called when all can
	// be read. Until Excise returns, a Summary may be that of before, which whoever
	// compares it with the items refuses. Reads and writes go on but for the moment
	// of the cut. Open snapshots of what is cut end with ErrCorrupt. A crash leaves
	// the damage or the gap, never a Summary that is wrong after the next open.
	//
	// A *DamageError is returned when the damage can't be cut out.
	Excise(damage *CorruptError, announce func([]Excised) error) error
}

// DamageError says that a store can't go on, or can't be opened, without a file
// of it that is damaged. It is an ErrCorrupt.
type DamageError struct {
	Dir  string // of the store
	File string // in it; "" if it is not known which
	Err  error  // what was found
}

// Error names the file and the way out.
func (e *DamageError) Error() string {
	file := e.File
	if file == "" {
		file = "a file"
	}
	return fmt.Sprintf("%s in %s is damaged (%v): stop the node, remove %s, and start it again: the other replicas bring its data back", file, e.Dir, e.Err, e.Dir)
}

// Unwrap returns what was found.
func (e *DamageError) Unwrap() error { return e.Err }

// WireCode is that of ErrCorrupt.
func (e *DamageError) WireCode() messages.Code { return messages.CodeCorrupt }

// Is makes it an ErrCorrupt, whatever was found.
func (e *DamageError) Is(target error) bool { return target == ErrCorrupt }

package store

import (
	"bytes"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// ID names one partition of one vnode kind on a node.
type ID struct {
	Kind      topology.Kind
	Partition ring.Partition
}

// String returns the ID as kind/partition, for messages and logs.
func (id ID) String() string { return fmt.Sprintf("%s/%d", id.Kind, id.Partition) }

// Compare orders IDs by kind, then by partition.
func (id ID) Compare(other ID) int {
	switch {
	case id.Kind < other.Kind:
		return -1
	case id.Kind > other.Kind:
		return 1
	case id.Partition < other.Partition:
		return -1
	case id.Partition > other.Partition:
		return 1
	default:
		return 0
	}
}

// Engine keeps the partitions of one node. It is safe for concurrent use. Every
// method that returns an error returns ErrClosed after Close.
type Engine interface {
	Staging
	Records

	// Identity returns the id of this store, drawn at random when it was made, and
	// whether it is new: true in the process that made it, and so always for an
	// engine that keeps nothing. Whoever must notice that a node's data is gone,
	// whatever crashed meanwhile, keeps the id elsewhere and compares. It answers
	// after Close too.
	Identity() (id [16]byte, fresh bool)
	// Open returns the active generation of id, created empty if there is none.
	Open(id ID) (Partition, error)
	// Partitions returns the IDs that have an active generation, in order.
	Partitions() ([]ID, error)
	// Drop removes the active generation of id. Handles to it answer ErrDropped
	// from then on, its snapshots stay readable. The record and a staging
	// generation are not touched. Dropping what is not there is no error.
	Drop(id ID) error
	// Close releases everything. It is idempotent. It waits for the calls that
	// are running, not for the sources of bulk loads, and not for snapshots and iterators: those that are still open
	// end with ErrClosed, and items that they have handed out stay valid.
	Close() error
}

// Volatile is implemented by an engine whose partitions have nothing to make
// durable: what was written needs no Sync.
type Volatile interface{ Volatile() }

// SharedLog is implemented by an engine whose partitions share a log: a Sync of
// one makes durable what was written to any of them before.
type SharedLog interface{ SharedLog() }

// Staging is the part of an Engine that a handoff's target uses. An ID has at
// most one staging generation. Sessions of one ID must rise: a session that is
// lower than the staged one or not above the last promoted one is answered
// with ErrStaleSession, and so is session 0.
type Staging interface {
	// Stage returns a new, empty staging generation named by session. What was
	// staged for this or for a lower session is dropped.
	Stage(id ID, session uint64) (Partition, error)
	// Staged returns the session that names the staging generation of id, if
	// there is one.
	Staged(id ID) (session uint64, ok bool)
	// OpenStaged returns the staging generation of that session as it is, to go
	// on with it after a restart. ErrNotStaged is returned if there is none.
	OpenStaged(id ID, session uint64) (Partition, error)
	// Promote makes the staging generation the active one by one durable flip,
	// and drops the former active generation. The handle that Stage returned
	// stays valid. All that was written to it is durable when Promote returns.
	// Promoting the session that is active already is no error; a session that
	// is not staged is answered with ErrNotStaged.
	Promote(id ID, session uint64) error
	// DropStaging removes the staging generation if it is named by session. A
	// session that is not staged is no error.
	DropStaging(id ID, session uint64) error
}

// Records is the part of an Engine that keeps one Record per ID, outside the
// generations that it guards.
type Records interface {
	// Record returns the record of id; the zero Record if none was set.
	Record(id ID) (Record, error)
	// SetRecord stores r and returns when it is durable. ErrFenceLowered is
	// returned, and nothing is changed, if r would lower a fence.
	SetRecord(id ID, r Record) error
}

// Partition is a handle to one generation of one partition. One goroutine
// writes at a time, any number read at the same time.
type Partition interface {
	// Get returns the item with this key or ErrNotFound. The slices of the item
	// must not be changed and stay valid for ever.
	Get(key []byte) (Item, error)
	// Write applies a batch atomically. It is visible when Write returns; it is
	// durable after a later Sync. The keys and values become the engine's: the
	// caller must not change them again. The batch itself may be Reset and used
	// again at once.
	Write(b *Batch) error
	// Sync returns when all that was written before is durable. Concurrent
	// calls share their work.
	Sync() error
	// Snapshot returns an immutable cut at constant cost. It must be closed.
	Snapshot() Snapshot
	// Summary returns the running summary at constant cost. After a drop or
	// Close it stays what it was at that moment.
	Summary() Summary
}

// Preparer is implemented by partitions whose snapshots cost less when they were
// prepared: what is left to do for the next one holds up the writer.
type Preparer interface {
	// Prepare does a little of it, in some tens of microseconds, and reports
	// whether more is left. It is safe for concurrent use.
	Prepare() (more bool)
}

// BulkLoader is implemented by partitions that can take sorted items faster
// than by Write.
type BulkLoader interface {
	// BulkLoad fills an empty generation with the items of it, as BeginLoad
	// does. It does not close it. No drop and no Close waits for the iterator:
	// the load ends with ErrDropped or ErrClosed once it answers.
	BulkLoad(it Iterator) error
	// BeginLoad begins to fill an empty generation, in which nothing of it shows
	// before its end. ErrNotEmpty is returned if the generation holds items.
	BeginLoad() (Load, error)
}

// Load fills a generation with items in strictly ascending order of their keys,
// atomically. It needs memory for a part of them only. It belongs to one
// goroutine. No drop and no Close waits for its end: its methods return
// ErrDropped or ErrClosed then. After an error only Close may be called.
type Load interface {
	// Add takes the puts of a batch, all behind those before (ErrOrder), and
	// copies them.
	Add(b *Batch) error
	// Finish makes all items be there, durably. ErrNotEmpty is returned if others
	// are there by now.
	Finish() error
	// Close gives up what was not finished. It may be repeated.
	Close() error
}

// Snapshot is an immutable cut through a partition. It is safe for concurrent
// use. It stays readable after its generation was dropped.
type Snapshot interface {
	// Scan returns the items with from <= key < to in ascending order of their
	// keys. A nil from is the first key, a nil to is the end. To resume behind
	// the last key seen, pass After(key).
	Scan(from, to []byte) Iterator
	// Summary returns the summary of the items in the snapshot.
	Summary() Summary
	// Close releases the snapshot and may be repeated. Iterators that were made
	// from it remain usable.
	Close() error
}

// Iterator walks over items in ascending order of their keys. It belongs to one
// goroutine.
type Iterator interface {
	// Next moves to the next item. It returns false at the end and on an error.
	Next() bool
	// Item returns the current item without copying. Its slices are valid until
	// the next call of Next or Close; Clone keeps them.
	Item() Item
	// Err returns the error that ended the iteration, nil at the regular end.
	Err() error
	// Close releases the iterator and may be repeated.
	Close() error
}

// Item is one key with its value and the version that the writer gave it.
type Item struct {
	Key     []byte
	Value   []byte
	Version uint64
}

// Clone returns a copy of the item that shares no memory with it.
func (i Item) Clone() Item {
	return Item{Key: bytes.Clone(i.Key), Value: bytes.Clone(i.Value), Version: i.Version}
}

// Hash returns HashItem of the item.
func (i Item) Hash() topology.ItemHash { return HashItem(i.Key, i.Version, i.Value) }

// Summary says what a generation holds.
type Summary struct {
	Items  uint64          // number of items
	Bytes  uint64          // sum of the lengths of keys and values, bytes
	Digest topology.Digest // multiset sum of the items' hashes
}

// Add counts an item with the given hash and size in bytes (key and value).
func (s *Summary) Add(h topology.ItemHash, size int) {
	s.Items++
	s.Bytes += uint64(size)
	s.Digest = s.Digest.Add(h)
}

// Remove undoes Add.
func (s *Summary) Remove(h topology.ItemHash, size int) {
	s.Items--
	s.Bytes -= uint64(size)
	s.Digest = s.Digest.Sub(h)
}

// Seal returns the summary as a seal whose last sequence number is lastSeq.
func (s Summary) Seal(lastSeq uint64) topology.Seal {
	return topology.Seal{LastSeq: lastSeq, Items: s.Items, Bytes: s.Bytes, Digest: s.Digest}
}

// After returns the smallest key above key: where a scan resumes that has seen
// key already.
func After(key []byte) []byte {
	next := make([]byte, len(key)+1)
	copy(next, key)
	return next
}

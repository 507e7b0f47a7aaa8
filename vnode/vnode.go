package vnode

import (
	"context"
	"iter"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
)

// Kind makes the vnodes of one kind. It is registered on every node of the
// cluster under the same name and must be safe for concurrent use.
type Kind interface {
	// Name is the kind's name in the record, 1 to 32 bytes of [a-z0-9_-].
	Name() topology.Kind
	// Open returns the vnode of one partition, as riak_core_vnode's init/1. It
	// is called each time the partition starts to be served on this node, after
	// a promoted handoff too.
	Open(Partition) (Vnode, error)
}

// Properties are what a kind declares about itself. A kind that has no
// Properties method keeps its state in the node's engine and has one copy.
type Properties interface {
	// Volatile says that the state lives in the vnode itself and dies with the
	// process; its partition store is kept in memory whatever the node's engine.
	Volatile() bool
}

// Partition says what a vnode is opened for.
type Partition struct {
	Kind topology.Kind
	ID   ring.Partition
	Size int         // ring size
	Node ring.NodeID // the node that serves it

	Epoch       uint64 // of the owner
	Incarnation uint64 // of the node
	Lineage     uint32 // of the node's data: another one after a restore

	// Fallback says that the vnode stands in for the partition's owner.
	Fallback bool
}

// Command is one request for a vnode. Body is immutable.
type Command struct {
	Body []byte
	// Own says that Body is all of its buffer, near enough: the vnode may keep
	// pieces of it without keeping more alive.
	Own bool
}

// Vnode serves one partition. Its methods are called by one goroutine at a
// time, never concurrently.
type Vnode interface {
	// HandleCommand serves one command in normal operation. All that it writes
	// through cx is one atomic batch, durable before the reply leaves.
	HandleCommand(cx *Context, cmd Command) Disposition
}

// Handoff names a move to the callbacks.
type Handoff struct {
	Type    topology.TransferType
	Session uint64
	Target  ring.NodeID
}

// HandoffCommander is implemented by kinds that treat commands differently
// while their data moves, as handle_handoff_command. Without it HandleCommand
// serves; changes made through cx follow the data in either case.
type HandoffCommander interface {
	HandleHandoffCommand(cx *Context, cmd Command) Disposition
}

// FrozenServer is implemented by vnodes that may answer some commands while they
// are frozen for a move. The new owner may have acknowledged writes by then that
// the answer lacks, so it is for commands that only read, whose sender said that
// it may be so. All others wait.
type FrozenServer interface {
	ServesFrozen(cmd Command) bool
}

// HandoffStarter may refuse a move, as handoff_starting. An error is the
// reason; the move is aborted and tried again later. Nothing about the vnode's
// operation may change here: it goes on normally until the fold is requested.
type HandoffStarter interface {
	HandoffStarting(Handoff) error
}

// HandoffFinisher hears that the partition is owned by the target.
type HandoffFinisher interface{ HandoffFinished(Handoff) }

// HandoffCanceler hears that a started move was given up; the vnode owns the
// partition as before.
type HandoffCanceler interface{ HandoffCancelled(Handoff) }

// ItemChecker is implemented by a Kind, not by its vnodes, to say whether a stored item is one of its own. It
// is for audits, and safe for concurrent use.
type ItemChecker interface{ CheckItem(key, value []byte) error }

// EmptyChecker overrides how the runtime finds out that nothing has to move.
// Without it a vnode is empty when its store holds no item.
type EmptyChecker interface{ IsEmpty(cx *Context) bool }

// Deleter hears that the partition's data is about to be dropped here.
type Deleter interface{ Delete() }

// Terminator hears that the vnode stops; reason is nil at an orderly stop.
type Terminator interface{ Terminate(reason error) }

// Coverer serves coverage requests: keyspaces limits the answer to these
// partitions' ranges, nil means all that the vnode holds.
type Coverer interface {
	HandleCoverage(cx *Context, cmd Command, keyspaces []ring.Partition) Disposition
}

// OverloadHandler is implemented by a Kind, not by its vnodes, to answer the
// commands that are refused because too many wait for the vnode: with Reply, Fail
// or Drop. Otherwise the sender gets ErrOverloaded. It is called by senders, so it
// must be quick and safe for concurrent use.
type OverloadHandler interface{ HandleOverload(cmd Command) Disposition }

// InfoHandler hears messages of the vnode's own helpers (workers, timers), and
// NotWritten and Excised of the runtime. They come in every state but Absent and
// Tombstone.
type InfoHandler interface{ HandleInfo(cx *Context, msg any) }

type (
	// NotWritten says that what the last handler wrote is not in the store: it
	// failed, or the store did. What the module keeps beside the store has to
	// follow.
	NotWritten struct{}
	// Excised says that a range of keys was given up, since it could not be read
	// any more; an empty To is the end. The module removes what is still there of
	// it and does not decode.
	Excised struct{ From, To []byte }
)

// ItemCodec is implemented by a Kind, not by its vnodes, to change the form in
// which items travel (encode_handoff_item, handle_handoff_data). Decode must
// undo Encode exactly: the copy is compared with the original. An error on
// either side fails the handoff and names the item; it is never skipped (F8).
type ItemCodec interface {
	EncodeHandoffItem(key, value []byte) ([]byte, error)
	DecodeHandoffItem(key, data []byte) ([]byte, error)
}

// Folder is implemented by a Kind whose items can feed a pipe.
type Folder interface {
	// Fold returns what the query asks for of partition p, in the form in which
	// the pipe takes it. It must be safe for concurrent use; the snapshot stays its caller's.
	Fold(p ring.Partition, snapshot store.Snapshot, query []byte) (Fold, error)
}

// Fold walks over the items of one partition. It belongs to one goroutine.
type Fold interface {
	// Next moves to the next item; false at the end and on an error.
	Next() bool
	// AppendItem appends the present item to dst.
	AppendItem(dst []byte) []byte
	// Close releases the fold and returns the error that ended it, if any.
	Close() error
}

// StateExporter is implemented by kinds whose state lives outside the store.
// The state moves as items, key to bytes. From FoldRequested on the vnode names
// each item that becomes ready or changes through dirty; the runtime reads the
// item's present bytes with ExportItem when it sends it.
type StateExporter interface {
	// FoldRequested is FOLD_REQ: from here the state may be taken apart.
	FoldRequested(h Handoff, dirty func(key []byte))
	// ExportReady reports whether nothing is under way that only time can end,
	// so that the vnode may be frozen.
	ExportReady() bool
	// Seal is called once the vnode is frozen: everything that has not been
	// exported in its final form is named dirty.
	Seal()
	// ExportItem returns the item's bytes; ok is false when it is gone.
	ExportItem(key []byte) (value []byte, ok bool)
	// ImportItem gives one item to the vnode at the target, before it serves.
	ImportItem(key, value []byte) error
	// Opened is called when the vnode begins to serve at an owner epoch, after
	// the last ImportItem.
	Opened(cx *Context, epoch uint64)
}

// Disposition is what a handler decides about a command.
type Disposition interface{ disposition() }

type (
	// Reply answers the sender.
	Reply struct{ Body []byte }
	// Fail answers the sender with an error. What was written through the
	// context is dropped.
	Fail struct{ Err error }
	// NoReply answers nothing now; the vnode answers later or never.
	NoReply struct{}
	// Async runs Work outside the vnode's goroutine and answers with its
	// result. What the handler wrote is committed before Work starts.
	Async struct {
		Work func(context.Context) ([]byte, error)
	}
	// Forward leaves the command to whoever owns the partition when the move
	// has ended: the target after the flip, this vnode after an abort. Body
	// replaces the command's body unless nil. In normal operation it fails.
	Forward struct{ Body []byte }
	// Drop answers nothing, ever; only for advisory commands.
	Drop struct{}
	// Stop fails the command and stops the vnode, which is then opened anew.
	Stop struct{ Reason error }
)

func (Reply) disposition()   {}
func (Fail) disposition()    {}
func (NoReply) disposition() {}
func (Async) disposition()   {}
func (Forward) disposition() {}
func (Drop) disposition()    {}
func (Stop) disposition()    {}

// Items is a sequence of keys and values in key order.
type Items = iter.Seq2[[]byte, []byte]

package cluster

import (
	"context"

	"github.com/dee2748c/baton/cluster/topology"
)

// A Store is one node's handle on the replicated record. It is safe for concurrent use. Errors are
// ErrUnknown, ErrUnavailable, ErrClosed, ErrBatch or the context's, wrapped with the operation.
type Store interface {
	// Read returns the record as of some moment between call and return, with every proposal
	// answered before the call in it (linearizable).
	Read(ctx context.Context) (topology.State, error)

	// Propose applies the commands in their order, with no other command in between, and returns
	// one outcome for each. A refused command does not stop those after it. At most
	// topology.Window commands go in one proposal. With ErrUnknown, or when ctx ends, all of them
	// or none may have been applied, now or later: retry with the same command ids.
	Propose(ctx context.Context, cmds ...topology.Command) ([]topology.Outcome, error)

	// Watch returns a channel that has the record as this handle knows it at once, and after
	// every change at least one update no older than it. Updates not yet received are replaced by
	// newer ones, never queued; versions never go back. The channel is closed when ctx ends or
	// the handle is closed.
	Watch(ctx context.Context) <-chan Update
}

// An Update is the newest record a handle knows.
type Update struct {
	State topology.State
	// Leader: this handle's node may run the coordinator. It is advice about who tries, fenced by
	// the coordinator's term.
	Leader bool
}

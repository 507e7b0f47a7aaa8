package handoff

import (
	"errors"

	"github.com/dee2748c/baton/messages"
)

// Errors of building batches.
var (
	// ErrBatchFull: the item does not fit the batch begun; take it and add the item to the next.
	ErrBatchFull = errors.New("handoff: batch full")
	// ErrItemTooLarge: the item does not fit any batch.
	ErrItemTooLarge = errors.New("handoff: item too large")
)

// Errors that end a transfer's stream on one side. What the peer answered is a
// *messages.Error or one of messages' sentinels, wrapped.
var (
	// ErrProtocol: the peer said something that does not fit the conversation.
	ErrProtocol = errors.New("handoff: protocol violated")
	// ErrLost: the stream broke.
	ErrLost = errors.New("handoff: stream lost")
	// ErrUnreadable: an item at the source can't be read. It is never left out (F8).
	ErrUnreadable = errors.New("handoff: unreadable item")
	// ErrCancelled: the record gave the session up, or the node stops.
	ErrCancelled = errors.New("handoff: cancelled")
	// ErrMismatch: the two copies differ in count, bytes or digest.
	ErrMismatch = errors.New("handoff: copies differ")
	// ErrFrozenRestart: the copy is gone while the source is frozen; sending it
	// again would keep the partition without service for as long as that takes.
	ErrFrozenRestart = errors.New("handoff: copy lost while frozen")
)

// ErrStaleStream: a newer stream of the session is here already.
var ErrStaleStream = messages.NewSentinel(messages.CodeStaleStream, "handoff: stale stream")

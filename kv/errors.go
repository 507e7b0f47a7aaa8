package kv

import "errors"

// Errors of one operation on one key. A vnode answers them as reply codes and
// DecodeReply of the request turns the code back into the same value, so that
// errors.Is holds on both sides of the wire. Each of them says that nothing was
// done.
var (
	// ErrNotFound reports that the partition holds no object under the key.
	ErrNotFound = errors.New("object not found")
	// ErrTooLarge reports a name, a value or a clock beyond the limits of this package.
	ErrTooLarge = errors.New("object too large")
	// ErrEmptyName reports an empty bucket or an empty key.
	ErrEmptyName = errors.New("empty bucket or key")
	// ErrBadRequest reports a request body that does not decode.
	ErrBadRequest = errors.New("malformed request")
	// ErrContext reports a context that no vnode gave out for the key: read the
	// object again and use the context that comes with it.
	ErrContext = errors.New("unusable context")
	// ErrSiblings reports an object with too many values to take another one:
	// get it, and write one value with its context.
	ErrSiblings = errors.New("too many siblings")
	// ErrExists reports a put that was to create the object: it exists.
	ErrExists = errors.New("object exists")
	// ErrModified reports a conditional put to an object that is not, or is no
	// longer, the version named: get it and decide anew.
	ErrModified = errors.New("object was modified")
	// ErrStaleGrace reports states that were read too many grace periods ago to
	// be taken over: read them again.
	ErrStaleGrace = errors.New("stale grace period")
)

// Errors of coverage, which the asker finds.
var (
	// ErrCoverage reports that too few copies of some head partitions answered;
	// a [CoverageError] says which.
	ErrCoverage = errors.New("not enough copies answered")
	// ErrContinuation reports a continuation that can't be gone on from.
	ErrContinuation = errors.New("unusable continuation")
	// ErrListings reports that the node works on as many listings and index
	// queries as it may; try again later, or through another node.
	ErrListings = errors.New("too many listings at once")
)

// Errors of decoding bytes that should have come from this package.
var (
	// ErrCorrupt reports bytes that no encoder of this package produces.
	ErrCorrupt = errors.New("corrupt encoding")
	// ErrFormat reports a stored object of a format version that this build
	// does not know; the bytes are left as they are.
	ErrFormat = errors.New("unknown object format")
	// ErrReply reports a reply that does not answer the kind of request sent.
	ErrReply = errors.New("malformed reply")
)

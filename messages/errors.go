package messages

import "errors"

// Errors of decoding a frame.
var (
	// ErrDamaged says that bytes are not what was sent: cut short, a wrong checksum, or not a message at all.
	ErrDamaged = errors.New("damaged message")
	// ErrVersion says that the peer speaks another protocol version.
	ErrVersion = errors.New("protocol version mismatch")
	// ErrUnknownType says that a frame is whole but of a type that this build doesn't know.
	ErrUnknownType = errors.New("unknown message type")
	// ErrTooLarge says that a frame is over MaxFrameSize or a name over 255 bytes.
	ErrTooLarge = errors.New("message too large")
)

// Errors that a node answers with; each belongs to one Code.
var (
	// ErrInternal says that the peer broke while it worked on the request; the effect is unknown.
	ErrInternal = errors.New("internal error")
	// ErrUnavailable says that the peer, or what the request needs, can't be reached now.
	ErrUnavailable = errors.New("unavailable")
	// ErrTimeout says that the deadline passed; the effect is unknown.
	ErrTimeout = errors.New("timed out")
	// ErrCancelled says that the asker gave up; the effect is unknown.
	ErrCancelled = errors.New("cancelled")
	// ErrClosed says that the addressed party has stopped.
	ErrClosed = errors.New("closed")
	// ErrClusterMismatch says that the peer belongs to another cluster (rule F1).
	ErrClusterMismatch = errors.New("cluster id mismatch")
	// ErrIncarnation says that a message is from or for another life of a node (rule F2).
	ErrIncarnation = errors.New("incarnation mismatch")
	// ErrWrongNode says that the peer at an address has another name than expected.
	ErrWrongNode = errors.New("wrong node")
	// ErrInvalid says that the request can never be served as it is.
	ErrInvalid = errors.New("invalid request")
	// ErrWrongOwner says that the partition belongs to another node, which the error names with its epoch.
	ErrWrongOwner = errors.New("wrong owner")
	// ErrStaleRing says that the request was routed by a ring older than the replica's fence (rules F9, F14, F16).
	ErrStaleRing = errors.New("stale ring")
	// ErrFrozen says that the partition is sealed for a moment; retry after the named time.
	ErrFrozen = errors.New("partition frozen")
	// ErrOverloaded says that a queue is full; nothing was done.
	ErrOverloaded = errors.New("overloaded")
	// ErrNotFound says that the named thing doesn't exist here.
	ErrNotFound = errors.New("not found")
	// ErrRefused says that the peer declines and changed nothing.
	ErrRefused = errors.New("refused")
	// ErrFewCopies says that too few other copies answered to know what this one lacks; nothing was done.
	ErrFewCopies = errors.New("too few copies answered")
	// ErrStaleSession says that the session is lower than one already seen (rule F4).
	ErrStaleSession = errors.New("stale session")
	// ErrUnknownSession says that the session is not open here (rules F3, F5).
	ErrUnknownSession = errors.New("session not open")
	// ErrSealed says that the staged copy is complete and takes nothing more (rule F3).
	ErrSealed = errors.New("session sealed")
	// ErrGap says that a sequence number was skipped (rule F7).
	ErrGap = errors.New("gap in sequence")
	// ErrMismatch says that counts or digests of the two copies differ (rule F11).
	ErrMismatch = errors.New("digest mismatch")
	// ErrCodec says that the peers share no encoding of the kind's items.
	ErrCodec = errors.New("codec not supported")
	// ErrNoSpace says that the peer has no room for the data.
	ErrNoSpace = errors.New("no space left")
)

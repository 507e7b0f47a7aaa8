package messages

// Code is a typed outcome on the wire. The numbers are the wire's and are never given away again; each code but CodeOK
// has a sentinel error, here or in the package that it is for.
type Code uint16

// The codes, in groups of what they ask the receiver to do.
const (
	CodeOK Code = 0

	// The peer could not answer; what it did is unknown.
	CodeInternal    Code = 1
	CodeUnavailable Code = 2
	CodeTimeout     Code = 3
	CodeCancelled   Code = 4
	CodeClosed      Code = 5
	// The same for errors that only other packages have (NewSentinel).
	CodeStopped           Code = 6  // of a vnode
	CodeUnexpectedForward Code = 7  // of a vnode kind
	CodeCorrupt           Code = 8  // of a store
	CodeStoreClosed       Code = 9  // of a store
	CodeDropped           Code = 10 // of a store
	CodeBroken            Code = 11 // of a store
	CodeStaleStream       Code = 12 // of a transfer

	// The message was not understood, or is not for this node.
	CodeDamaged         Code = 16
	CodeVersion         Code = 17
	CodeUnknownType     Code = 18
	CodeTooLarge        Code = 19
	CodeClusterMismatch Code = 20
	CodeIncarnation     Code = 21
	CodeWrongNode       Code = 22
	CodeInvalid         Code = 23

	// Nothing was done: route or try again.
	CodeWrongOwner Code = 32
	CodeStaleRing  Code = 33
	CodeFrozen     Code = 34
	CodeOverloaded Code = 35
	CodeNotFound   Code = 36
	CodeRefused    Code = 37
	CodeFewCopies  Code = 38

	// A transfer can't go on under this session.
	CodeStaleSession   Code = 48
	CodeUnknownSession Code = 49
	CodeSealed         Code = 50
	CodeGap            Code = 51
	CodeMismatch       Code = 52
	CodeCodec          Code = 53
	CodeNoSpace        Code = 54
)

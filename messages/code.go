package messages

// Code is a typed outcome on the wire. The numbers are the wire's and are never given away again; each code but CodeOK
// has one sentinel error.
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

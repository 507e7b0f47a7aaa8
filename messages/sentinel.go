package messages

// A Coded is an error, or a type of errors, that travels under a code of its own.
type Coded interface {
	error
	// WireCode returns the code. It is the same for the life of the program.
	WireCode() Code
}

// sentinel is the sentinel of another package.
type sentinel struct {
	code Code
	text string
}

// NewSentinel returns the sentinel error of another package under a code that is listed here: ErrorOf finds the code,
// and what arrives with it is again that sentinel for errors.Is. Several sentinels may share a code when a receiver need
// not tell them apart: what arrives is all of them, and the one of this package.
func NewSentinel(code Code, text string) error { return &sentinel{code, text} }

// Error returns the text.
func (s *sentinel) Error() string { return s.text }

// WireCode returns the code.
func (s *sentinel) WireCode() Code { return s.code }

// Is reports whether target is a sentinel of another package with the code of x. Those of this one are in its chain.
func (x *Error) Is(target error) bool {
	s, ok := target.(*sentinel)
	return ok && s.code == Code(x.GetCode())
}

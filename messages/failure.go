package messages

import (
	"context"
	"errors"
	"strings"
	"time"
)

// sentinels pairs each code with its error. A code that is not here has no meaning in this build.
var sentinels = []struct {
	code Code
	err  error
}{
	{CodeInternal, ErrInternal},
	{CodeUnavailable, ErrUnavailable},
	{CodeTimeout, ErrTimeout},
	{CodeCancelled, ErrCancelled},
	{CodeClosed, ErrClosed},
	{CodeDamaged, ErrDamaged},
	{CodeVersion, ErrVersion},
	{CodeUnknownType, ErrUnknownType},
	{CodeTooLarge, ErrTooLarge},
	{CodeClusterMismatch, ErrClusterMismatch},
	{CodeIncarnation, ErrIncarnation},
	{CodeWrongNode, ErrWrongNode},
	{CodeInvalid, ErrInvalid},
	{CodeWrongOwner, ErrWrongOwner},
	{CodeStaleRing, ErrStaleRing},
	{CodeFrozen, ErrFrozen},
	{CodeOverloaded, ErrOverloaded},
	{CodeNotFound, ErrNotFound},
	{CodeRefused, ErrRefused},
	{CodeFewCopies, ErrFewCopies},
	{CodeStaleSession, ErrStaleSession},
	{CodeUnknownSession, ErrUnknownSession},
	{CodeSealed, ErrSealed},
	{CodeGap, ErrGap},
	{CodeMismatch, ErrMismatch},
	{CodeCodec, ErrCodec},
	{CodeNoSpace, ErrNoSpace},
	// Errors of the standard library that have a code; the sentinels above come first, so the way back gives those.
	{CodeTimeout, context.DeadlineExceeded},
	{CodeCancelled, context.Canceled},
}

func (c Code) sentinel() (error, bool) {
	for _, s := range sentinels {
		if s.code == c {
			return s.err, true
		}
	}
	return nil, false
}

// String returns the code's sentinel in words, or its number when it has none.
func (c Code) String() string {
	if c == CodeOK {
		return "ok"
	}
	if err, ok := c.sentinel(); ok {
		return err.Error()
	}
	return "code(" + itoa(uint64(c)) + ")"
}

// ErrorOf turns an error into what travels: the one place where Go errors become codes. It returns nil for nil. An Error
// within err is kept with its fields; otherwise the first sentinel or Coded in err's tree gives the code, and CodeInternal is the
// answer when there is none.
func ErrorOf(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	code, ok := codeOf(err)
	if !ok {
		code = CodeInternal
	}
	return &Error{Code: uint32(code), Message: strings.ToValidUTF8(err.Error(), "\uFFFD")}
}

// codeOf walks err's tree depth first.
func codeOf(err error) (Code, bool) {
	for _, s := range sentinels {
		if err == s.err {
			return s.code, true
		}
	}
	if c, ok := err.(Coded); ok {
		return c.WireCode(), true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return codeOf(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if code, ok := codeOf(inner); ok {
				return code, true
			}
		}
	}
	return 0, false
}

// Err turns what travelled into an error that errors.Is matches with the sentinel of its code: the one place where codes
// become Go errors. A nil *Error, and one with CodeOK, is nil.
func (x *Error) Err() error {
	if x == nil || Code(x.Code) == CodeOK {
		return nil
	}
	return x
}

// Error returns the error in words: operation, operand, message, and the remedy when there is one.
func (x *Error) Error() string {
	what := x.GetMessage()
	if what == "" {
		what = Code(x.GetCode()).String()
	}
	if where := strings.TrimSpace(x.GetOp() + " " + x.GetOperand()); where != "" {
		what = where + ": " + what
	}
	if x.GetRemedy() != "" {
		what += " (" + x.GetRemedy() + ")"
	}
	return what
}

// Unwrap returns the sentinel of the code; ErrInternal for one that only another package has, or another version: the
// effect is unknown.
func (x *Error) Unwrap() error {
	if err, ok := Code(x.GetCode()).sentinel(); ok {
		return err
	}
	return ErrInternal
}

// RetryAfter returns how long to wait before another try; 0 when the error names no time.
func (x *Error) RetryAfter() time.Duration {
	return time.Duration(x.GetRetryAfterMs()) * time.Millisecond
}

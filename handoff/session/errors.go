package session

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors of a session id.
var (
	// ErrInvalid: session 0 was named, which is what a forgotten id looks like.
	ErrInvalid = errors.New("session: id 0 is no session")
	// ErrUnknown: no applied record has opened the session yet. A record that is
	// newer than the applied one may; look at it before deciding.
	ErrUnknown = errors.New("session: not opened by the applied record")
	// ErrClosed: the session is closing or closed, for ever.
	ErrClosed = errors.New("session: closed")
)

// ErrHeld: a drain gave up while guards were held. See HeldError.
var ErrHeld = errors.New("session: guards still held")

// LeakLimit is how long a guard may be held past the close of its session before
// it counts as leaked. What is admitted is told to stop by then and is one write
// or sync away from its end.
const LeakLimit = 10 * time.Second

// Holder names one guard that has not left, by this node's clock.
type Holder struct {
	Session uint64
	Name    string
	Entered time.Time
	// Closed is when the session began to close, zero while it is open.
	Closed time.Time
}

// HeldError says which guards kept a drain waiting until its context ended. It
// is ErrHeld and the cause of the context's end.
type HeldError struct {
	Holders []Holder // ordered by session, then by name
	Cause   error
}

// Error names the holders.
func (e *HeldError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v (%v):", ErrHeld, e.Cause)
	for _, h := range e.Holders {
		fmt.Fprintf(&b, " %d/%q", h.Session, h.Name)
	}
	return b.String()
}

// Unwrap returns ErrHeld and the cause.
func (e *HeldError) Unwrap() []error { return []error{ErrHeld, e.Cause} }

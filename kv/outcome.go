package kv

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dee2748c/baton/cluster/ring"
)

// Outcomes of a request to several copies that did not succeed. They come as a
// *[QuorumError], which says how far it got.
var (
	// ErrNotDone says that too few copies could take part: nothing was written,
	// nor will be; or that a read got too few answers.
	ErrNotDone = errors.New("not done: too few copies")
	// ErrUnknown says that some copies hold the write, or may hold it, but not as
	// many as were asked for have said so: it may stay, or be superseded.
	ErrUnknown = errors.New("outcome unknown: fewer copies than asked for have acknowledged")
	// ErrIncomplete is a cause: a copy lacks data that was acknowledged, and does
	// not count until anti-entropy has repaired it.
	ErrIncomplete = errors.New("copy is incomplete")
)

// A Count is how many copies did something, and how many were asked for.
type Count struct{ Got, Want int }

func (c Count) missing() bool { return c.Got < c.Want }

// A QuorumError says that a request got fewer copies than it asked for. It is
// [ErrNotDone] or [ErrUnknown], and the errors of the copies.
type QuorumError struct {
	Op, Bucket, Key string
	// Outcome is ErrNotDone or ErrUnknown.
	Outcome error
	// Copies counts all copies, of a read those that agree; Durable those that
	// are durable, of a write; Primaries those on primaries; Nodes the nodes.
	Copies, Durable, Primaries, Nodes Count
	// Holders are where the write is; Doubtful are where it may be.
	Holders, Doubtful []ring.Entry
	// Expired says that the time was up.
	Expired bool
	// Causes are why copies failed.
	Causes []error
}

// Error names the request, what is missing and why.
func (e *QuorumError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q/%q: %v", e.Op, e.Bucket, e.Key, e.Outcome)
	for _, c := range []struct {
		name string
		Count
	}{{"copies", e.Copies}, {"durable", e.Durable}, {"primaries", e.Primaries}, {"nodes", e.Nodes}} {
		if c.missing() {
			fmt.Fprintf(&b, ", %s %d of %d", c.name, c.Got, c.Want)
		}
	}
	if e.Expired {
		b.WriteString(", the time was up")
	}
	for _, at := range [...]struct {
		text    string
		entries []ring.Entry
	}{{"held by", e.Holders}, {"in doubt at", e.Doubtful}} {
		for i, h := range at.entries {
			if i == 0 {
				fmt.Fprintf(&b, "; %s", at.text)
			}
			fmt.Fprintf(&b, " %s/%d", h.Node, h.Partition)
		}
	}
	for _, cause := range e.Causes {
		fmt.Fprintf(&b, "; %v", cause)
	}
	return b.String()
}

// Unwrap returns the outcome and the causes.
func (e *QuorumError) Unwrap() []error { return slices.Concat([]error{e.Outcome}, e.Causes) }

// isOf reports whether err is one of the targets.
func isOf(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(err, t) })
}

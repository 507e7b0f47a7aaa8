package clustertest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// An operation is one call of a history, from its first try to its answer.
type operation struct {
	in    input
	out   output
	begun int64 // a stamp
	ended int64 // a stamp; of no meaning when out is unknown
}

// version is that of the record after the operation.
func (o operation) version() uint64 {
	if o.in.what == reading {
		return o.out.seen.version
	}
	return o.out.last.Version
}

// changes reports whether the answer says that the operation made its version.
func (o operation) changes() bool { return o.in.what != reading && o.out.last.Changed() }

func (o operation) String() string {
	ended := fmt.Sprint(o.ended)
	if o.out.unknown {
		ended = "..."
	}
	return fmt.Sprintf("[%d, %s] %s", o.begun, ended, describe(o.in, o.out))
}

// explain puts the operations into the one order that their versions allow, and tells why that is no
// order of single calls, each within the time it took, if it isn't: the history is linearizable exactly
// when it returns nil. Every answer has the version at which it was given, and only one change makes a
// version, so the order needs no search: a change stands before what saw its version, and the latter
// stand as they began. Only operations without an answer are tried, where versions are missing; each may
// have taken effect any time after it began, or never.
func explain(history []operation) error {
	e := &explanation{}
	for _, o := range history {
		if o.out.unknown {
			e.open = append(e.open, o)
		} else {
			e.known = append(e.known, o)
		}
	}
	slices.SortStableFunc(e.known, func(a, b operation) int {
		if c := cmp.Compare(a.version(), b.version()); c != 0 {
			return c
		}
		if a.changes() != b.changes() {
			if a.changes() {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.begun, b.begun)
	})
	e.used = make([]bool, len(e.open))
	if e.follow(0, seen{version: 1}, math.MinInt64) {
		return nil
	}
	return e.err
}

// explanation is the search for the places of operations without an answer.
type explanation struct {
	known, open []operation
	used        []bool // of open
	reached     int    // the greatest number of known operations in order
	err         error  // why no more of them were
}

// follow reports whether the known operations from i on follow state s, in an order in which the latest
// beginning was at begun.
func (e *explanation) follow(i int, s seen, begun int64) bool {
	for ; i < len(e.known); i++ {
		o := e.known[i]
		ok, next := step(s, o.in, o.out)
		switch {
		case ok && o.ended < begun:
			return e.fail(i, fmt.Errorf("%v ended before an operation that comes before it began, at %d", o, begun))
		case !ok && e.insert(i, s, begun):
			return true
		case !ok:
			return e.fail(i, fmt.Errorf("%v does not follow %+v", o, s))
		}
		s, begun = next, max(begun, o.begun)
	}
	return true
}

// insert tries the operations without an answer before the known operation i.
func (e *explanation) insert(i int, s seen, begun int64) bool {
	for j, o := range e.open {
		_, next := step(s, o.in, o.out)
		if e.used[j] || next.version == s.version || next.version > e.known[i].version() {
			continue
		}
		e.used[j] = true
		if e.follow(i, next, max(begun, o.begun)) {
			return true
		}
		e.used[j] = false
	}
	return false
}

func (e *explanation) fail(i int, why error) bool {
	if e.err == nil || i > e.reached {
		e.reached = i
		e.err = fmt.Errorf("%w, after %d operations in order", why, i)
		for _, o := range e.known[max(0, i-3):i] {
			e.err = fmt.Errorf("%w\n  %v", e.err, o)
		}
	}
	return false
}

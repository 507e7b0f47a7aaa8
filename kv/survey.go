package kv

import (
	"encoding/binary"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/replica"
)

// Root is what one copy says of the keys of a head.
type Root struct {
	ring.Entry
	// Keys is how many there are, Sum is that of their states: equal copies have equal ones.
	Keys, Sum uint64
	// Counting: the copy is still adding up; Keys is how far it is.
	Counting bool
	// Err is why the copy did not say.
	Err error
}

// A Survey asks all copies of a head's keys with n copies for the roots of their hash trees. It changes
// nothing. It implements replica.Machine.
type Survey struct {
	ask   []byte
	roots []Root
	left  int
	begun bool
}

// NewSurvey returns one; set is who has the copies, and copies [CopiesSignature] of the catalog.
func NewSurvey(set replica.Set, n int, copies uint64) *Survey {
	a := treeAsk{ask: treeRoot, head: set.Head, n: n, copies: copies}
	s := &Survey{ask: a.appendBody(nil)}
	for _, c := range set.Copies {
		s.roots = append(s.roots, Root{Entry: c.Entry})
	}
	return s
}

// Roots returns what the copies said, in preflist order.
func (s *Survey) Roots() []Root { return s.roots }

// Ready implements replica.Machine.
func (s *Survey) Ready() bool { return s.Done() }

// Done implements replica.Machine.
func (s *Survey) Done() bool { return s.begun && s.left == 0 }

// Step implements replica.Machine.
func (s *Survey) Step(e replica.Event, sends []replica.Send) []replica.Send {
	switch {
	case e.Type == replica.Begin && !s.begun:
		s.begun, s.left = true, len(s.roots)
		for i, r := range s.roots {
			s.roots[i].Err = errSliceExpired // until it answers
			sends = append(sends, replica.Send{ID: i, To: r.Entry, Body: s.ask})
		}
	case s.left == 0:
	case e.Type == replica.Answer:
		s.left--
		s.roots[e.Send].answered(e.Body)
	case e.Type == replica.Fail:
		s.left--
		s.roots[e.Send].Err = e.Err
	case e.Type == replica.Expire:
		s.left = 0
	}
	return sends
}

func (r *Root) answered(body []byte) {
	a, err := cutTreeAnswer(body)
	keys, rest, ok := cutUvarint(a.rest)
	switch {
	case err != nil:
	case a.status == treeOther:
		err = ErrOtherCopies
	case !ok, a.status == treeCounting && len(rest) > 0, a.status == treeCounted && len(rest) != 8:
		err = ErrReply
	case a.status == treeCounted:
		r.Sum = binary.BigEndian.Uint64(rest)
	}
	r.Keys, r.Counting = keys, a.status == treeCounting
	if r.Err = err; err != nil {
		r.Err = fmt.Errorf("hash tree at %v: %w", r.Entry, err)
	}
}

package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// A State is what a copy knows about one key: a dotted version vector set. The
// clock holds every write that the copy has heard of; the siblings are those of
// them that no other one has superseded, in ascending order of their dots.
//
// States of one key form a join semilattice under Merge: it is commutative,
// associative and idempotent, so copies that have merged the same states in any
// order are equal, and so are their encodings.
type State struct {
	Clock    Clock
	Siblings []Sibling
}

// A Sibling is one write that stands.
type Sibling struct {
	Dot      Dot
	Modified uint64 // wall time of the writer in Unix milliseconds; 0 is unknown
	Deleted  bool   // a tombstone, which has no content
	Content  []byte // the values of the write, as content.go encodes them
}

// emptied returns the empty state with the room of s, and lets go of what s
// held.
func (s *State) emptied() State {
	clear(s.Clock)
	clear(s.Siblings)
	return State{Clock: s.Clock[:0], Siblings: s.Siblings[:0]}
}

// NextDot returns the dot of a write by the actor, for which event is a number
// above those of all its earlier writes. Where the clock already has more from
// the actor, which takes a record that was set back, it goes on from there.
func (s *State) NextDot(a Actor, event uint64) Dot {
	return Dot{Actor: a, N: max(event, s.Clock.Of(a)+1)}
}

// Write adds a write by a client that has seen the context. It supersedes
// exactly what is in the context; the rest stays as siblings. The dot has to be
// one of NextDot.
//
// The time of the write is put behind those of all values that the copy holds,
// so that the newest sibling is the last one written here, whatever the clocks
// of the writers say.
func (s *State) Write(context Clock, v Sibling) {
	for i := range s.Siblings {
		v.Modified = max(v.Modified, s.Siblings[i].Modified+1)
	}
	s.Siblings = slices.DeleteFunc(s.Siblings, func(old Sibling) bool { return context.Has(old.Dot) })
	s.Clock = s.Clock.Join(context).Add(v.Dot)
	i, _ := slices.BinarySearchFunc(s.Siblings, v, func(a, b Sibling) int { return a.Dot.compare(b.Dot) })
	s.Siblings = slices.Insert(s.Siblings, i, v)
}

// Merge joins another copy's state into s: what either has superseded is gone,
// the rest stays. The result shares memory with both.
func (s *State) Merge(o State) {
	merged := make([]Sibling, 0, len(s.Siblings)+len(o.Siblings))
	for i, j := 0, 0; i < len(s.Siblings) || j < len(o.Siblings); {
		c := -1
		switch {
		case i == len(s.Siblings):
			c = 1
		case j < len(o.Siblings):
			c = s.Siblings[i].Dot.compare(o.Siblings[j].Dot)
		}
		switch {
		case c == 0:
			merged = append(merged, larger(s.Siblings[i], o.Siblings[j]))
			i, j = i+1, j+1
		case c < 0:
			if v := s.Siblings[i]; !o.Clock.Has(v.Dot) {
				merged = append(merged, v)
			}
			i++
		default:
			if v := o.Siblings[j]; !s.Clock.Has(v.Dot) {
				merged = append(merged, v)
			}
			j++
		}
	}
	s.Siblings = merged
	s.Clock = slices.Clone(s.Clock).Join(o.Clock)
}

// Settle leaves the newest sibling only.
func (s *State) Settle() {
	if len(s.Siblings) < 2 {
		return
	}
	newest := s.Siblings[0]
	for _, v := range s.Siblings[1:] {
		if later(v, newest) {
			newest = v
		}
	}
	clear(s.Siblings[1:])
	s.Siblings = append(s.Siblings[:0], newest)
}

// MergeSettled is Merge for keys that keep one sibling: the newest. Two copies
// may each have given up what the other one kept; then the newest of both stays,
// so that something does.
func (s *State) MergeSettled(o State) {
	both := slices.Concat(s.Siblings, o.Siblings)
	s.Merge(o)
	if len(s.Siblings) == 0 {
		s.Siblings = both
	}
	s.Settle()
}

// later reports whether v is newer than w.
func later(v, w Sibling) bool {
	if v.Modified != w.Modified {
		return v.Modified > w.Modified
	}
	return v.Dot.compare(w.Dot) > 0
}

// same reports whether both states are equal.
func (s *State) same(o *State) bool {
	return slices.Equal(s.Clock, o.Clock) && slices.EqualFunc(s.Siblings, o.Siblings, func(a, b Sibling) bool {
		return a.Dot == b.Dot && a.Modified == b.Modified && a.Deleted == b.Deleted && bytes.Equal(a.Content, b.Content)
	})
}

// follows reports whether merging o into s gives s: s has heard of all that o
// has, and o of nothing that stands in s.
func (s *State) follows(o *State) bool {
	return s.Clock.Descends(o.Clock) && !slices.ContainsFunc(s.Siblings, func(v Sibling) bool { return o.Clock.Has(v.Dot) })
}

// larger chooses between two copies of one write. They are equal; should they
// ever not be, all copies still choose the same.
func larger(a, b Sibling) Sibling {
	switch {
	case a.Modified != b.Modified:
		if a.Modified > b.Modified {
			return a
		}
		return b
	case a.Deleted != b.Deleted:
		if a.Deleted {
			return a
		}
		return b
	case bytes.Compare(a.Content, b.Content) >= 0:
		return a
	default:
		return b
	}
}

// Live returns how many siblings are values and not tombstones.
func (s *State) Live() (n int) {
	for i := range s.Siblings {
		if !s.Siblings[i].Deleted {
			n++
		}
	}
	return n
}

// A stored object is a version byte, its clock as a context, and its siblings:
//
//	02  uvarint length, context  { sibling }...
//	sibling: uvarint position of the dot's actor in the clock
//	         uvarint N of the clock there - N of the dot
//	         uvarint milliseconds * 2 + deleted
//	         uvarint length, content
//
// There is at least one sibling, they are in the order of their dots, and a
// tombstone has no content. The name is not in it: the store key has that.
// Version 1 was the format of single values without a clock.
const formatV2 = 2

// Append appends the stored form of s, which has at least one sibling.
func (s *State) Append(dst []byte) []byte {
	dst = append(dst, formatV2)
	dst = binary.AppendUvarint(dst, uint64(contextLen(s.Clock)))
	dst = AppendContext(dst, s.Clock)
	for i := range s.Siblings {
		v := &s.Siblings[i]
		at, _ := s.Clock.at(v.Dot.Actor)
		dst = binary.AppendUvarint(dst, uint64(at))
		dst = binary.AppendUvarint(dst, s.Clock[at].N-v.Dot.N)
		stamp := v.Modified << 1
		if v.Deleted {
			stamp |= 1
		}
		dst = binary.AppendUvarint(dst, stamp)
		dst = appendBytes(dst, v.Content)
	}
	return dst
}

// size returns the length of the stored form of s.
func (s *State) size() int {
	n := contextLen(s.Clock)
	n += 1 + uvarintLen(uint64(n))
	for i := range s.Siblings {
		v := &s.Siblings[i]
		at, _ := s.Clock.at(v.Dot.Actor)
		n += uvarintLen(uint64(at)) + uvarintLen(s.Clock[at].N-v.Dot.N) + uvarintLen(v.Modified<<1)
		n += uvarintLen(uint64(len(v.Content))) + len(v.Content)
	}
	return n
}

func contextLen(c Clock) int {
	if len(c) == 0 {
		return 0
	}
	n := 1
	for _, d := range c {
		n += uvarintLen(uint64(len(d.Actor))) + len(d.Actor) + uvarintLen(d.N)
	}
	return n
}

// Decode sets s from its stored form, reusing the room of its slices; all bytes
// alias stored. It fails with [ErrCorrupt], or with [ErrFormat] when the object
// was written in a format that this build does not know.
func (s *State) Decode(stored []byte) error {
	context, rest, err := cutStored(stored)
	if err != nil {
		return err
	}
	if s.Clock, err = context.Clock(s.Clock[:0]); err != nil {
		return fmt.Errorf("stored object, %w: %w", err, ErrCorrupt)
	}
	s.Siblings = s.Siblings[:0]
	for len(rest) > 0 {
		raw, after, ok := cutSibling(rest)
		if !ok || raw.actor >= uint64(len(s.Clock)) || raw.behind >= s.Clock[raw.actor].N {
			return fmt.Errorf("stored object, sibling %d: %w", len(s.Siblings), ErrCorrupt)
		}
		v := raw.Sibling
		v.Dot = s.Clock[raw.actor]
		v.Dot.N -= raw.behind
		if i := len(s.Siblings); i > 0 && s.Siblings[i-1].Dot.compare(v.Dot) >= 0 {
			return fmt.Errorf("stored object, order of sibling %d: %w", i, ErrCorrupt)
		}
		s.Siblings, rest = append(s.Siblings, v), after
	}
	return nil
}

// damaged reports whether a stored object can't be decoded though its format is
// known.
func damaged(stored []byte) bool {
	var dots [3]Dot
	var siblings [2]Sibling
	s := State{Clock: dots[:0], Siblings: siblings[:0]}
	return errors.Is(s.decodeWhole(stored), ErrCorrupt)
}

// decodeWhole is Decode that also fails with [ErrCorrupt] if the content of a
// sibling can't be decoded. A content with a field that this build does not know
// is taken as it is.
func (s *State) decodeWhole(stored []byte) error {
	if err := s.Decode(stored); err != nil {
		return err
	}
	for i := range s.Siblings {
		if v := &s.Siblings[i]; !v.Deleted {
			if err := checkContent(v.Content); errors.Is(err, ErrCorrupt) {
				return fmt.Errorf("stored object, sibling %d: %w", i, err)
			}
		}
	}
	return nil
}

// cutStored returns the context of a stored object, and its siblings.
func cutStored(stored []byte) (Context, []byte, error) {
	if len(stored) == 0 {
		return "", nil, fmt.Errorf("stored object of no bytes: %w", ErrCorrupt)
	}
	if stored[0] != formatV2 {
		return "", nil, fmt.Errorf("stored object of format %d: %w", stored[0], ErrFormat)
	}
	context, rest, ok := cutBytes(stored[1:])
	if !ok || len(context) == 0 || len(rest) == 0 {
		return "", nil, fmt.Errorf("stored object, context: %w", ErrCorrupt)
	}
	return Context(view(context)), rest, nil
}

// storedDeleted reports whether nothing but tombstones is left of a stored
// object. What it can't read is for the reader to refuse.
func storedDeleted(stored []byte) bool {
	_, rest, err := cutStored(stored)
	if err != nil {
		return false
	}
	for len(rest) > 0 {
		v, after, ok := cutSibling(rest)
		if !ok || !v.Deleted {
			return false
		}
		rest = after
	}
	return true
}

// rawSibling is a sibling whose dot is not looked up yet.
type rawSibling struct {
	Sibling
	actor, behind uint64
}

func cutSibling(b []byte) (v rawSibling, rest []byte, ok bool) {
	if v.actor, b, ok = cutUvarint(b); !ok {
		return v, nil, false
	}
	if v.behind, b, ok = cutUvarint(b); !ok {
		return v, nil, false
	}
	stamp, b, ok := cutUvarint(b)
	if !ok {
		return v, nil, false
	}
	v.Modified, v.Deleted = stamp>>1, stamp&1 == 1
	v.Content, rest, ok = cutBytes(b)
	return v, rest, ok && v.Deleted == (len(v.Content) == 0) && v.Modified <= maxModified
}

// maxModified leaves room for the later writes that Write puts behind it.
const maxModified = math.MaxUint64 >> 2

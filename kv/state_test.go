package kv_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/kv"
)

// replicas is a run of three copies of one key: writes with contexts that were
// read from some copy, and merges, in any order. Beside the states it keeps for
// each write the set of writes that the writer had seen, as plain sets: what
// the clocks stand for.
type replicas struct {
	states [3]kv.State
	events uint64
	past   map[kv.Dot]map[kv.Dot]bool // what each write superseded, and all before it
	known  [3]map[kv.Dot]bool         // the writes that each copy has heard of
}

func clone(s kv.State) kv.State {
	return kv.State{Clock: slices.Clone(s.Clock), Siblings: slices.Clone(s.Siblings)}
}

func runGen() *rapid.Generator[*replicas] {
	return rapid.Custom(func(t *rapid.T) *replicas {
		r := &replicas{past: map[kv.Dot]map[kv.Dot]bool{}}
		for i := range r.known {
			r.known[i] = map[kv.Dot]bool{}
		}
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			at, from := rapid.IntRange(0, 2).Draw(t, "at"), rapid.IntRange(0, 2).Draw(t, "from")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				r.merge(at, from)
			case 1:
				r.write(t, at, nil, nil)
			default:
				r.write(t, at, slices.Clone(r.states[from].Clock), r.known[from])
			}
		}
		return r
	})
}

func (r *replicas) merge(at, from int) {
	r.states[at].Merge(r.states[from])
	for d := range r.known[from] {
		r.known[at][d] = true
	}
}

func (r *replicas) write(t *rapid.T, at int, context kv.Clock, seen map[kv.Dot]bool) {
	r.events++
	s := &r.states[at]
	v := kv.Sibling{
		Dot:      s.NextDot(kv.Actor(rune('a'+at)), r.events),
		Modified: rapid.Uint64Range(0, 9).Draw(t, "modified"),
		Deleted:  rapid.IntRange(0, 4).Draw(t, "deleted") == 0,
	}
	if !v.Deleted {
		v.Content = fmt.Append([]byte{15, 2}, 10+r.events%90)
	}
	if _, twice := r.past[v.Dot]; twice {
		t.Fatalf("two writes have the dot %v", v.Dot)
	}
	past := map[kv.Dot]bool{}
	for d := range seen {
		past[d] = true
	}
	r.past[v.Dot] = past
	for d := range past { // who knows the write knows what it has seen
		r.known[at][d] = true
	}
	r.known[at][v.Dot] = true
	s.Write(context, v)
}

// want returns the dots that stand at a copy: known there, and not seen by
// another write that is known there.
func (r *replicas) want(at int) (dots []kv.Dot) {
	for d := range r.known[at] {
		superseded := false
		for e := range r.known[at] {
			superseded = superseded || r.past[e][d]
		}
		if !superseded {
			dots = append(dots, d)
		}
	}
	return dots
}

func equal(t *rapid.T, what string, x, y kv.State) {
	t.Helper()
	if diff := cmp.Diff(x, y, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s:\n%s", what, diff)
	}
}

func merged(a, b kv.State) kv.State {
	a = clone(a)
	a.Merge(b)
	return a
}

func TestMerge_laws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := runGen().Draw(t, "run").states
		equal(t, "commutative", merged(s[0], s[1]), merged(s[1], s[0]))
		equal(t, "associative", merged(merged(s[0], s[1]), s[2]), merged(s[0], merged(s[1], s[2])))
		equal(t, "idempotent", merged(s[0], s[0]), s[0])
		equal(t, "absorbing", merged(merged(s[0], s[1]), s[1]), merged(s[0], s[1]))
		equal(t, "nothing is neutral", merged(kv.State{}, s[0]), s[0])
		equal(t, "neutral is nothing", merged(s[0], kv.State{}), s[0])
	})
}

// A write supersedes exactly what its context has seen: concurrent and blind
// writes are kept, on every copy, whatever was merged in which order; and the
// clock alone determines the siblings, which is what entity tags rest on.
func TestWrite_supersedesExactlyWhatItHasSeen(t *testing.T) {
	byClock := func(a, b kv.Dot) int {
		return bytes.Compare(fmt.Appendf(nil, "%s %09d", a.Actor, a.N), fmt.Appendf(nil, "%s %09d", b.Actor, b.N))
	}
	rapid.Check(t, func(t *rapid.T) {
		r := runGen().Draw(t, "run")
		tags := map[string][]kv.Dot{}
		for at, s := range r.states {
			var got []kv.Dot
			for _, v := range s.Siblings {
				got = append(got, v.Dot)
				if !s.Clock.Has(v.Dot) {
					t.Fatalf("copy %d has not heard of its own sibling %v", at, v.Dot)
				}
			}
			want := r.want(at)
			slices.SortFunc(want, byClock)
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("copy %d (-want +got):\n%s", at, diff)
			}
			tag := string(kv.AppendContext(nil, s.Clock))
			if before, ok := tags[tag]; ok && !slices.Equal(before, got) {
				t.Fatalf("one clock, but siblings %v and %v", before, got)
			}
			tags[tag] = got
		}
	})
}

func TestWrite_freshContextsDoNotExplode(t *testing.T) {
	var s kv.State
	for i := range uint64(1000) {
		context := slices.Clone(s.Clock)
		for k := range uint64(2) { // two writers race each round
			s.Write(context, kv.Sibling{Dot: s.NextDot("a", 2*i+k+1), Content: []byte{15, 0}})
		}
		if len(s.Siblings) != 2 || len(s.Clock) != 1 {
			t.Fatalf("round %d: %d siblings, clock %v", i, len(s.Siblings), s.Clock)
		}
	}
}

func TestWrite_isTheNewest(t *testing.T) {
	var s kv.State
	s.Write(nil, kv.Sibling{Dot: s.NextDot("a", 1), Modified: 5_000, Content: []byte{15, 0}})
	s.Write(nil, kv.Sibling{Dot: s.NextDot("a", 2), Modified: 17, Content: []byte{15, 0}})
	if got := s.Siblings[1].Modified; got != 5_001 {
		t.Errorf("a write under a clock set back has the time %d, want 5001", got)
	}
}

func TestNextDot_goesOnAfterALostCounter(t *testing.T) {
	s := kv.State{Clock: kv.Clock{{Actor: "a", N: 9}}}
	if d := s.NextDot("a", 3); d.N != 10 {
		t.Errorf("next dot %v, although 9 is taken", d)
	}
}

// I3: equal states have equal bytes, and what decodes encodes to its bytes.
func TestState_codec(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, s := range runGen().Draw(t, "run").states {
			if len(s.Siblings) == 0 {
				continue
			}
			var back kv.State
			if err := back.Decode(s.Append(nil)); err != nil {
				t.Fatal(err)
			}
			equal(t, "state changed", s, back)
		}
	})
}

func FuzzState(f *testing.F) {
	s := kv.State{}
	s.Write(nil, kv.Sibling{Dot: s.NextDot("a", 7), Modified: 9, Content: []byte{15, 1, 'x'}})
	f.Add(s.Append(nil))
	s.Write(kv.Clock{{Actor: "b", N: 3}}, kv.Sibling{Dot: s.NextDot("c", 1<<40), Deleted: true})
	f.Add(s.Append(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var s kv.State
		if err := s.Decode(raw); err != nil {
			return
		}
		if again := s.Append(nil); !bytes.Equal(again, raw) {
			t.Errorf("%x decodes to %+v, which encodes to %x", raw, s, again)
		}
	})
}

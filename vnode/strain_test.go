package vnode_test

import (
	"testing"
	"time"

	"github.com/dee2748c/baton/vnode"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestPulse(t *testing.T) {
	var p vnode.Pulse
	for i, c := range []struct {
		counts vnode.Counts
		waits  time.Duration
		sheds  bool
	}{
		{vnode.Counts{}, 0, false},
		{vnode.Counts{Entered: 5, Left: 4}, 0, false},               // since now, as far as is known
		{vnode.Counts{Entered: 9, Left: 4}, time.Second, false},     // nothing has left
		{vnode.Counts{Entered: 20, Left: 5}, 0, false},              // those of the second look have left
		{vnode.Counts{Entered: 30, Left: 19}, time.Second, false},   // one of 20 has not
		{vnode.Counts{Entered: 30, Left: 30, Refused: 1}, 0, false}, // nothing waits
		{vnode.Counts{Entered: 31, Left: 30, Refused: 2}, 0, false}, // since now
		{vnode.Counts{Entered: 31, Left: 30, Refused: 3}, time.Second, true},
		{vnode.Counts{Entered: 31, Left: 31, Refused: 3}, 0, false},
		{vnode.Counts{Entered: 31, Left: 31, Refused: 4}, 0, false}, // a burst
	} {
		waits, sheds := p.Look(noon.Add(time.Duration(i)*time.Second), c.counts)
		if waits != c.waits || sheds != c.sheds {
			t.Errorf("look %d, %+v: waits %v, sheds %v; want %v, %v", i, c.counts, waits, sheds, c.waits, c.sheds)
		}
	}
}

// A node is told to be well only after some looks in a row without trouble.
func TestStrain(t *testing.T) {
	const slow = 4 * time.Second
	var s vnode.Strain
	look := func(waits time.Duration, sheds bool) bool {
		s.Note("kv", 1, 0, slow, false)
		s.Note("kv", 2, waits, slow, sheds)
		s.Note("kv", 3, 0, slow, false)
		return s.End() != ""
	}
	if look(slow-1, false) {
		t.Error("a wait that is not too long")
	}
	for _, sheds := range []bool{false, true} {
		waits := slow
		if sheds {
			waits = 0
		}
		if !look(waits, sheds) {
			t.Fatalf("waits %v, sheds %v: well", waits, sheds)
		}
		for range 4 {
			if !look(0, false) {
				t.Fatal("well too soon")
			}
		}
		if !look(slow/2, false) {
			t.Fatal("well although requests wait")
		}
		for i := range 5 {
			if well := !look(0, false); well != (i == 4) {
				t.Fatalf("after %d calm looks: well %v", i+1, well)
			}
		}
	}
}

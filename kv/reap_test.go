package kv_test

import (
	"math/rand/v2"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/replica"
)

// A copy whose record lags may not know of the hint that kept another one from
// reaping: all have to be as far as the furthest before anything is removed.
func TestReap_asFarAsTheFurthest(t *testing.T) {
	set := replica.Set{Head: testHead, Copies: []replica.Copy{
		{Entry: ring.Entry{Partition: testHead, Node: "a"}, Up: true},
		{Entry: ring.Entry{Partition: testHead + 1, Node: "b"}, Up: true},
	}}
	key := kv.AppendKey(nil, testHead, "", "b", "k")
	m := kv.NewReap(set, []kv.Tombstone{{StoreKey: key}})
	sends := m.Step(replica.Event{Type: replica.Begin}, nil)
	const ready = 1
	for i, grace := range []byte{7, 5} {
		sends = m.Step(replica.Event{Type: replica.Answer, Send: sends[i].ID, Body: []byte{0, 0, grace, ready, 1}}, append([]replica.Send(nil), sends...))
	}
	if len(sends) != 4 {
		t.Fatalf("%d sends, want two that ask and two that remove", len(sends))
	}
	for _, s := range sends[2:] {
		if do, need := s.Body[1], s.Body[2]; do != 1 || need != 7 {
			t.Errorf("to %s: remove %d from period %d on, want 1 from 7 on", s.To.Node, do, need)
		}
	}
}

// TestReap_allHoldIt: a tombstone that one copy does not hold stays everywhere,
// and a copy reaps no other state than was asked for.
func TestReap_allHoldIt(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 1)), 2, strict(2))
	key := testKey
	for i, s := range w.copies {
		state := state("x", uint64(i+1), true)
		if _, err := kv.DecodeMergeReply(s.send(kv.EncodeMerge(0, false, [2][]byte{key, state.Append(nil)}))); err != nil {
			t.Fatal(err)
		}
	}
	w.change(func(v *recordVersion) { v.grace = 9 })
	w.applyAll()
	for range 2 {
		m := w.reap()
		for len(w.flights) > 0 {
			w.end(0, answers)
		}
		if n, err := m.Result(); n != 0 || err != nil || w.stored(0) == nil || w.stored(1) == nil {
			t.Fatalf("%d reaped of tombstones that differ, %v", n, err)
		}
		item := w.copies[1].store[string(key)]
		item.Value = state("y", 7, false).Append(nil)
		w.copies[1].store[string(key)] = item // and then a value
	}
}

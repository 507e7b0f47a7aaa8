package kv_test

import (
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

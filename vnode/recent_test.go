package vnode_test

import (
	"testing"

	"github.com/dee2748c/baton/vnode"
)

func TestRecent(t *testing.T) {
	var r vnode.Recent
	id := func(seq uint64) vnode.RequestID { return vnode.RequestID{Node: "a", Incarnation: 1, Seq: seq} }
	for seq := range uint64(5000) {
		if !r.Add(id(seq)) {
			t.Fatalf("request %d is not new", seq)
		}
		if r.Add(id(seq)) || seq > 0 && r.Add(id(seq-1)) {
			t.Fatalf("request %d or the one before it is new again", seq)
		}
	}
	if !r.Add(vnode.RequestID{Node: "a", Incarnation: 2, Seq: 4999}) {
		t.Error("the same number in another life is another request")
	}
}

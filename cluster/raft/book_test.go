package raft

import (
	"testing"

	"github.com/dee2748c/baton/cluster/topology"
)

// What a server says itself holds against what others say that it said, and against the record until
// that hears of a later start.
func TestBook(t *testing.T) {
	b := newBook()
	want := func(addr string) {
		t.Helper()
		if got := b.where("a/0"); got != addr {
			t.Errorf("%q, want %q", got, addr)
		}
	}
	start := func(s topology.State, seq uint64, addr string) topology.State {
		t.Helper()
		s, o := s.Apply(topology.Command{ID: topology.CommandID{Proposer: "a", Seq: seq}, Op: topology.StartNode{
			ClusterID: topology.ClusterID{1}, Node: "a", Addr: addr, Kinds: []topology.KindSpec{{Name: "kv"}},
		}})
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		return s
	}
	want("")
	state := record(t, "a valid")
	b.record(state, true)
	want("a:1")
	b.command(topology.StartNode{Node: "a", Addr: "a:2"})
	want("a:2")
	state = start(state, 1, "a:2")
	b.told(place{"a/0", "a:3", 7})
	b.record(state, true) // it was in the log
	want("a:3")
	b.passedOn(place{"a/0", "a:2", 6})
	want("a:3")
	b.told(place{"a/0", "a:2", 6})
	want("a:3")
	b.passedOn(place{"a/0", "a:4", 8})
	want("a:4")
	state = start(state, 2, "a:5")
	b.record(state, false)
	want("a:5")
	b.passedOn(place{"a/0", "a:4", 8})
	want("a:5")
	b.told(place{"a/0", "a:6", 8})
	b.record(state, false)
	want("a:6")
	b.told(place{"a/0", "", 9})
	want("a:6")
	if of := b.of([]string{"z/0", "a/0", "b/0"}); len(of) != 1 || of[0] != (place{"a/0", "a:6", 8}) {
		t.Errorf("%v, want what a said, and nothing that only the record says", of)
	}
}

package cluster_test

import (
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// TestSeals: a frozen partition is stuck from its budget on until its flip or its abort, by the time of the
// records that showed it, and it is told once.
func TestSeals(t *testing.T) {
	r := &record{fataler: t}
	r.create(8, 1, "a", "b")
	bound(r, map[ring.Partition]ring.NodeID{1: "b", 5: "b"})
	stuck, moves := r.open("kv", 1, "b"), r.open("kv", 5, "b")
	var s cluster.Seals
	now := time.Unix(1000, 0)
	expect := func(when string, all, news int) {
		t.Helper()
		if got := s.Tell(now); len(got) != news {
			t.Errorf("%s: told of %+v, want %d", when, got, news)
		}
		got := s.Stuck(now)
		if len(got) != all {
			t.Fatalf("%s: stuck are %+v, want %d", when, got, all)
		}
		if all > 0 && (got[0].Transfer.Session != stuck || !got[0].Since.Equal(time.Unix(1000, 0))) {
			t.Errorf("%s: %+v", when, got[0])
		}
	}
	r.run(stuck, topology.StageSeal)
	s.Follow(r.s, now)
	expect("at the freeze", 0, 0)
	now = now.Add(cluster.SealAlarm - 1)
	r.run(moves, topology.StageSeal)
	s.Follow(r.s, now)
	expect("at the end of its budget", 0, 0)
	now = now.Add(1)
	s.Follow(r.s, now)
	expect("over its budget", 1, 1)
	expect("told already", 1, 0)
	r.must(topology.AbortTransfer{Session: stuck, Reason: topology.ReasonCancelled})
	s.Follow(r.s, now)
	expect("aborted", 0, 0)
}

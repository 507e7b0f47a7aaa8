package consul

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

func founded(t testing.TB, id topology.ClusterID, terms int) topology.State {
	t.Helper()
	ops := []topology.Op{topology.CreateCluster{
		ClusterID: id, RingSize: 8, TargetN: 2, NVal: 2, Kinds: []topology.KindSpec{{Name: "kv"}}, Member: topology.Member{Node: "a"},
	}}
	for range terms {
		ops = append(ops, topology.BeginTerm{Node: "a"})
	}
	var s topology.State
	for i, op := range ops {
		var o topology.Outcome
		if s, o = s.Apply(topology.Command{ID: topology.CommandID{Proposer: "p", Seq: uint64(i + 1)}, Op: op}); o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	return s
}

// I3: which heads a handle reads on from.
func TestBase(t *testing.T) {
	ours := topology.ClusterID{1}
	applied := record{log: "L", index: 5, modify: 9, state: founded(t, ours, 2)} // version 3
	empty := record{log: "L", index: 2}                                          // only refused commands so far
	at := func(log string, cluster topology.ClusterID, index, version uint64) *head {
		return &head{Format: headFormat, Log: log, Cluster: named(cluster), Index: index, Version: version}
	}
	for _, c := range []struct {
		name  string
		from  record
		known topology.ClusterID
		head  *head
		want  record
		err   error
	}{
		{"nothing anywhere", record{}, topology.ClusterID{}, nil, record{}, nil},
		{"first sight", record{}, topology.ClusterID{}, at("L", ours, 5, 3), record{log: "L"}, nil},
		{"where it is", applied, ours, at("L", ours, 5, 3), applied, nil},
		{"further on", applied, ours, at("L", ours, 7, 4), applied, nil},
		{"restored elsewhere, the same", applied, ours, at("M", ours, 1, 3), record{log: "M"}, nil},
		{"restored elsewhere, newer", applied, ours, at("M", ours, 1, 4), record{log: "M"}, nil},
		{"restored elsewhere, older", applied, ours, at("M", ours, 8, 2), record{}, cluster.ErrTopologyLost},
		{"gone back", applied, ours, at("L", ours, 4, 3), record{}, cluster.ErrTopologyLost},
		{"gone", applied, ours, nil, record{}, cluster.ErrTopologyLost},
		{"gone before this life", record{}, ours, nil, record{}, cluster.ErrTopologyLost},
		{"begun anew before this life", record{}, ours, at("M", topology.ClusterID{}, 1, 0), record{}, cluster.ErrTopologyLost},
		{"another cluster", applied, topology.ClusterID{}, at("L", topology.ClusterID{2}, 9, 9), record{}, topology.ErrClusterMismatch},
		{"an empty record gone", empty, topology.ClusterID{}, nil, record{}, nil},
		{"an empty record begun anew", empty, topology.ClusterID{}, at("M", ours, 1, 1), record{log: "M"}, nil},
	} {
		got, err := base(c.from, c.head, c.known)
		if !errors.Is(err, c.err) || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v, %v", c.name, got, err, c.want, c.err)
		}
		if err != nil && !errors.Is(err, cluster.ErrTopologyLost) {
			t.Errorf("%s: %v does not match %v", c.name, err, cluster.ErrTopologyLost)
		}
	}
}

// I6: a belief changes with what is observed and with time.
func TestBelief(t *testing.T) {
	start := time.Unix(1000, 0)
	b := belief{self: "me", after: 10 * time.Second, since: map[ring.NodeID]time.Time{}}
	all := map[ring.NodeID]bool{"me": true, "a": true, "b": true}
	type reaches = map[ring.NodeID]cluster.Reach
	for _, step := range []struct {
		name    string
		at      time.Duration
		observe map[ring.NodeID]bool
		want    reaches
		wait    time.Duration
	}{
		{"all pass", 0, all, reaches{}, 0},
		{"b warns", 0, all, reaches{"b": cluster.Struggling}, 0},
		{"a fails", 1 * time.Second, map[ring.NodeID]bool{"me": true, "a": false, "b": true}, reaches{"a": cluster.Suspect}, 10 * time.Second},
		{"b and this node are gone as well", 5 * time.Second, map[ring.NodeID]bool{"a": false}, reaches{"a": cluster.Suspect, "b": cluster.Suspect}, 6 * time.Second},
		{"a for long", 11 * time.Second, nil, reaches{"a": cluster.Unreachable, "b": cluster.Suspect}, 4 * time.Second},
		{"both for long", 15 * time.Second, nil, reaches{"a": cluster.Unreachable, "b": cluster.Unreachable}, 0},
		{"all are back", 16 * time.Second, all, reaches{}, 0},
	} {
		now := start.Add(step.at)
		if step.observe != nil {
			b.observe(now, step.observe, map[ring.NodeID]bool{"b": step.name == "b warns"})
		}
		h, wait := b.health(now)
		if !h.Equal(cluster.NewHealth(step.want)) || wait != step.wait {
			t.Errorf("%s: %+v, next in %v; want %v, next in %v", step.name, h, wait, step.want, step.wait)
		}
	}
}

func TestEntry_roundTrip(t *testing.T) {
	for _, n := range []int{0, 1, topology.Window} {
		var cmds []topology.Command
		for i := range n {
			cmds = append(cmds, topology.Command{ID: topology.CommandID{Proposer: "p", Seq: uint64(i + 1)}, Term: 3, Op: topology.BeginTerm{Node: "some node with a long name"}})
		}
		b, err := encodeEntry(cmds)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeEntry(b)
		if diff := cmp.Diff(cmds, got); err != nil || diff != "" {
			t.Errorf("%d commands in %d bytes: %v\n%s", n, len(b), err, diff)
		}
		if n == topology.Window && b[0] != entryDeflated {
			t.Errorf("%d commands in %d bytes are not compressed", n, len(b))
		}
	}
}

func FuzzDecodeEntry(f *testing.F) {
	b, err := encodeEntry([]topology.Command{{ID: topology.CommandID{Proposer: "p", Seq: 1}, Op: topology.BeginTerm{Node: "a"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(deflate([]byte{entryDeflated}, b[1:]))
	f.Add([]byte{})
	f.Add([]byte{entryDeflated, 1, 2, 3})
	f.Add([]byte{7})
	f.Fuzz(func(t *testing.T, b []byte) {
		cmds, err := decodeEntry(b)
		if err != nil {
			if !errors.Is(err, topology.ErrDamaged) && !errors.Is(err, topology.ErrFormat) {
				t.Errorf("%v is not typed", err)
			}
			return
		}
		again, err := encodeEntry(cmds)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeEntry(again); err != nil || !cmp.Equal(len(cmds), len(got)) {
			t.Errorf("%d commands, %d after a round trip: %v", len(cmds), len(got), err)
		}
	})
}

func FuzzDecodeHead(f *testing.F) {
	full := head{Format: headFormat, Log: "L", Cluster: named(topology.ClusterID{1}), Index: 7, Version: 5, Snapshot: &snapshot{Name: "s", Index: 4, Chunks: 1}}
	f.Add(full.encode())
	f.Add([]byte(`{"format":1,"log":"L","index":1}`))
	f.Add([]byte(`{"format":2,"log":"L","index":1}`))
	f.Add([]byte(`{"format":1,"log":"","index":0,"snapshot":{"index":9}}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHead(b)
		if err != nil {
			if !errors.Is(err, topology.ErrDamaged) && !errors.Is(err, topology.ErrFormat) {
				t.Errorf("%v is not typed", err)
			}
			return
		}
		again, err := decodeHead(h.encode())
		if err != nil || !bytes.Equal(h.encode(), again.encode()) {
			t.Errorf("%s is %s after a round trip: %v", h.encode(), again.encode(), err)
		}
	})
}

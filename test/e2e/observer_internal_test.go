package e2e

import (
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// TestObserverComplains (I2): the observer notices two owners in one version, and an owner that
// changed without a greater epoch, but nothing in a history that is right.
func TestObserverComplains(t *testing.T) {
	founded := func(node ring.NodeID) topology.State {
		s, out := topology.State{}.Apply(topology.Command{
			ID: topology.CommandID{Proposer: "p", Seq: 1},
			Op: topology.CreateCluster{
				ClusterID: topology.ClusterID{1}, RingSize: 8, TargetN: 1, NVal: 1,
				Kinds:  []topology.KindSpec{{Name: "kv"}},
				Member: topology.Member{Node: node, Addr: "127.0.0.1:1", Nonce: 1},
			},
		})
		if out.Err != nil {
			t.Fatal(out.Err)
		}
		return s
	}
	next := func(s topology.State) topology.State {
		node := s.Members()[0].Node
		s, out := s.Apply(topology.Command{ID: topology.CommandID{Proposer: "p", Seq: 2}, Op: topology.BeginTerm{Node: node}})
		if out.Err != nil {
			t.Fatal(out.Err)
		}
		return s
	}
	for _, tt := range []struct {
		name  string
		seen  []topology.State
		wrong bool
	}{
		{"a history", []topology.State{founded("n1"), founded("n1"), next(founded("n1")), founded("n1")}, false},
		{"two owners in one version", []topology.State{founded("n1"), founded("n2")}, true},
		{"an owner changed without an epoch", []topology.State{founded("n1"), next(founded("n2"))}, true},
		{"the same, read in the other order", []topology.State{next(founded("n2")), founded("n1")}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := &Observer{pictures: map[uint64]picture{}, views: map[*Process]uint64{}, hints: map[topology.Hint]bool{}}
			for _, s := range tt.seen {
				o.compare("n1", s)
			}
			if got := len(o.wrong) > 0; got != tt.wrong {
				t.Errorf("complaints: %q", o.wrong)
			}
		})
	}
}

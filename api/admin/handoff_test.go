package admin

import (
	"testing"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// TestLook_waits: what a transfer waits for, by its stage and by what both sides say.
func TestLook_waits(t *testing.T) {
	silent := cluster.NewHealth(map[ring.NodeID]cluster.Reach{"b": cluster.Suspect})
	stalled := func(source, target string) look {
		return look{source: Progress{Stall: source}, target: Progress{Stall: target}}
	}
	seal := &topology.Seal{}
	for _, tt := range []struct {
		name string
		k    look
		t    topology.Transfer
		want string
	}{
		{"no room yet", look{}, topology.Transfer{Stage: topology.StagePrepare}, "b to make room"},
		{"not begun", look{}, topology.Transfer{Stage: topology.StagePrepare, TargetReady: true}, "a to begin"},
		{"a silent node", look{believed: silent}, topology.Transfer{Stage: topology.StageFold}, "b does not answer"},
		{"it moves", look{}, topology.Transfer{Stage: topology.StageFold}, ""},
		{"the rate", stalled("rate limit", "source"), topology.Transfer{Stage: topology.StageFold}, "rate limit of a"},
		{"the network", stalled("window full", "source"), topology.Transfer{Stage: topology.StageFold}, "network, or b"},
		{"the disk", stalled("window full", "disk"), topology.Transfer{Stage: topology.StageFold}, "disk of b"},
		{"the vnode", stalled("vnode", ""), topology.Transfer{Stage: topology.StageFold}, "vnode of a"},
		{"admission", stalled("admission", ""), topology.Transfer{Stage: topology.StageFold}, "b to admit it"},
		{"a hand-back", look{}, topology.Transfer{Stage: topology.StageFold, Type: topology.Merge}, "b to take what a kept for it"},
		{"a hand-back to who is silent", look{believed: silent}, topology.Transfer{Stage: topology.StageFold, Type: topology.Merge}, "b does not answer"},
		{"a repair", look{}, topology.Transfer{Stage: topology.StageFold, Type: topology.Repair}, "a to compare its copy with the others"},
		{"a guard", look{guards: []Guard{{Node: "a", Name: "source of kv/1"}}}, topology.Transfer{Stage: topology.StageAbort}, `a to end its "source of kv/1"`},
		{"a word that has no sentence", stalled("connection", ""), topology.Transfer{Stage: topology.StageFold}, "connection"},
		{"no neighbour any more", look{state: neighbours(t)}, topology.Transfer{Stage: topology.StageFold, Waits: true, Kind: "kv", Partition: 7}, "the coordinator"},
		{"a neighbour", look{state: neighbours(t)}, topology.Transfer{Stage: topology.StageFold, Waits: true, Kind: "kv", Partition: 1, Session: 9}, "its neighbour kv/2, session 1, in seal"},
		{"not frozen", look{}, topology.Transfer{Stage: topology.StageSeal}, "a to freeze and send the last changes"},
		{"not sealed", look{}, topology.Transfer{Stage: topology.StageSeal, Frozen: seal}, "b to confirm the copy"},
		{"not served", look{}, topology.Transfer{Stage: topology.StageDrain}, "b to serve its copy"},
		{"not drained", look{}, topology.Transfer{Stage: topology.StageDrain, Activated: true}, "a to end what it had begun"},
		{"not deleted", look{}, topology.Transfer{Stage: topology.StageClean}, "a to delete its copy"},
		{"not released", look{}, topology.Transfer{Stage: topology.StageAbort}, "a to take up its work"},
	} {
		tt.t.Source, tt.t.Target = "a", "b"
		if got := tt.k.waits(&tt.t); got != tt.want {
			t.Errorf("%s: waits for %q, want %q", tt.name, got, tt.want)
		}
	}
}

// neighbours is a record with kv/2 between its freeze and its flip.
func neighbours(t *testing.T) topology.State {
	t.Helper()
	var s topology.State
	seq := uint64(0)
	kinds := []topology.KindSpec{{Name: "kv"}}
	for _, op := range []topology.Op{
		topology.CreateCluster{ClusterID: topology.ClusterID{1}, RingSize: 8, TargetN: 2, NVal: 2, Kinds: kinds, Member: topology.Member{Node: "a", Nonce: 1}},
		topology.BeginTerm{Node: "a"},
		topology.Join{Node: "b", Nonce: 2, Kinds: kinds},
		nil,
		topology.OpenTransfer{Type: topology.Swap, Kind: "kv", Partition: 2, Target: "b", ExpectEpoch: 1},
		topology.SourceReady{Report: topology.Report{Session: 1, Node: "a", Incarnation: 1}},
		topology.TargetReady{Report: topology.Report{Session: 1, Node: "b", Incarnation: 1}},
		topology.ReadyToSeal{Report: topology.Report{Session: 1, Node: "a", Incarnation: 1}},
	} {
		ops := []topology.Op{op}
		if op == nil {
			ops = []topology.Op{topology.StagePlan{Ring: s.Ring().With(map[ring.Partition]ring.NodeID{2: "b"}), BasedOn: s.Membership()}, nil}
		}
		for _, op := range ops {
			if op == nil {
				op = topology.CommitPlan{PlanVersion: s.Plan().Version}
			}
			seq++
			term, _ := s.Term()
			next, out := s.Apply(topology.Command{ID: topology.CommandID{Proposer: "t", Seq: seq}, Term: term, Op: op})
			if out.Err != nil {
				t.Fatal(out.Err)
			}
			s = next
		}
	}
	return s
}

// TestProgress: percent and time left are there only when somebody knows.
func TestProgress(t *testing.T) {
	for _, tt := range []struct {
		p            Progress
		percent, eta float64 // -1: not known
	}{
		{Progress{Items: 5}, -1, -1},
		{Progress{Items: 5, TotalItems: 40}, 12.5, -1},
		{Progress{Items: 5, TotalItems: 40, ItemRate: 10}, 12.5, 3.5},
		{Progress{Items: 50, TotalItems: 40, ItemRate: 10}, 100, -1},
	} {
		percent, known := tt.p.percent()
		if known != (tt.percent >= 0) || known && percent != tt.percent {
			t.Errorf("%+v: %v%%, %t", tt.p, percent, known)
		}
		eta, known := tt.p.eta()
		if known != (tt.eta >= 0) || known && eta != tt.eta {
			t.Errorf("%+v: %v s, %t", tt.p, eta, known)
		}
	}
}

package admin

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/topology"
)

func TestPlan_estimate(t *testing.T) {
	state, out := topology.State{}.Apply(topology.Command{ID: topology.CommandID{Proposer: "test", Seq: 1}, Op: topology.CreateCluster{
		ClusterID: topology.ClusterID{1}, RingSize: 8, TargetN: 1, NVal: 1, Kinds: []topology.KindSpec{{Name: "kv"}}, Member: topology.Member{Node: "a"},
	}})
	if out.Err != nil {
		t.Fatal(out.Err)
	}
	answers := []NodeSizes{
		{Node: "a", Parts: []PartSize{{"kv", 0, 10, 600}, {"kv", 1, 5, 400}}, Rate: 100},
		{Node: "b", Rate: 400},
		{Node: "c", Err: errors.New("no route")},
	}
	sizes, rate, unanswered := sized(state, answers)
	if items, bytes, ok := sizes("kv", 1); items != 5 || bytes != 400 || !ok {
		t.Errorf("partition 1: %d items, %d bytes, %t", items, bytes, ok)
	}
	if _, bytes, ok := sizes("kv", 2); bytes != 0 || !ok {
		t.Error("what the owner does not list is not empty")
	}
	unsized, _, _ := sized(state, answers[1:])
	if _, _, ok := unsized("kv", 1); ok {
		t.Error("the size is known of what a silent node owns")
	}
	if diff := cmp.Diff([]Unanswered{{"c", "no route"}}, unanswered); diff != "" {
		t.Error(diff)
	}
	p := Plan{Transfers: []PlanTransfer{{From: "a", To: "b", Count: 2, Bytes: 600}, {From: "a", To: "d", Count: 1, Bytes: 400}}}
	p.estimate(rate)
	if p.Count != 3 || p.Bytes != 1000 {
		t.Errorf("%d transfers, %d bytes", p.Count, p.Bytes)
	}
	// a sends 1000 bytes at the slowest rate that was measured.
	if diff := cmp.Diff(Estimate{Seconds: 10, Rate: 100, Measured: true}, p.Estimate); diff != "" {
		t.Error(diff)
	}
	p = Plan{}
	p.estimate(0)
	if p.Estimate.Measured || p.Estimate.Rate != AssumedRate {
		t.Errorf("nothing was measured: %+v", p.Estimate)
	}
}

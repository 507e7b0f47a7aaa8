package cluster_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// TestWaits: each partition that does not move says why, and what Schedule opens is not among the obstacles.
func TestWaits(t *testing.T) {
	for _, c := range []struct {
		name   string
		setup  func(*record)
		limits cluster.Limits
		want   string // of kv/1 to b
	}{
		{"nothing in the way", func(*record) {}, cluster.Limits{}, "its turn comes next"},
		{"the source is switched off", func(r *record) { r.must(topology.SwitchTransfers{Node: "a", Kind: "kv", Outbound: true}) }, cluster.Limits{}, "a has outbound transfers disabled"},
		{"the target is switched off", func(r *record) { r.must(topology.SwitchTransfers{Inbound: true}) }, cluster.Limits{}, "b has inbound transfers disabled"},
		{"no slot", func(r *record) { r.must(topology.SetTransferLimit{Node: "b"}) }, cluster.Limits{}, "b receives 0 already, which is its limit"},
		{"all slots taken", func(r *record) {
			r.must(topology.SetTransferLimit{Limit: 1})
			r.open("kv", 5, "c")
		}, cluster.Limits{}, "a sends 1 already, which is its limit"},
		{"the target is silent", func(*record) {}, cluster.Limits{Up: func(n ring.NodeID) bool { return n != "b" }}, "b does not answer"},
		{"the target is down", func(r *record) { r.must(topology.MarkDown{Node: "b"}) }, cluster.Limits{}, "b is down"},
		{"it is moving", func(r *record) { r.open("kv", 1, "b") }, cluster.Limits{}, ""},
		{"its slot is taken by a move elsewhere", func(r *record) { r.open("kv", 1, "c") }, cluster.Limits{}, "session 1 to c has its slot, in prepare"},
		{"an operator cancelled it", func(r *record) { r.cancelled("kv", 1, topology.ReasonCancelled) }, cluster.Limits{}, "an operator cancelled it: it is opened again after a pause"},
		{"it failed", func(r *record) { r.cancelled("kv", 1, topology.ReasonDiskFull) }, cluster.Limits{}, "attempt 1 failed (disk full): it is opened again after a pause"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &record{fataler: t}
			r.create(8, 2, "a", "b", "c")
			bound(r, map[ring.Partition]ring.NodeID{1: "b", 5: "c"})
			c.setup(r)
			got := ""
			for _, w := range cluster.Waits(r.s, c.limits) {
				if w.Kind == "kv" && w.Partition == 1 {
					got = w.Why
				}
				if w.Source != "a" || w.Target != r.s.Ring().Owner(w.Partition) {
					t.Errorf("%+v", w)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if w := cluster.Waits(topology.State{}, cluster.Limits{}); w != nil {
		t.Error("an empty record waits for", w)
	}
}

// cancelled opens a transfer and aborts it.
func (r *record) cancelled(kind topology.Kind, p ring.Partition, why topology.Reason) {
	r.Helper()
	session := r.open(kind, p, r.s.Ring().Owner(p))
	r.must(topology.AbortTransfer{Session: session, Reason: why})
	t := r.s.Transfer(session)
	r.must(topology.SourceReleased{Report: topology.Report{Session: session, Node: t.Source, Incarnation: t.SourceIncarnation}})
}

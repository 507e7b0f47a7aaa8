package cluster_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// stage plans, stages the plan and returns its report.
func (r *record) stage(sizes ...cluster.Sizes) *cluster.PlanReport {
	r.Helper()
	result, err := cluster.Plan(r.s)
	if err != nil {
		r.Fatalf("plan: %v", err)
	}
	r.must(cluster.PlanOp(r.s, result))
	rep, err := cluster.Report(r.s, sizes...)
	if err != nil {
		r.Fatalf("report: %v", err)
	}
	return rep
}

// arrive moves everything to where the ring wants it.
func (r *record) arrive() {
	r.Helper()
	for range 1000 {
		r.must(r.reports()...)
		for _, op := range cluster.Schedule(r.s, cluster.Limits{}) {
			r.must(op)
		}
		if r.s.Settled() {
			return
		}
	}
	r.Fatalf("not settled: %+v", r.s.Transfers())
}

// A replacement alone changes names only, however unbalanced the ring is.
func TestPlan_replace(t *testing.T) {
	r := &record{fataler: t}
	r.create(8, 2, "a", "b")
	r.must(topology.Join{Node: "c", Kinds: kinds}, topology.StageReplace{Old: "a", New: "c"})
	rep := r.stage()
	if diff := cmp.Diff([]string{"8 from a to c: 0 items, 0 bytes, 16 unknown"}, tellFlows(rep.Transfers)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.must(topology.CommitPlan{PlanVersion: r.s.Plan().Version})
	r.arrive()
	if n := r.s.Owners("kv").Count("c"); n != 8 {
		t.Errorf("c has %d partitions, a had 8", n)
	}
}

// A member that does not answer keeps what it has, no more and no less, and the others share the rest.
func TestPlan_avoid(t *testing.T) {
	r := &record{fataler: t}
	r.create(64, 3, "a", "b", "c", "d", "e", "f")
	r.stage()
	r.must(topology.CommitPlan{PlanVersion: r.s.Plan().Version})
	r.arrive()
	before := r.s.Ring().Partitions("d")
	for _, change := range []topology.Op{topology.Join{Node: "g", Kinds: kinds}, topology.StageLeave{Node: "b"}} {
		r.must(change)
		result, err := cluster.Plan(r.s, "d")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, result.Ring.Partitions("d")); diff != "" {
			t.Errorf("%s: partitions of d (-before +after):\n%s", topology.OpName(change), diff)
		}
		for _, n := range result.Ring.Nodes() {
			others := (64 - len(before)) / (len(result.Ring.Nodes()) - 1)
			if got := result.Ring.Count(n); n != "d" && (got < others || got > others+1) {
				t.Errorf("%s: %s gets %d of the %d partitions that are not of d", topology.OpName(change), n, got, 64-len(before))
			}
		}
	}
}

func tellFlows(flows []cluster.Flow) []string {
	var out []string
	for _, f := range flows {
		out = append(out, fmt.Sprintf("%d from %s to %s: %d items, %d bytes, %d unknown", len(f.Partitions), f.From, f.To, f.Items, f.Bytes, f.Unknown))
	}
	return out
}

func TestReport(t *testing.T) {
	r := &record{fataler: t}
	if _, err := cluster.Report(topology.State{}); !errors.Is(err, topology.ErrNothingPlanned) {
		t.Errorf("of an empty record: %v", err)
	}
	r.create(8, 2, "a", "b")
	result, err := cluster.Plan(r.s)
	if err != nil {
		t.Fatal(err)
	}
	r.must(cluster.PlanOp(r.s, result), topology.CommitPlan{PlanVersion: r.s.Version() + 1})
	r.arrive()

	weight := 3
	r.must(topology.Join{Node: "c", Kinds: kinds}, topology.StageLeave{Node: "a"}, topology.StageShare{Node: "b", Weight: &weight})
	rep := r.stage(func(k topology.Kind, p ring.Partition) (uint64, uint64, bool) { return 1, 100 + uint64(p), k == "kv" })
	share := func(s topology.Status, n, weight int) cluster.MemberShare {
		return cluster.MemberShare{Status: s, Partitions: n, Percent: float64(n) / 8 * 100, Share: topology.Share{Weight: weight}}
	}
	want := &cluster.PlanReport{
		Version: r.s.Version(),
		Changes: []topology.StagedChange{
			{Action: topology.ActionLeave, Node: "a"}, {Action: topology.ActionShare, Node: "b", Weight: 3}, {Action: topology.ActionJoin, Node: "c"},
		},
		Members: []cluster.MemberReport{
			{Node: "a", Before: share(topology.Valid, 4, 0), After: share(topology.Leaving, 0, 0)},
			{Node: "b", Before: share(topology.Valid, 4, 0), After: share(topology.Valid, 4, 3)},
			{Node: "c", Before: share(topology.Joining, 0, 0), After: share(topology.Valid, 4, 0)},
		},
	}
	ignore := cmpopts.IgnoreFields(cluster.PlanReport{}, "Transfers", "Infeasible", "Reason")
	if diff := cmp.Diff(want, rep, ignore); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if rep.Infeasible == "" {
		t.Error("b asks for three quarters of a ring in which it can have half, and nothing is said")
	}
	moved := 0
	for _, p := range rep.Transfers[0].Partitions {
		moved += 100 + int(p)
	}
	if diff := cmp.Diff([]string{fmt.Sprintf("4 from a to c: 4 items, %d bytes, 4 unknown", moved)}, tellFlows(rep.Transfers)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	r.must(topology.Join{Node: "d", Kinds: kinds})
	if _, err := cluster.Report(r.s); !errors.Is(err, topology.ErrPlanChanged) {
		t.Errorf("of a plan that the record left behind: %v", err)
	}
}

func dangers(rep *cluster.PlanReport) []string {
	var out []string
	for _, w := range rep.Warnings {
		out = append(out, fmt.Sprintf("%s %s %d", w.Danger, w.Kind, len(w.Partitions)))
	}
	return out
}

// The report says what a commit loses, and the commit does just that.
func TestReport_forced(t *testing.T) {
	for _, c := range []struct {
		name  string
		nval  int
		nodes []ring.NodeID
		ops   []topology.Op
		want  []string
	}{
		{"one of three copies", 3, []ring.NodeID{"a", "b", "c", "d"}, []topology.Op{topology.StageForceRemove{Node: "b"}}, []string{"nodes  2", "loss queue 4"}},
		{"the only copy", 1, []ring.NodeID{"a", "b"}, []topology.Op{topology.StageForceRemove{Node: "b"}}, []string{"loss kv 8", "loss queue 8"}},
		{"all copies", 2, []ring.NodeID{"a", "b", "c", "d"}, []topology.Op{topology.StageForceRemove{Node: "b"}, topology.StageForceRemove{Node: "c"}}, []string{"loss kv 4", "loss queue 8"}},
		{"replaced by force", 3, []ring.NodeID{"a", "b", "c", "d"}, []topology.Op{topology.Join{Node: "e", Kinds: kinds}, topology.StageForceReplace{Old: "b", New: "e"}}, []string{"loss queue 4"}},
		{"too few nodes", 3, []ring.NodeID{"a", "b", "c"}, []topology.Op{topology.StageForceRemove{Node: "c"}}, []string{"nodes  16", "loss queue 5"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &record{fataler: t}
			r.create(16, c.nval, c.nodes...)
			// Partition p is of the p-th node, in turn, so that the losses can be counted.
			to := map[ring.Partition]ring.NodeID{}
			for p := range ring.Partition(16) {
				to[p] = c.nodes[int(p)%len(c.nodes)]
			}
			bound(r, to)
			r.arrive()
			r.must(c.ops...)
			rep := r.stage()
			if diff := cmp.Diff(c.want, dangers(rep)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			given := map[ring.Partition]ring.NodeID{}
			for _, f := range rep.Forced {
				for _, p := range f.Partitions {
					given[p] = f.To
				}
			}
			r.must(topology.CommitPlan{PlanVersion: r.s.Plan().Version})
			for p, x := range r.s.Parts("kv") {
				if (given[p] == "") != (x.Reassigned == nil) || given[p] != "" && given[p] != x.Owner {
					t.Errorf("kv/%d is of %s, reassigned %+v; the report said %q", p, x.Owner, x.Reassigned, given[p])
				}
			}
		})
	}
}

// A second loss before the first is repaired is told.
func TestReport_unrepaired(t *testing.T) {
	r := &record{fataler: t}
	r.create(8, 2, "a", "b", "c")
	bound(r, map[ring.Partition]ring.NodeID{1: "b", 2: "c", 4: "b", 5: "c", 7: "b"})
	r.arrive()
	r.must(topology.StageForceRemove{Node: "b"})
	r.stage()
	r.must(topology.CommitPlan{PlanVersion: r.s.Plan().Version}, topology.Join{Node: "d", Kinds: kinds}, topology.StageForceRemove{Node: "c"})
	rep := r.stage()
	found := false
	for _, w := range rep.Warnings {
		found = found || w.Danger == cluster.DangerUnrepaired && w.Kind == "kv"
	}
	if !found {
		t.Errorf("c has the only copies of what b had, but the warnings are %v", dangers(rep))
	}
}

// What departing members keep for others is told: lost with those removed by force, handed back by the others
// before they exit.
func TestReport_hints(t *testing.T) {
	r := &record{fataler: t}
	r.create(8, 2, "a", "b", "c", "d")
	r.must(topology.MarkDown{Node: "a"})
	for _, h := range []topology.OpenHint{{Kind: "kv", Partition: 1, Node: "b"}, {Kind: "kv", Partition: 3, Node: "b"}, {Kind: "kv", Partition: 3, Node: "c"}, {Kind: "kv", Partition: 5, Node: "d"}} {
		h.Incarnation = 1
		r.must(h)
	}
	r.must(topology.StageForceRemove{Node: "b"}, topology.StageLeave{Node: "c"})
	r.must(topology.StagePlan{Ring: r.s.Ring(), BasedOn: r.s.Membership()})
	rep, err := cluster.Report(r.s)
	if err != nil {
		t.Fatal(err)
	}
	warned := slices.DeleteFunc(dangers(rep), func(s string) bool { return strings.HasPrefix(s, "nodes") })
	if diff := cmp.Diff([]string{"hints kv 2", "waits kv 1"}, warned); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.must(topology.CommitPlan{PlanVersion: r.s.Plan().Version})
	if n := len(r.s.HintsOf("b")); n > 0 || !r.s.Part("kv", 1).Incomplete || !r.s.Part("kv", 3).Incomplete || r.s.Part("kv", 5).Incomplete {
		t.Errorf("%d hints of the removed b, kv/1 %+v", n, r.s.Part("kv", 1))
	}
	if ops := schedule(r, cluster.Limits{}); len(ops) > 0 {
		t.Errorf("c keeps data for others, and the coordinator proposes %v", ops)
	}
	r.must(topology.CloseHint{Kind: "kv", Partition: 3, Node: "c", Opened: r.s.HintsOf("c")[0].Opened})
	if diff := cmp.Diff([]string{"exited c"}, schedule(r, cluster.Limits{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Locations count as nodes do.
func TestReport_locations(t *testing.T) {
	r := &record{fataler: t}
	r.create(8, 2, "a", "b")
	place := "rack"
	r.must(topology.StageShare{Node: "a", Location: &place}, topology.StageShare{Node: "b", Location: &place})
	if diff := cmp.Diff([]string{"locations  8"}, dangers(r.stage())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Plan and report of a join to 100 nodes with 4,096 partitions.
func BenchmarkPlan_report(b *testing.B) {
	r := &record{fataler: b}
	nodes := make([]ring.NodeID, 100)
	for i := range nodes {
		nodes[i] = ring.NodeID(fmt.Sprintf("node%03d", i))
	}
	r.create(4096, 3, nodes...)
	r.stage()
	r.must(topology.CommitPlan{PlanVersion: r.s.Plan().Version}, topology.Join{Node: "one-more", Kinds: kinds})
	b.ReportAllocs()
	for b.Loop() {
		result, err := cluster.Plan(r.s)
		if err != nil {
			b.Fatal(err)
		}
		s, out := r.s.Apply(topology.Command{ID: topology.CommandID{Proposer: "bench", Seq: 1}, Op: cluster.PlanOp(r.s, result)})
		if out.Err != nil {
			b.Fatal(out.Err)
		}
		if _, err := cluster.Report(s); err != nil {
			b.Fatal(err)
		}
	}
}

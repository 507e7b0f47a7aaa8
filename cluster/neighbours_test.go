package cluster_test

import (
	"testing"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// TestSchedule_neighbours: while members come and go, neighbours copy at once and at most one of them is frozen
// (K7). Each round every transfer gets one report, and a copy takes copyRounds. If a transfer were opened only
// after its neighbours' end, four joining four would take 109 rounds instead of 64, with 16 transfers at
// once on average instead of 30.
func TestSchedule_neighbours(t *testing.T) {
	const copyRounds = 20
	four := []ring.NodeID{"a", "b", "c", "d"}
	join := func(n ring.NodeID) topology.Op { return topology.Join{Node: n, Kinds: kinds} }
	for _, c := range []struct {
		name   string
		nodes  []ring.NodeID
		change []topology.Op
		rounds int // at most
	}{
		{"one joins four", four, []topology.Op{join("e")}, 90},
		{"four join four", four, []topology.Op{join("e"), join("f"), join("g"), join("h")}, 75},
		{"one of six leaves", append(four, "e", "f"), []topology.Op{topology.StageLeave{Node: "b"}}, 95},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &record{fataler: t}
			r.create(64, 4, c.nodes...)
			r.stage()
			r.must(topology.CommitPlan{PlanVersion: r.s.Plan().Version})
			r.arrive()
			r.must(c.change...)
			r.stage()
			r.must(topology.CommitPlan{PlanVersion: r.s.Plan().Version})
			most, sum, rounds := 0, 0, 0
			copying := map[uint64]int{} // rounds so far
			for ; !r.s.Settled(); rounds++ {
				if rounds > 1000 {
					t.Fatalf("not settled: %+v", r.s.Transfers())
				}
				r.must(cluster.Schedule(r.s, cluster.Limits{})...)
				most, sum = max(most, len(r.s.Transfers())), sum+len(r.s.Transfers())
				for _, tr := range r.s.Transfers() {
					if tr.Stage == topology.StageFold && copying[tr.Session] < copyRounds {
						copying[tr.Session]++
						continue
					}
					for _, n := range []ring.NodeID{tr.Target, tr.Source} {
						if op := r.report(tr, n); op != nil {
							r.must(op)
							break
						}
					}
				}
				onlyOneFrozen(t, r.s)
			}
			t.Logf("at most %d transfers at once, %.1f on average, %d rounds", most, float64(sum)/float64(rounds), rounds)
			if rounds > c.rounds {
				t.Errorf("%d rounds, want at most %d", rounds, c.rounds)
			}
		})
	}
}

// onlyOneFrozen checks that no two transfers of partitions in one preflist are between SEAL and the end of DRAIN.
func onlyOneFrozen(t *testing.T, s topology.State) {
	t.Helper()
	for _, k := range s.Kinds() {
		for p := range ring.Partition(s.RingSize()) {
			frozen := 0
			for i := range 4 {
				x := s.Part(k.Name, p.Next(i, s.RingSize()))
				if x.Transfer != nil && (x.Transfer.Stage == topology.StageSeal || x.Transfer.Stage == topology.StageDrain) {
					frozen++
				}
			}
			if frozen > 1 {
				t.Fatalf("K7: %d of the 4 partitions from %s/%d on are frozen", frozen, k.Name, p)
			}
		}
	}
}

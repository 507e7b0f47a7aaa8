package sim

import (
	"fmt"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/clustertest"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// A Record is a record alone, without nodes and without time: for histories of membership that are too
// large for processes.
type Record struct {
	State topology.State
	seq   uint64
}

// Try applies an operation in the present term.
func (r *Record) Try(op topology.Op) topology.Outcome {
	r.seq++
	term, _ := r.State.Term()
	id := topology.CommandID{Proposer: fmt.Sprintf("record %d", r.seq/topology.Window), Seq: r.seq%topology.Window + 1}
	var out topology.Outcome
	r.State, out = r.State.Apply(topology.Command{ID: id, Term: term, Op: op})
	return out
}

// Must is Try of what cannot be refused.
func (r *Record) Must(op topology.Op) {
	if out := r.Try(op); out.Err != nil {
		panic(out.Err) // a mistake of the test
	}
}

// Commit stages a plan for what is staged and commits it, and returns the claim.
func (r *Record) Commit() *ring.ClaimResult {
	result, err := cluster.Plan(r.State)
	if err != nil {
		panic(err) // a mistake of the test
	}
	r.Must(cluster.PlanOp(r.State, result))
	r.Must(topology.CommitPlan{PlanVersion: r.State.Plan().Version})
	return result
}

// Settle lets the scheduler and perfect participants work until nothing is left, and reports whether
// every partition is where the ring wants it. Partitions of members that are down stay.
func (r *Record) Settle() bool {
	for {
		moved := false
		for _, op := range cluster.Schedule(r.State, cluster.Limits{PerNode: 64}) {
			moved = r.Try(op).Changed() || moved
		}
		for _, t := range r.State.Transfers() {
			for _, n := range []ring.NodeID{t.Source, t.Target} {
				now := r.State.Transfer(t.Session)
				if now == nil {
					break
				}
				if op := clustertest.NextReport(r.State, now, n); op != nil {
					moved = r.Try(op).Changed() || moved
				}
			}
		}
		for _, m := range r.State.Members() {
			if m.Status == topology.Exiting {
				moved = r.Try(topology.RemoveMember{Node: m.Node}).Changed() || moved
			}
		}
		if !moved {
			return r.State.Settled()
		}
	}
}

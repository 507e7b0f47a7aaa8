package cluster_test

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/clustertest"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

var kinds = []topology.KindSpec{{Name: "kv"}, {Name: "queue", Volatile: true, Activate: true}}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// A record is a state with a history of one proposer.
type record struct {
	fataler
	s   topology.State
	seq uint64
}

// try applies operations in a term.
func (r *record) try(term uint64, ops ...topology.Op) []topology.Outcome {
	var out []topology.Outcome
	for _, op := range ops {
		r.seq++
		var o topology.Outcome
		r.s, o = r.s.Apply(topology.Command{ID: topology.CommandID{Proposer: "p", Seq: r.seq}, Term: term, Op: op})
		out = append(out, o)
	}
	return out
}

// must applies operations in the current term, all of which must be accepted.
func (r *record) must(ops ...topology.Op) {
	r.Helper()
	term, _ := r.s.Term()
	for i, o := range r.try(term, ops...) {
		if o.Err != nil {
			r.Fatalf("%s: %v", topology.OpName(ops[i]), o.Err)
		}
	}
}

// create makes a cluster whose first node owns everything, and whose others are valid members.
func (r *record) create(size, nval int, nodes ...ring.NodeID) {
	r.Helper()
	r.must(topology.CreateCluster{
		ClusterID: topology.ClusterID{1}, RingSize: size, TargetN: nval, NVal: nval, Kinds: kinds, Member: topology.Member{Node: nodes[0]},
	})
	for _, n := range nodes[1:] {
		r.must(topology.Join{Node: n, Kinds: kinds})
	}
	r.must(topology.StagePlan{Ring: r.s.Ring(), BasedOn: r.s.Membership()})
	r.must(topology.CommitPlan{PlanVersion: r.s.Plan().Version})
}

func (r *record) start(node ring.NodeID) {
	m, _ := r.s.Member(node)
	r.must(topology.StartNode{ClusterID: r.s.ClusterID(), Node: node, Nonce: m.Nonce, Kinds: kinds})
}

// report returns what a node can report next about a transfer, or nil.
func (r *record) report(t *topology.Transfer, node ring.NodeID) topology.Op {
	return clustertest.NextReport(r.s, t, node)
}

// reports returns all that participants can report now.
func (r *record) reports() []topology.Op {
	var left []topology.Op
	for _, m := range r.s.Members() {
		if m.Status == topology.Exiting {
			left = append(left, topology.RemoveMember{Node: m.Node})
		}
	}
	if len(left) > 0 {
		return left
	}
	var ops []topology.Op
	for _, t := range r.s.Transfers() {
		for _, n := range []ring.NodeID{t.Source, t.Target} {
			if op := r.report(t, n); op != nil {
				ops = append(ops, op)
			}
		}
	}
	return ops
}

// tellOp prints an operation on one line.
func tellOp(op topology.Op) string {
	switch op := op.(type) {
	case topology.OpenTransfer:
		return fmt.Sprintf("open %s/%d to %s at epoch %d", op.Kind, op.Partition, op.Target, op.ExpectEpoch)
	case topology.AbortTransfer:
		return fmt.Sprintf("abort %d: %s", op.Session, op.Reason)
	case topology.CommitTransfer:
		return fmt.Sprintf("commit %d", op.Session)
	case topology.RevertTransfer:
		return fmt.Sprintf("revert %d", op.Session)
	case topology.BeginSeal:
		if len(op.Past) > 0 {
			return fmt.Sprintf("begin seal %d past %d", op.Session, op.Past)
		}
		return fmt.Sprintf("begin seal %d", op.Session)
	case topology.MarkExited:
		return fmt.Sprintf("exited %s", op.Node)
	case topology.RemoveMember:
		return fmt.Sprintf("remove %s", op.Node)
	case topology.BeginTerm:
		return fmt.Sprintf("begin term by %s", op.Node)
	}
	return topology.OpName(op)
}

package cluster_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// TestCoordination_settles runs a cluster of machines on a virtual clock: participants report in any
// order, refuse, restart and go down, operators join nodes, stage leaves and commit, coordinators
// change and lose answers. The scheduler's limits hold all along; and when the faults end, every
// partition comes to rest where the committed ring wants it, whatever happened before.
func TestCoordination_settles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{record: &record{fataler: t}, t: t}
		w.create(16, 3, "a", "b", "c", "d")
		w.elect("a")
		for range rapid.IntRange(20, 80).Draw(t, "steps") {
			w.fault()
			w.turn()
		}
		w.heal()
		for i := 0; !w.s.Settled() || w.unfinished(); i++ {
			if i > 2000 {
				t.Fatalf("not settled: %s", w)
			}
			w.turn()
		}
	})
}

const perNode = 3

type world struct {
	*record
	t      *rapid.T
	calm   bool
	leader ring.NodeID
	m      *cluster.Coordination
	now    time.Time
	wake   time.Time       // zero when no Wake is set
	shown  *topology.State // to the machine
}

// elect starts a new coordination, which knows nothing.
func (w *world) elect(node ring.NodeID) {
	w.leader = node
	w.m = cluster.NewCoordination(cluster.CoordinationOptions{Node: node, Limits: cluster.Limits{PerNode: perNode}})
	w.wake, w.shown = time.Time{}, nil
}

// turn lets one participant report, or shows the coordinator a change of the record, or lets the time
// of its wake come. As with a real store, what did not change is not shown.
func (w *world) turn() {
	reports := w.reports()
	changed := w.shown == nil || w.shown.Version() != w.s.Version()
	switch k := rapid.IntRange(0, 3).Draw(w.t, "turn"); {
	case len(reports) > 0 && (k > 0 || !changed):
		term, _ := w.s.Term()
		w.try(term, rapid.SampledFrom(reports).Draw(w.t, "report"))
	case changed:
		shown := w.s
		w.shown = &shown
		w.do(w.m.Step(cluster.Changed{At: w.now, Update: cluster.Update{State: w.s, Leader: true}}))
	case !w.wake.IsZero():
		w.now, w.wake = w.wake, time.Time{}
		w.do(w.m.Step(cluster.Elapsed{At: w.now}))
	case w.calm:
		w.t.Fatalf("nothing happens any more: %s", w)
	}
}

func (w *world) do(actions []cluster.Action) {
	for len(actions) > 0 {
		a := actions[0]
		actions = actions[1:]
		switch a := a.(type) {
		case cluster.Wake:
			w.wake = w.now.Add(a.After)
		case cluster.Propose:
			e := cluster.Answered{At: w.now}
			if !w.calm && rapid.IntRange(0, 9).Draw(w.t, "answer") == 0 {
				e.Err = cluster.ErrUnknown
				if rapid.Bool().Draw(w.t, "applied") {
					w.try(a.Term, a.Ops...)
				}
			} else {
				e.Outcomes = w.try(a.Term, a.Ops...)
			}
			w.limits(a.Ops)
			actions = append(actions, w.m.Step(e)...)
		}
	}
}

// limits checks what Schedule promises after it opened transfers.
func (w *world) limits(ops []topology.Op) {
	if _, opened := ops[len(ops)-1].(topology.OpenTransfer); !opened {
		return
	}
	load := map[ring.NodeID]int{}
	q := w.s.RingSize()
	for _, t := range w.s.Transfers() {
		load[t.Source]++
		load[t.Target]++
		for _, u := range w.s.Transfers() {
			apart := min(t.Partition.Next(-int(u.Partition), q), u.Partition.Next(-int(t.Partition), q))
			if t != u && t.Kind == u.Kind && int(apart) < w.s.NVal() && t.Stage != topology.StageClean && u.Stage != topology.StageClean {
				w.t.Fatalf("K7: sessions %d and %d move %s/%d and %s/%d at once", t.Session, u.Session, t.Kind, t.Partition, u.Kind, u.Partition)
			}
		}
	}
	for n, k := range load {
		if k > perNode {
			w.t.Fatalf("%d transfers at %s", k, n)
		}
	}
}

// fault does something that is not in the plan.
func (w *world) fault() {
	t := w.t
	node := rapid.SampledFrom([]ring.NodeID{"a", "b", "c", "d", "e"}).Draw(t, "node")
	m, _ := w.s.Member(node)
	term, _ := w.s.Term()
	switch rapid.IntRange(0, 19).Draw(t, "fault") {
	case 0:
		w.try(0, topology.Join{Node: node, Nonce: rapid.Uint64().Draw(t, "nonce"), Kinds: kinds})
	case 1:
		w.try(0, topology.StageLeave{Node: node})
	case 2, 3:
		if result, err := cluster.Plan(w.s); err == nil {
			w.try(term, cluster.PlanOp(w.s, result), topology.CommitPlan{PlanVersion: w.s.Version() + 1})
		}
	case 4, 5:
		w.try(0, topology.StartNode{ClusterID: w.s.ClusterID(), Node: node, Nonce: m.Nonce, Kinds: kinds})
	case 6:
		w.try(0, topology.MarkDown{Node: node})
	case 7, 8:
		if all := w.s.Transfers(); len(all) > 0 {
			tr := rapid.SampledFrom(all).Draw(t, "transfer")
			by := rapid.SampledFrom([]ring.NodeID{tr.Source, tr.Target}).Draw(t, "by")
			m, _ := w.s.Member(by)
			w.try(0, topology.Refuse{Report: topology.Report{Session: tr.Session, Node: by, Incarnation: m.Incarnation}, Reason: topology.ReasonBusy})
		}
	case 9:
		if m.Alive() {
			w.elect(node)
		}
	}
}

// heal ends the faults: every member runs, and the leader is one of them.
func (w *world) heal() {
	w.calm = true
	for _, m := range w.s.Members() {
		if m.Status == topology.Down {
			w.start(m.Node)
		}
	}
	for _, m := range w.s.Members() {
		if m.Status == topology.Valid {
			w.elect(m.Node)
			return
		}
	}
}

// unfinished reports whether a member is still on its way out.
func (w *world) unfinished() bool {
	for _, m := range w.s.Members() {
		if m.Status == topology.Leaving || m.Status == topology.Exiting {
			return true
		}
	}
	return false
}

func (w *world) String() string {
	s := fmt.Sprintf("leader %s, members %+v", w.leader, w.s.Members())
	for _, t := range w.s.Transfers() {
		s += fmt.Sprintf("\n%+v", *t)
	}
	return s
}

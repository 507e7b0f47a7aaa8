package cluster_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// TestCoordination_settles runs a cluster of machines on a virtual clock (T-D1): participants report in
// any order, refuse, restart, go down and seem unreachable; operators join nodes, stage leaves,
// replacements, forced removals and shares, take them back, commit, move single partitions and set
// limits; coordinators change and lose answers. The scheduler's limits hold all along; and when the
// faults end, every partition comes to rest where the committed ring wants it, whatever happened
// before, without a transfer more than it takes.
func TestCoordination_settles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(20, 80).Draw(t, "steps") {
			w.fault()
			w.turn()
			w.members()
		}
		w.heal()
		for i := 0; !w.s.Settled() || w.unfinished(); i++ {
			if i > 2000 {
				t.Fatalf("not settled: %s", w)
			}
			w.turn()
		}
		w.members()
		for id, n := range w.opened {
			if n > 2 {
				t.Fatalf("%s was moved %d times after the faults ended", id, n)
			}
		}
	})
}

// TestCoordination_oneUnreachable lets one member vanish for ever, before or while others join and
// leave (T-E17, W-11): nobody declares it down, it keeps what it owns, and the others finish.
func TestCoordination_oneUnreachable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.calm = true
		w.plan()
		for !w.s.Settled() {
			w.turn()
		}
		join, leave := topology.Join{Node: "e", Nonce: 9, Kinds: kinds}, topology.StageLeave{Node: "b"}
		w.must(rapid.SampledFrom([][]topology.Op{{leave}, {join}, {join, leave}}).Draw(t, "changes")...)
		vanished := rapid.Bool().Draw(t, "vanished before the plan")
		if vanished {
			w.plan("d")
		} else {
			w.plan()
		}
		for range rapid.IntRange(0, 60).Draw(t, "before") {
			if !w.s.Settled() && !vanished {
				w.turn()
			}
		}
		w.gone = "d"
		w.see(map[ring.NodeID]cluster.Reach{"d": cluster.Unreachable})
		if !vanished {
			w.plan("d")
		}
		for i := 0; !w.othersFinished(); i++ {
			if i > 2000 {
				t.Fatalf("the others did not finish: %s", w)
			}
			w.turn()
		}
		if m, _ := w.s.Member("d"); m.Status != topology.Valid {
			t.Fatalf("d is %s, nobody decided that", m.Status)
		}
	})
}

// othersFinished reports whether everything that does not wait for the gone node is done.
func (w *world) othersFinished() bool {
	waits := map[ring.NodeID]bool{}
	for _, t := range w.s.Transfers() {
		if t.Source != w.gone && t.Target != w.gone {
			return false
		}
		// Only a flip that the gone node never confirmed keeps its source: that copy may be the last.
		if t.Stage != topology.StageDrain && t.Source != w.gone {
			return false
		}
		waits[t.Source] = true
	}
	for _, k := range w.s.Kinds() {
		for p, x := range w.s.Parts(k.Name) {
			to := w.s.Ring().Owner(p)
			if x.Owner != to && x.Owner != w.gone {
				if to == w.gone {
					w.t.Fatalf("%s/%d of %s waits for %s", k.Name, p, x.Owner, to)
				}
				return false
			}
		}
	}
	for _, m := range w.s.Members() {
		if (m.Status == topology.Leaving || m.Status == topology.Exiting) && !waits[m.Node] {
			return false
		}
	}
	return true
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
	reach  map[ring.NodeID]cluster.Reach
	known  map[ring.NodeID]cluster.Reach // to the machine: in doubt it decides as before
	doubt  bool
	gone   ring.NodeID        // does nothing any more
	opened map[string]int     // transfers since the faults ended
	past   map[[2]uint64]bool // pairs of sessions that one does not wait for the other
}

func newWorld(t *rapid.T) *world {
	w := &world{record: &record{fataler: t}, t: t, opened: map[string]int{}, past: map[[2]uint64]bool{}}
	w.create(16, 3, "a", "b", "c", "d")
	w.must(topology.SetTransferLimit{Limit: perNode})
	w.elect("a")
	return w
}

// elect starts a new coordination, which knows nothing.
func (w *world) elect(node ring.NodeID) {
	w.leader = node
	w.m = cluster.NewCoordination(cluster.CoordinationOptions{Node: node})
	w.wake, w.shown, w.doubt = time.Time{}, nil, false
	w.see(w.reach)
}

// see tells the coordinator what liveness believes.
func (w *world) see(reach map[ring.NodeID]cluster.Reach) {
	w.reach = reach
	if !w.doubt {
		w.known = reach
	}
	w.do(w.m.Step(cluster.HealthChanged{At: w.now, Health: cluster.NewHealth(reach)}))
}

// plan plans, without more for the nodes to avoid, and commits.
func (w *world) plan(avoid ...ring.NodeID) {
	result, err := cluster.Plan(w.s, avoid...)
	if err != nil {
		return
	}
	term, _ := w.s.Term()
	w.try(term, cluster.PlanOp(w.s, result), topology.CommitPlan{PlanVersion: w.s.Version() + 1})
}

// turn lets one participant report, or shows the coordinator a change of the record, or lets the time
// of its wake come. As with a real store, what did not change is not shown.
func (w *world) turn() {
	reports := slices.DeleteFunc(w.reports(), func(op topology.Op) bool {
		r, ok := op.(interface{ Reporter() topology.Report })
		return ok && r.Reporter().Node == w.gone
	})
	changed := w.shown == nil || w.shown.Version() != w.s.Version()
	switch k := rapid.IntRange(0, 3).Draw(w.t, "turn"); {
	case len(reports) > 0 && (k > 0 || !changed):
		term, _ := w.s.Term()
		w.try(term, rapid.SampledFrom(reports).Draw(w.t, "report"))
		w.frozen()
	case changed:
		shown := w.s
		w.shown, w.known, w.doubt = &shown, w.reach, false
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
			w.notWaited(a.Ops)
			e := cluster.Answered{At: w.now}
			before := w.s.LastSession()
			if !w.calm && rapid.IntRange(0, 9).Draw(w.t, "answer") == 0 {
				e.Err = cluster.ErrUnknown
				if rapid.Bool().Draw(w.t, "applied") {
					w.try(a.Term, a.Ops...)
				}
			} else {
				e.Outcomes = w.try(a.Term, a.Ops...)
			}
			w.limits(before)
			w.frozen()
			if w.doubt = e.Err != nil; !w.doubt {
				w.known = w.reach
			}
			actions = append(actions, w.m.Step(e)...)
		}
	}
}

// limits checks what Schedule promises of the transfers that were opened after a session.
func (w *world) limits(before uint64) {
	in, out := map[ring.NodeID]int{}, map[ring.NodeID]int{}
	for _, t := range w.s.Transfers() {
		if w.known[t.Source] != cluster.Unreachable && w.known[t.Target] != cluster.Unreachable {
			out[t.Source]++
			in[t.Target]++
		}
	}
	for _, t := range w.s.Transfers() {
		if t.Session <= before {
			continue
		}
		if w.known[t.Source] != cluster.Reachable || w.known[t.Target] != cluster.Reachable {
			w.t.Fatalf("session %d opened from %s to %s, which do not answer", t.Session, t.Source, t.Target)
		}
		if w.calm {
			w.opened[fmt.Sprintf("%s/%d", t.Kind, t.Partition)]++
		}
		if out[t.Source] > w.shown.TransferLimit(t.Source) || in[t.Target] > w.shown.TransferLimit(t.Target) {
			w.t.Fatalf("%d transfers from %s, %d to %s", out[t.Source], t.Source, in[t.Target], t.Target)
		}
	}
}

// frozen holds the stages of neighbours to K7, but for those that the coordinator chose not to wait for.
func (w *world) frozen() {
	freezes := func(t *topology.Transfer) bool {
		return t.Stage == topology.StageSeal || t.Stage == topology.StageDrain
	}
	for _, t := range w.s.Transfers() {
		for _, u := range w.s.Transfers() {
			if t.Session < u.Session && w.s.Near(t, u) && freezes(t) && freezes(u) && !w.past[[2]uint64{t.Session, u.Session}] {
				w.t.Fatalf("K7: sessions %d and %d freeze %s/%d and %s/%d at once: %s", t.Session, u.Session, t.Kind, t.Partition, u.Kind, u.Partition, w)
			}
		}
	}
}

// notWaited holds the neighbours that a seal does not wait for to those of nodes that are unreachable.
func (w *world) notWaited(ops []topology.Op) {
	for _, op := range ops {
		seal, ok := op.(topology.BeginSeal)
		if !ok {
			continue
		}
		for _, session := range seal.Past {
			t := w.shown.Transfer(session)
			if w.known[t.Source] != cluster.Unreachable && w.known[t.Target] != cluster.Unreachable {
				w.t.Fatalf("K7: session %d does not wait for %d from %s to %s, which answer", seal.Session, session, t.Source, t.Target)
			}
			w.past[[2]uint64{min(session, seal.Session), max(session, seal.Session)}] = true
		}
	}
}

// members checks that nothing is left under the name of a removed member.
func (w *world) members() {
	for _, m := range w.s.Members() {
		if m.Status != topology.Removed {
			continue
		}
		for _, k := range w.s.Kinds() {
			if n := w.s.Owners(k.Name).Count(m.Node) + w.s.Ring().Count(m.Node); n > 0 {
				w.t.Fatalf("I11: %s is removed and has %d partitions: %s", m.Node, n, w)
			}
		}
	}
}

var everybody = []ring.NodeID{"a", "b", "c", "d", "e", "f"}

// fault does something that is not in the plan.
func (w *world) fault() {
	t := w.t
	node, other := rapid.SampledFrom(everybody).Draw(t, "node"), rapid.SampledFrom(everybody).Draw(t, "other")
	m, _ := w.s.Member(node)
	switch rapid.IntRange(0, 25).Draw(t, "fault") {
	case 0, 1:
		w.try(0, topology.Join{Node: node, Nonce: rapid.Uint64().Draw(t, "nonce"), Kinds: kinds})
	case 2:
		w.try(0, topology.StageLeave{Node: node})
	case 3:
		w.try(0, topology.StageReplace{Old: node, New: other})
	case 4:
		w.try(0, topology.StageForceRemove{Node: node})
	case 5:
		w.try(0, topology.StageForceReplace{Old: node, New: other})
	case 6:
		weight := rapid.IntRange(0, 3).Draw(t, "weight")
		w.try(0, topology.StageShare{Node: node, Weight: &weight})
	case 7:
		w.try(0, rapid.SampledFrom([]topology.Op{topology.Unstage{Node: node}, topology.ClearPlan{}}).Draw(t, "undo"))
	case 8:
		p := ring.Partition(rapid.IntRange(0, 15).Draw(t, "p"))
		w.try(0, topology.MovePartition{Partition: p, Target: node, ExpectOwner: w.s.Ring().Owner(p)})
	case 9:
		w.try(0, topology.SetTransferLimit{Node: rapid.SampledFrom([]ring.NodeID{"", node}).Draw(t, "of"), Limit: rapid.IntRange(0, 4).Draw(t, "limit")})
	case 10, 11:
		w.plan()
	case 12, 13:
		w.try(0, topology.StartNode{ClusterID: w.s.ClusterID(), Node: node, Nonce: m.Nonce, Kinds: kinds})
	case 14:
		w.try(0, topology.MarkDown{Node: node})
	case 15, 16:
		if all := w.s.Transfers(); len(all) > 0 {
			tr := rapid.SampledFrom(all).Draw(t, "transfer")
			by := rapid.SampledFrom([]ring.NodeID{tr.Source, tr.Target}).Draw(t, "by")
			m, _ := w.s.Member(by)
			w.try(0, topology.Refuse{Report: topology.Report{Session: tr.Session, Node: by, Incarnation: m.Incarnation}, Reason: topology.ReasonBusy})
		}
	case 17:
		if m.Alive() {
			w.elect(node)
		}
	case 18, 19:
		reach := maps.Clone(w.reach)
		if reach == nil {
			reach = map[ring.NodeID]cluster.Reach{}
		}
		reach[node] = rapid.SampledFrom([]cluster.Reach{cluster.Reachable, cluster.Suspect, cluster.Unreachable}).Draw(t, "reach")
		w.see(reach)
	}
}

// heal ends the faults: every member runs and answers, and the leader is one of them.
func (w *world) heal() {
	w.calm = true
	w.must(topology.SetTransferLimit{Limit: perNode})
	for _, m := range w.s.Members() {
		if m.Status == topology.Down {
			w.start(m.Node)
		}
	}
	w.reach = nil
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
	s := fmt.Sprintf("leader %s, members %+v, ring %v", w.leader, w.s.Members(), w.s.Ring().Owners())
	for _, t := range w.s.Transfers() {
		s += fmt.Sprintf("\n%+v", *t)
	}
	return s
}

package cluster_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// TestPlan_claimLaws drives random memberships with weights and locations through plans and commits
// (T-D2). Each committed ring holds its windows and shares or says what it cannot hold, moves no more
// than it must or says why, gives nothing to who departs, and a replacement exactly what the old node
// had.
func TestPlan_claimLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &record{fataler: t}
		r.create(64, 3, "a", "b", "c", "d", "e")
		for i := range rapid.IntRange(1, 8).Draw(t, "plans") {
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				r.try(0, drawChange(t, i))
			}
			before := r.s
			checkAvoid(t, r.s)
			result, err := cluster.Plan(r.s)
			if err != nil {
				t.Fatal(err)
			}
			r.must(cluster.PlanOp(r.s, result), topology.CommitPlan{PlanVersion: r.s.Version() + 1})
			checkClaim(t, before, r.s, result)
			if rapid.IntRange(0, 3).Draw(t, "arrive") == 0 {
				r.arrive()
			}
		}
	})
}

// drawChange stages something of one of twelve nodes.
func drawChange(t *rapid.T, round int) topology.Op {
	node := func(what string) ring.NodeID {
		return ring.NodeID(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}).Draw(t, what))
	}
	weight, location := rapid.IntRange(0, 3).Draw(t, "weight"), rapid.SampledFrom([]string{"", "x", "y", "z"}).Draw(t, "location")
	switch rapid.IntRange(0, 9).Draw(t, "change") {
	case 0, 1, 2, 3:
		return topology.Join{Node: node("joins"), Nonce: rapid.Uint64().Draw(t, "nonce"), Kinds: kinds, Weight: weight, Location: location}
	case 4:
		return topology.StageLeave{Node: node("leaves")}
	case 5:
		return topology.StageForceRemove{Node: node("removed")}
	case 6:
		return topology.StageReplace{Old: node("old"), New: node("new")}
	case 7:
		return topology.StageForceReplace{Old: node("old"), New: node("new")}
	default:
		return topology.StageShare{Node: node("shares"), Weight: &weight, Location: &location}
	}
}

// checkAvoid plans around members that do not answer: they get nothing, and what repeats for it is
// stated, nodes and locations each by itself (the simulator's fleet found locations unstated).
func checkAvoid(t *rapid.T, s topology.State) {
	var avoid []ring.NodeID
	for _, m := range s.Members() {
		if rapid.IntRange(0, 3).Draw(t, "avoided") == 0 {
			avoid = append(avoid, m.Node)
		}
	}
	if _, only := s.Substituted(); only || len(avoid) == len(s.Members()) {
		return
	}
	result, err := cluster.Plan(s, avoid...)
	if err != nil {
		return // everybody who may claim is avoided
	}
	location := func(n ring.NodeID) string { m, _ := s.Member(n); return m.NextShare().Location }
	for constraint, group := range map[ring.Constraint]func(ring.NodeID) string{ring.ConstraintNodes: nil, ring.ConstraintLocations: location} {
		stated := slices.ContainsFunc(result.Infeasible, func(i ring.Infeasible) bool {
			return i.Constraint == constraint || i.Constraint == ring.ConstraintNodes
		})
		if n := len(result.Ring.Repeats(s.TargetN(), group)); n > 0 && !stated {
			t.Fatalf("without %v %d windows repeat by %v, and the plan said only %v", avoid, n, constraint, result.Infeasible)
		}
	}
}

func checkClaim(t *rapid.T, before, after topology.State, result *ring.ClaimResult) {
	committed := after.Ring()
	weights, weight := map[ring.NodeID]int{}, 0
	for _, m := range after.Members() {
		if m.Claims() {
			weights[m.Node] = max(m.Weight, 1)
			weight += weights[m.Node]
		} else if n := committed.Count(m.Node); n > 0 {
			t.Fatalf("%s is %s and gets %d partitions", m.Node, m.Status, n)
		}
	}
	if start, only := before.Substituted(); only {
		if !start.Equal(committed) {
			t.Fatalf("a replacement changed more than names: %v", start.Diff(committed))
		}
		return
	}
	if moves := before.Ring().Diff(committed); len(moves) != len(result.Moves) || len(moves) < result.Bound || 10*len(moves) > 11*result.Bound && result.Reason == "" && !replaces(before) {
		t.Fatalf("%d moves, the plan said %d, bound %d: %q", len(moves), len(result.Moves), result.Bound, result.Reason)
	}
	if len(result.Infeasible) > 0 {
		return
	}
	if n := len(committed.Repeats(after.TargetN(), nil)); n > 0 {
		t.Fatalf("%d windows repeat a node, and the plan said nothing", n)
	}
	location := func(n ring.NodeID) string { m, _ := after.Member(n); return m.Location }
	if n := len(committed.Repeats(after.TargetN(), location)); n > 0 {
		t.Fatalf("%d windows repeat a location, and the plan said nothing", n)
	}
	for node, w := range weights {
		if n, share := committed.Count(node), 64*w; n*weight <= share-weight || n*weight >= share+weight {
			t.Fatalf("%s with weight %d of %d has %d of 64 partitions", node, w, weight, n)
		}
	}
}

// replaces reports whether a replacement is staged among other things.
func replaces(s topology.State) bool {
	start, _ := s.Substituted()
	return !start.Equal(s.Ring())
}

// TestRecord_ringAlgebra drives random operations on members (T-D6): a status only ever changes along
// the arrows of its life, rings stay whole, the moves between two rings lead from one to the other, and
// when everything has arrived the owners are the ring.
func TestRecord_ringAlgebra(t *testing.T) {
	const j, v, l, e, d, x = topology.Joining, topology.Valid, topology.Leaving, topology.Exiting, topology.Down, topology.Removed
	arrows := map[[2]topology.Status]bool{
		{0, j}: true, {x, j}: true, {j, j}: true, {d, j}: true, // asks to join, again, returns
		{j, v}: true, {d, v}: true, {v, l}: true, {d, l}: true, {l, e}: true, {d, e}: true,
		{j, d}: true, {v, d}: true, {l, d}: true, {e, d}: true,
		{j, x}: true, {v, x}: true, {l, x}: true, {e, x}: true, {d, x}: true,
	}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(20, 60).Draw(t, "steps") {
			before := w.s
			w.fault()
			for _, m := range w.s.Members() {
				o, _ := before.Member(m.Node)
				if o.Status != m.Status && !arrows[[2]topology.Status{o.Status, m.Status}] {
					t.Fatalf("%s went from %s to %s", m.Node, o.Status, m.Status)
				}
			}
			checkRings(t, before.Ring(), w.s)
		}
		w.heal()
		w.record.arrive()
		for _, k := range kinds {
			if !w.s.Owners(k.Name).Equal(w.s.Ring()) {
				t.Fatalf("%s: owners %v, ring %v", k.Name, w.s.Owners(k.Name).Owners(), w.s.Ring().Owners())
			}
		}
	})
}

func checkRings(t *rapid.T, from *ring.Ring, s topology.State) {
	moves := map[ring.Partition]ring.NodeID{}
	for _, m := range from.Diff(s.Ring()) {
		moves[m.Partition] = m.To
	}
	if !from.With(moves).Equal(s.Ring()) {
		t.Fatalf("the moves %v do not lead to the ring", moves)
	}
	count := 0
	for _, n := range s.Ring().Nodes() {
		m, ok := s.Member(n)
		if !ok || m.Status == topology.Removed || m.Status == topology.Exiting {
			t.Fatalf("the ring gives partitions to %s, which is %s", n, m.Status)
		}
		count += s.Ring().Count(n)
	}
	if count != s.RingSize() {
		t.Fatalf("%d of %d partitions", count, s.RingSize())
	}
}

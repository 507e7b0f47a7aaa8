package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Plan computes the ring that a commit of everything staged would lead to. It is deterministic, and
// changes nothing: show it, then propose the operation that PlanOp returns for it.
//
// Replacements come first: the new node stands where the old one stood. When nothing else is staged
// that is the plan, so that it gets exactly the partitions of the old one. Else a claim for all members
// that stay starts from there, with staged weights and locations, and gives to joining nodes and takes
// from departing ones.
//
// Members that are Down, and those named in avoid because they do not seem to answer, are not given
// more partitions than they have, and those on their way to them go elsewhere: what can not move to
// them now would keep others from leaving.
//
// The error is topology.ErrNoCluster for an empty record, or ring.Claim's.
func Plan(s topology.State, avoid ...ring.NodeID) (*ring.ClaimResult, error) {
	if s.Ring() == nil {
		return nil, fmt.Errorf("plan: %w", topology.ErrNoCluster)
	}
	start, only := s.Substituted()
	replaced := s.Ring().Diff(start)
	if only {
		return &ring.ClaimResult{Ring: start, Moves: replaced, Bound: len(replaced)}, nil
	}
	held := func(m topology.Member) bool { return m.Status == topology.Down || slices.Contains(avoid, m.Node) }
	start = arrived(s, start, held)
	members := claimants(s, start, held)
	result, err := ring.Claim(ring.ClaimOptions{TargetN: s.TargetN(), Members: members, Current: start})
	if err != nil {
		return nil, fmt.Errorf("plan for %d members: %w", len(members), err)
	}
	stay(s, start, held, result)
	result.Moves = s.Ring().Diff(result.Ring)
	result.Bound = max(result.Bound, len(replaced))
	return result, nil
}

// arrived returns the ring without what is bound for held members but has not arrived there in every
// kind: it stays with who has it.
func arrived(s topology.State, start *ring.Ring, held func(topology.Member) bool) *ring.Ring {
	back := map[ring.Partition]ring.NodeID{}
	for p := range ring.Partition(start.Size()) {
		if m, ok := s.Member(start.Owner(p)); !ok || !held(m) {
			continue
		}
		for _, k := range s.Kinds() {
			if owner, _ := s.Owner(k.Name, p); owner != start.Owner(p) {
				back[p] = owner
			}
		}
	}
	if len(back) == 0 {
		return start
	}
	return start.With(back)
}

// claimants returns the members that the plan gives partitions to, with the weights of the claim.
func claimants(s topology.State, start *ring.Ring, held func(topology.Member) bool) []ring.Member {
	var members []ring.Member
	var keeps []bool
	weight, kept := 0, 0
	for _, m := range s.Members() {
		if !m.Claims() {
			continue
		}
		share := m.NextShare()
		members = append(members, ring.Member{Node: m.Node, Weight: max(share.Weight, 1), Location: share.Location})
		keeps = append(keeps, held(m))
		if held(m) {
			kept += start.Count(m.Node)
		} else {
			weight += max(share.Weight, 1)
		}
	}
	hold(start, members, keeps, weight, kept)
	return members
}

// hold sets the weights so that the held members get what they have and the others share the rest by
// their own weights. Where there is nobody else the weights stay.
func hold(start *ring.Ring, members []ring.Member, held []bool, weight, kept int) {
	if weight == 0 || !slices.Contains(held, true) {
		return
	}
	scaled := slices.Clone(members)
	for i := range scaled {
		if held[i] {
			scaled[i].Weight = weight * start.Count(scaled[i].Node)
		} else {
			scaled[i].Weight *= start.Size() - kept
		}
	}
	shrink := 1
	for _, m := range scaled {
		shrink = max(shrink, (m.Weight+ring.MaxWeight-1)/ring.MaxWeight)
	}
	for i, m := range scaled {
		members[i].Weight = max(m.Weight/shrink, 1)
	}
}

// stay takes back what the claim gave to held members: where it is an exchange, the held member keeps
// what it had, and who would have got that gets the other; else another member gets it. Of the ways the
// one with the fewest repetitions of nodes, then of locations, is taken, then the one that loads its
// member least; when there are more repetitions than before, the result says so.
func stay(s topology.State, start *ring.Ring, held func(topology.Member) bool, result *ring.ClaimResult) {
	location := func(n ring.NodeID) string { m, _ := s.Member(n); return m.NextShare().Location }
	located := slices.ContainsFunc(s.Members(), func(m topology.Member) bool { return location(m.Node) != "" })
	repeats := func(r *ring.Ring) (nodes, locations int) {
		if located {
			locations = len(r.Repeats(min(locationN, s.TargetN()), location))
		}
		return len(r.Repeats(s.TargetN(), nil)), locations
	}
	before := result.Ring
	for _, gain := range start.Diff(before) {
		if m, _ := s.Member(gain.To); !held(m) {
			continue
		}
		var best *ring.Ring
		var cost [3]int // repetitions of nodes, of locations, load
		try := func(to ring.NodeID, change map[ring.Partition]ring.NodeID) {
			if m, _ := s.Member(to); held(m) || !m.Claims() {
				return
			}
			r := result.Ring.With(change)
			nodes, locations := repeats(r)
			c := [3]int{nodes, locations, r.Count(to)}
			if best == nil || slices.Compare(c[:], cost[:]) < 0 {
				best, cost = r, c
			}
		}
		for _, loss := range start.Diff(result.Ring) {
			if loss.From == gain.To {
				try(loss.To, map[ring.Partition]ring.NodeID{loss.Partition: loss.From, gain.Partition: loss.To})
			}
		}
		if best == nil {
			for _, m := range s.Members() {
				try(m.Node, map[ring.Partition]ring.NodeID{gain.Partition: m.Node})
			}
		}
		if best != nil {
			result.Ring = best
		}
	}
	wasNodes, wasLocations := repeats(before)
	nodes, locations := repeats(result.Ring)
	for _, x := range []struct {
		constraint ring.Constraint
		was, now   int
		what       string
	}{{ring.ConstraintNodes, wasNodes, nodes, "node"}, {ring.ConstraintLocations, wasLocations, locations, "location"}} {
		if x.now > x.was {
			result.Infeasible = append(result.Infeasible, ring.Infeasible{
				Constraint: x.constraint, Have: s.RingSize() - x.now, Need: s.RingSize(),
				Text: fmt.Sprintf("%d of %d windows repeat a %s, for nothing moves to members that are down or do not answer", x.now, s.RingSize(), x.what),
			})
		}
	}
}

// locationN is how many consecutive partitions a claim keeps in distinct locations, if it has as many.
const locationN = 3

// PlanOp returns the operation that stages a plan computed from the record. It must be proposed in
// the record's term.
func PlanOp(s topology.State, result *ring.ClaimResult) topology.StagePlan {
	var infeasible []string
	for _, i := range result.Infeasible {
		infeasible = append(infeasible, i.Text)
	}
	return topology.StagePlan{
		Ring: result.Ring, BasedOn: s.Membership(),
		Infeasible: cut(strings.Join(infeasible, "\n")), Reason: cut(result.Reason),
	}
}

// cut shortens a text to what the record keeps.
func cut(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), topology.MaxPlanText)], "")
}

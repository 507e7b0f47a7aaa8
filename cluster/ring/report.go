package ring

import (
	"cmp"
	"fmt"
	"slices"
)

// Constraint names what a ring may be unable to hold.
type Constraint string

// The constraints.
const (
	// ConstraintNodes is: every TargetN consecutive partitions are on
	// distinct nodes.
	ConstraintNodes Constraint = "nodes"
	// ConstraintLocations is: every TargetLocationN consecutive partitions
	// are in distinct locations.
	ConstraintLocations Constraint = "locations"
	// ConstraintBalance is: every node owns its share by weight, rounded down
	// or up.
	ConstraintBalance Constraint = "balance"
)

// Infeasible states one thing that the members cannot give.
type Infeasible struct {
	Constraint Constraint
	// Have and Need are what there is and what there should be, in the unit
	// that Text names.
	Have, Need int
	// Text says it in a sentence for the operator.
	Text string
}

// String is the text.
func (i Infeasible) String() string { return i.Text }

// report states what the solution does not give.
func (pr *problem) report(s solution) []Infeasible {
	var out []Infeasible
	r := pr.ring(s.owners)
	location := func(n NodeID) string {
		i, _ := slices.BinarySearchFunc(pr.members, n, func(m Member, n NodeID) int { return cmp.Compare(m.Node, n) })
		return pr.members[i].Location
	}
	out = append(out, pr.windows(ConstraintNodes, pr.nodes, len(pr.members), len(r.Repeats(pr.nodes.goal, nil)))...)
	if pr.loc != nil {
		out = append(out, pr.windows(ConstraintLocations, pr.locations, pr.locs, len(r.Repeats(pr.locations.goal, location)))...)
	}
	return append(out, pr.shares(s)...)
}

func (pr *problem) ring(members []int32) *Ring {
	owners := make([]NodeID, pr.q)
	for p, i := range members {
		owners[p] = pr.members[i].Node
	}
	return build(owners)
}

// windows states that some windows repeat a holder.
func (pr *problem) windows(c Constraint, d distance, have, repeats int) []Infeasible {
	if repeats == 0 {
		return nil
	}
	goal := fmt.Sprintf("every %d consecutive of %d partitions on distinct %s", d.goal, pr.q, c)
	fact := fmt.Sprintf("%d of %d windows repeat a %s", repeats, pr.q, c[:len(c)-1])
	if d.held == d.goal {
		return []Infeasible{{c, pr.q - repeats, pr.q, fmt.Sprintf("no ring was found with %s; %s", goal, fact)}}
	}
	if d.held > 1 {
		fact += fmt.Sprintf(", every %d consecutive are distinct", d.held)
	}
	room := pr.q / d.goal
	need := (pr.q + room - 1) / room
	if have < need {
		return []Infeasible{{c, have, need, fmt.Sprintf("%s cannot hold %s, it takes %d; %s", counted(have, c), goal, need, fact)}}
	}
	hold := pr.roomAt(room)
	return []Infeasible{{c, hold, pr.q, fmt.Sprintf(
		"%s, of at most %d partitions each and %d for each of their nodes, have room for %d partitions, but not to hold %s; %s",
		counted(have, c), room, pr.nodes.cap, hold, goal, fact)}}
}

// counted is a number of nodes or locations in words.
func counted(n int, c Constraint) string {
	if n == 1 {
		c = c[:len(c)-1]
	}
	return fmt.Sprintf("%d %s", n, c)
}

// roomAt is how many partitions the locations take when each takes up to most.
func (pr *problem) roomAt(most int) int {
	room := make([]int, pr.locs)
	for _, g := range pr.loc {
		room[g] = min(most, room[g]+pr.nodes.cap)
	}
	sum := 0
	for _, n := range room {
		sum += n
	}
	return sum
}

// shares states which member is furthest from its share by weight, if any is
// off by a whole partition.
func (pr *problem) shares(s solution) []Infeasible {
	load := pr.assign(s.owners).load
	weight, worst, off := int64(0), -1, int64(0)
	for _, m := range pr.members {
		weight += int64(m.Weight)
	}
	away, cut := 0, false
	for i, m := range pr.members {
		// In units of partitions times the sum of weights.
		share := int64(pr.q) * int64(m.Weight)
		d := int64(load[i])*weight - share
		if d = max(d, -d); d >= weight {
			away++
			if d > off {
				worst, off = i, d
			}
		}
		cut = cut || int64(pr.hi[i]-1)*weight >= share || int64(pr.lo[i]+1)*weight <= share
	}
	if worst < 0 {
		return nil
	}
	m := pr.members[worst]
	have, need := int(load[worst]), int((int64(pr.q)*int64(m.Weight)+weight/2)/weight)
	fact := "no ring was found in which every node has its share by weight"
	if cut || s.impossible {
		fact = "not every node can have its share by weight"
	}
	return []Infeasible{{ConstraintBalance, have, need, fmt.Sprintf(
		"with %s %s: %d of %d are a partition or more away, the furthest is %s with %d of %d partitions, where its weight asks for %d",
		pr.windowText(), fact, away, len(pr.members), m.Node, have, pr.q, need)}}
}

// windowText names the windows that are held.
func (pr *problem) windowText() string {
	text := fmt.Sprintf("windows of %s", counted(pr.nodes.held, ConstraintNodes))
	if pr.loc != nil {
		text += " and " + counted(pr.locations.held, ConstraintLocations)
	}
	return text
}

// boundFor is the bound for the shares that a solution has: when the balance
// could not be held, the bound for balanced shares says nothing about it.
func (pr *problem) boundFor(s solution) int {
	if s.cost < costBalance {
		return pr.bound()
	}
	w := *pr
	w.lo = pr.assign(s.owners).load
	w.hi = w.lo
	w.locHi = slices.Repeat([]int32{int32(pr.q)}, len(pr.locHi))
	return w.bound()
}

// reason says why so many moves are needed.
func (pr *problem) reason(s solution, moves, bound int) string {
	why := pr.windowText()
	if near := pr.strained(); near > 0 {
		why = fmt.Sprintf("%d partitions of the current ring break %s", near, why)
	} else {
		why += fmt.Sprintf(" leave %s little choice", counted(len(pr.members), ConstraintNodes))
	}
	// What the windows that are given up cost is the same in the proof.
	least := int(s.proven - (s.cost - int64(moves)*costMove))
	switch {
	case s.optimal && s.cost < costBalance:
		return fmt.Sprintf("%s: no ring with the same shares takes fewer than %d moves", why, moves)
	case least > bound:
		return fmt.Sprintf("%s: %d moves are the fewest found, and fewer than %d are impossible", why, moves, least)
	default:
		return fmt.Sprintf("%s: %d moves are the fewest found", why, moves)
	}
}

// strained counts the partitions of the present ring that repeat a neighbour.
func (pr *problem) strained() int {
	a := pr.assign(pr.home)
	n := 0
	for p, i := range a.owner {
		n += count(i != nobody && a.strain(p, i) > 0)
	}
	return n
}

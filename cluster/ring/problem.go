package ring

import (
	"cmp"
	"slices"
)

// The cost of a ring is one number in which each unit outweighs any realistic
// amount of the units below it: windows before balance before moves.
const (
	costMove     = 1
	costBalance  = 1 << 36 // one partition more or fewer than a share
	costLocation = 1 << 18 // a location repeated at the first distance given up
	costNode     = 1 << 27 // a node repeated at the first distance given up
	costHard     = 1 << 45 // a repetition at a distance that can be held
)

// nobody is the member index of an unowned partition, or of an owner that
// leaves.
const nobody = -1

// problem is a claim in numbers: members and locations are indices, node
// names no longer matter except for their order.
type problem struct {
	q       int
	members []Member // sorted by node, weights set
	home    []int32  // partition -> member that owns it now, or nobody

	loc  []int32 // member -> location; nil when no member has one
	locs int

	nodes, locations distance
	reach            int       // largest distance with a penalty
	nodePen          [][]int64 // member -> distance -> cost of its repetition
	spacing          []int     // member -> least distance between its partitions
	locPen           []int64   // distance -> cost of its location's repetition

	lo, hi []int32 // member -> fewest and most partitions
	locHi  []int32 // location -> most partitions
	fresh  bool    // there is no ring yet
	rough  bool    // a cheap good ring is enough
	loose  bool    // the shares lo..hi are wider than they should be
	gone   int     // partitions of owners that leave; all of them in a fresh ring
	had    []int32 // member -> partitions owned now
}

// distance is how far apart equals shall be and can be.
type distance struct {
	goal int // the target
	held int // what is held everywhere: equals are at least this far apart
	cap  int // most partitions of one holder
	// soft is the cost of equals no further apart than held, where that cannot
	// be avoided everywhere but shall be where it can; else 0.
	soft int64
}

func newProblem(o ClaimOptions) *problem {
	pr := &problem{q: o.Size, members: slices.Clone(o.Members)}
	slices.SortFunc(pr.members, func(a, b Member) int { return cmp.Compare(a.Node, b.Node) })
	for i := range pr.members {
		pr.members[i].Weight = max(pr.members[i].Weight, 1)
	}
	pr.locate()
	pr.settle(o.Current)
	pr.limit(o.TargetN, o.TargetLocationN)
	return pr
}

// locate numbers the locations; a member without one is a location of its own.
func (pr *problem) locate() {
	if !slices.ContainsFunc(pr.members, func(m Member) bool { return m.Location != "" }) {
		return
	}
	index := map[string]int32{}
	for _, m := range pr.members {
		at, ok := index[m.Location]
		if !ok || m.Location == "" {
			at = int32(pr.locs)
			index[m.Location] = at
			pr.locs++
		}
		pr.loc = append(pr.loc, at)
	}
}

// settle reads the present owners.
func (pr *problem) settle(r *Ring) {
	pr.had = make([]int32, len(pr.members))
	pr.home = make([]int32, pr.q)
	if r == nil {
		pr.fresh, pr.gone = true, pr.q
		for p := range pr.home {
			pr.home[p] = nobody
		}
		return
	}
	member := make([]int32, len(r.nodes))
	for i, node := range r.nodes {
		at, ok := slices.BinarySearchFunc(pr.members, node, func(m Member, n NodeID) int { return cmp.Compare(m.Node, n) })
		member[i] = nobody
		if ok {
			member[i] = int32(at)
		}
	}
	for p, i := range r.owner {
		pr.home[p] = member[i]
		if member[i] == nobody {
			pr.gone++
		} else {
			pr.had[member[i]]++
		}
	}
}

// limit finds the distances that can be held and the shares that go with them.
func (pr *problem) limit(targetN, targetLocationN int) {
	n := len(pr.members)
	pr.nodes = newDistance(targetN, n, pr.q, costNode, func(most int) int { return n * most })
	pr.locations = distance{goal: 1, held: 1, cap: pr.q}
	if pr.locs > 0 {
		size := make([]int, pr.locs)
		for _, g := range pr.loc {
			size[g]++
		}
		pr.locations = newDistance(targetLocationN, pr.locs, pr.q, costLocation, func(most int) int {
			room := 0
			for _, s := range size {
				room += min(most, s*pr.nodes.cap)
			}
			return room
		})
	}
	pr.penalise()
	pr.share()
}

// newDistance finds how far apart k-fold holders can be kept in a ring of q.
// Holders that own at most q/k partitions each can always be arranged with
// equals at least k apart (see layout), and a holder with more cannot be.
// room says how many partitions all holders take when each takes so many.
func newDistance(goal, holders, q int, soft int64, room func(most int) int) distance {
	d := distance{goal: goal}
	best := min(goal, holders, q)
	for d.held = best; d.held > 1 && room(q/d.held) < q; {
		d.held--
	}
	d.cap = q / d.held
	if d.held == best {
		return d
	}
	d.soft = soft
	if most := (q + best - 1) / best; room(most) >= q {
		d.cap = most
	}
	return d
}

// penalise fills the tables of costs by distance.
func (pr *problem) penalise() {
	reach := func(d distance) int { return d.held - 1 + count(d.soft > 0) }
	fill := func(d distance) []int64 {
		pen := make([]int64, pr.reach+1)
		for i := 1; i < d.held; i++ {
			pen[i] = costHard
		}
		if d.soft > 0 {
			pen[d.held] = d.soft
		}
		return pen
	}
	pr.reach = max(reach(pr.nodes), reach(pr.locations))
	pr.nodePen = slices.Repeat([][]int64{fill(pr.nodes)}, len(pr.members))
	pr.spacing = slices.Repeat([]int{pr.nodes.held}, len(pr.members))
	pr.locPen = fill(pr.locations)
}

// pair is the cost of members a and b owning partitions d apart.
func (pr *problem) pair(d int, a, b int32) int64 {
	if a == nobody || b == nobody {
		return 0
	}
	var c int64
	if a == b {
		c = pr.nodePen[a][d]
	}
	if pr.loc != nil && pr.loc[a] == pr.loc[b] {
		c += pr.locPen[d]
	}
	return c
}

// moveCost is the cost of p belonging to i: one move unless it did before.
func (pr *problem) moveCost(p int, i int32) int64 {
	if pr.fresh || pr.home[p] == i {
		return 0
	}
	return costMove
}

// bound is the number of moves that no ring with the shares lo..hi can go
// below: what leaves its owner because the owner left or has too much, or what
// must come to those that have too little, whichever is more.
func (pr *problem) bound() int {
	if pr.fresh {
		return 0
	}
	supply, demand := pr.gone, 0
	over := make([]int, max(pr.locs, 1))
	had := make([]int, max(pr.locs, 1))
	for i := range pr.members {
		g := pr.locationOf(int32(i))
		over[g] += int(max(0, pr.had[i]-pr.hi[i]))
		had[g] += int(pr.had[i])
		demand += int(max(0, pr.lo[i]-pr.had[i]))
	}
	for g := range over {
		supply += max(over[g], had[g]-int(pr.locHi[g]))
	}
	return max(supply, demand)
}

// floor is a cost that no ring with the shares lo..hi can go below.
func (pr *problem) floor() int64 {
	c := costMove * int64(pr.bound())
	if pr.nodes.soft > 0 {
		c += pr.nodes.soft * pr.nodes.unavoidable(pr.q, pr.lo, pr.hi)
	}
	if pr.locations.soft > 0 {
		lo, hi := make([]int32, pr.locs), slices.Clone(pr.locHi)
		room := make([]int32, pr.locs)
		for i, g := range pr.loc {
			lo[g] += pr.lo[i]
			room[g] += pr.hi[i]
		}
		for g := range hi {
			hi[g] = min(hi[g], room[g])
		}
		c += pr.locations.soft * pr.locations.unavoidable(pr.q, lo, hi)
	}
	return c
}

// ceiling is a cost that no ring that meets the shares and holds the windows
// goes above.
func (pr *problem) ceiling() int64 {
	avoidable := func(pen []int64) int64 {
		sum := int64(0)
		for _, c := range pen {
			if c < costHard {
				sum += c
			}
		}
		return sum
	}
	most := int64(0)
	for _, pen := range pr.nodePen {
		most = max(most, avoidable(pen))
	}
	return int64(pr.q) * (costMove + most + avoidable(pr.locPen))
}

// unavoidable is how many repetitions at distance held there are at least: the
// n gaps of a holder of n partitions add up to q, so if all are held or more, at
// least n*(held+1)-q of them are no more than that.
func (d distance) unavoidable(q int, lo, hi []int32) int64 {
	loads := slices.Clone(lo)
	left, sum := int32(q), int64(0)
	for _, n := range loads {
		left -= n
	}
	few := int32(q / (d.held + 1)) // up to here a holder repeats nothing
	for _, most := range []int32{few, few + 1, int32(q)} {
		for i := range loads {
			more := min(left, max(0, min(most, hi[i])-loads[i]))
			loads[i] += more
			left -= more
		}
	}
	for _, n := range loads {
		sum += max(0, int64(n)*int64(d.held+1)-int64(q))
	}
	return sum
}

// locationOf is the location of a member, 0 when there are none.
func (pr *problem) locationOf(i int32) int32 {
	if pr.loc == nil {
		return 0
	}
	return pr.loc[i]
}

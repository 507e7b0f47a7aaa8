package ring

import (
	"cmp"
	"container/heap"
	"slices"
)

// repair turns the present ring into a balanced one with few moves. Owners
// that break a window give up the partition; then every unit that must move
// goes straight to a member that lacks it, as long as that is legal; what is
// left goes by chains, in which members in between pass one partition on for
// each they receive.
//
// With zones every partition stays in the location that zones names, and the
// locations are independent of each other.
type repair struct {
	*assignment
	zones []int32 // partition -> location; nil when any may have it
	// extra is how many units may go to members that have their fewest
	// already, short how many may come from members that do not have too
	// many: one of the two is zero, and together with the supply they make
	// the bound. By zone.
	extra, short []int
	steps        int // legality checks left for chains
}

// chainSteps and chainDepth limit the search for chains.
const (
	chainSteps = 1 << 21
	chainDepth = 4
)

func (pr *problem) repair(zones []int32) []int32 {
	r := &repair{assignment: newAssignment(pr), zones: zones, steps: chainSteps}
	for p, i := range pr.home {
		if zones == nil || i != nobody && pr.loc[i] == zones[p] {
			r.set(p, i)
		}
	}
	r.evict()
	r.budget()
	r.fillHoles()
	r.deliver()
	r.chains()
	r.force()
	return r.owner
}

// zone is where the units of member i are accounted.
func (r *repair) zone(i int32) int32 {
	if r.zones == nil {
		return 0
	}
	return r.pr.loc[i]
}

// fits reports whether i may have p and repeats nothing there.
func (r *repair) fits(p int, i int32) bool {
	return (r.zones == nil || r.zones[p] == r.pr.loc[i]) && r.strain(p, i) == 0
}

// evict takes partitions from owners until nothing is repeated; the owner in
// the worst repetitions goes first, and among those the one with most to give.
func (r *repair) evict() {
	var bad nuisances
	for p := range r.owner {
		if n := r.nuisance(p); n.strain > 0 {
			bad = append(bad, n)
		}
	}
	heap.Init(&bad)
	for len(bad) > 0 {
		// What was evicted before may have made this one smaller.
		now := r.nuisance(bad[0].p)
		switch {
		case now.strain == 0:
			heap.Pop(&bad)
		case now.strain != bad[0].strain:
			bad[0] = now
			heap.Fix(&bad, 0)
		default:
			heap.Pop(&bad)
			r.set(now.p, nobody)
		}
	}
}

// nuisance is a partition whose owner repeats a neighbour.
type nuisance struct {
	p      int
	strain int64
	excess int32 // how far its owner was above its share when it was found
}

func (r *repair) nuisance(p int) nuisance {
	i := r.owner[p]
	if i == nobody {
		return nuisance{p: p}
	}
	return nuisance{p: p, strain: r.strain(p, i), excess: r.load[i] - r.pr.hi[i]}
}

// nuisances is a heap, the worst first.
type nuisances []nuisance

func (h nuisances) Len() int      { return len(h) }
func (h nuisances) Swap(a, b int) { h[a], h[b] = h[b], h[a] }
func (h nuisances) Less(a, b int) bool {
	return cmp.Or(
		cmp.Compare(h[b].strain, h[a].strain),
		cmp.Compare(h[b].excess, h[a].excess),
		cmp.Compare(h[a].p, h[b].p)) < 0
}

// Push is never called; the heap only shrinks.
func (h *nuisances) Push(x any) { *h = append(*h, x.(nuisance)) }

// Pop drops the last element, as package heap asks.
func (h *nuisances) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// budget compares what must be given with what must be received.
func (r *repair) budget() {
	n := len(r.locLoad)
	supply, demand, over := make([]int, n), make([]int, n), make([]int, n)
	for p, i := range r.owner {
		if i == nobody && r.zones != nil {
			supply[r.zones[p]]++
		} else if i == nobody {
			supply[0]++
		}
	}
	for i, n := range r.load {
		over[r.pr.locationOf(int32(i))] += int(max(0, n-r.pr.hi[i]))
		demand[r.zone(int32(i))] += int(max(0, r.pr.lo[i]-n))
	}
	for g, n := range r.locLoad {
		if r.zones != nil {
			supply[g] += over[g]
		} else {
			supply[0] += max(over[g], int(n-r.pr.locHi[g]))
		}
	}
	r.extra, r.short = make([]int, n), make([]int, n)
	for z := range supply {
		r.extra[z], r.short[z] = max(0, supply[z]-demand[z]), max(0, demand[z]-supply[z])
	}
}

// lacks reports whether member i may receive one more partition.
func (r *repair) lacks(i int32) bool {
	n := r.load[i]
	return n < r.pr.lo[i] || n < r.pr.hi[i] && r.extra[r.zone(i)] > 0 && r.roomy(i)
}

// roomy reports whether the location of member i may receive one more.
func (r *repair) roomy(i int32) bool {
	g := r.pr.locationOf(i)
	return r.zones != nil || r.locLoad[g] < r.pr.locHi[g]
}

// spares reports whether member i shall give one partition up.
func (r *repair) spares(i int32) bool {
	n := r.load[i]
	return n > r.pr.hi[i] || n > r.pr.lo[i] && (r.short[r.zone(i)] > 0 || r.crowded(i))
}

// crowded reports whether the location of member i has too many.
func (r *repair) crowded(i int32) bool {
	g := r.pr.locationOf(i)
	return r.zones == nil && r.locLoad[g] > r.pr.locHi[g]
}

// receive lets a member that lacks a partition have p.
func (r *repair) receive(p int, i int32) {
	if r.load[i] >= r.pr.lo[i] {
		r.extra[r.zone(i)]--
	}
	r.set(p, i)
}

// release takes p from a member that spares it.
func (r *repair) release(p int) {
	i := r.owner[p]
	if r.load[i] <= r.pr.hi[i] && !r.crowded(i) {
		r.short[r.zone(i)]--
	}
	r.set(p, nobody)
}

// holes lists the partitions without owner, those with fewest legal owners
// first.
func (r *repair) holes() []int {
	var holes []int
	choices := map[int]int{}
	for p, i := range r.owner {
		if i != nobody {
			continue
		}
		holes = append(holes, p)
		for k := range int32(len(r.load)) {
			choices[p] += count(r.lacks(k) && r.fits(p, k))
		}
	}
	slices.SortStableFunc(holes, func(a, b int) int { return cmp.Compare(choices[a], choices[b]) })
	return holes
}

// fillHoles gives the unowned partitions to members that lack some: those of
// a member that left to one new member, as far as it goes, so that a
// replacement is one.
func (r *repair) fillHoles() {
	for _, p := range r.holes() {
		best, bestScore := int32(nobody), int64(-1)
		for i := range int32(len(r.load)) {
			if !r.lacks(i) || !r.fits(p, i) {
				continue
			}
			if score := r.hunger(i); score > bestScore {
				best, bestScore = i, score
			}
		}
		if best != nobody {
			r.receive(p, best)
		}
	}
}

// hunger is the share of its partitions that a member still lacks.
func (r *repair) hunger(i int32) int64 {
	return max(0, int64(r.pr.lo[i]-r.load[i])<<20) / int64(max(1, r.pr.lo[i]))
}

// deliver brings partitions of members that spare some to those that lack
// some, spaced evenly.
func (r *repair) deliver() {
	order := make([]int32, len(r.load))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(r.hunger(b), r.hunger(a)) })
	for turn, i := range order {
		want := int(r.pr.lo[i] - r.load[i])
		for k := range want {
			at := (k*len(order) + turn) * r.pr.q / (want * len(order))
			if !r.fetch(i, at) {
				break
			}
		}
	}
	for _, i := range order {
		for r.lacks(i) && r.fetch(i, 0) {
		}
	}
}

// fetch brings member i the partition nearest to at that is spared and legal.
func (r *repair) fetch(i int32, at int) bool {
	q := r.pr.q
	for k := range q {
		step := (k + 1) / 2
		if k&1 == 1 {
			step = -step
		}
		p := (at + step) & (q - 1)
		if from := r.owner[p]; from != nobody && from != i && r.spares(from) && r.fits(p, i) {
			r.release(p)
			r.receive(p, i)
			return true
		}
	}
	return false
}

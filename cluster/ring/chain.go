package ring

// chains settles what could not go straight, by ever longer chains.
func (r *repair) chains() {
	for depth := 2; depth <= chainDepth; depth++ {
		for p, i := range r.owner {
			if i == nobody {
				r.chain(p, depth)
			}
		}
		for p := range r.owner {
			if i := r.owner[p]; i != nobody && r.spares(i) && r.needed() {
				r.passOn(p, depth)
			}
		}
	}
}

// needed reports whether moving a unit from a member with too much, or to one
// with too little, is still to be done.
func (r *repair) needed() bool {
	for i, n := range r.load {
		if n < r.pr.lo[i] || n > r.pr.hi[i] {
			return true
		}
	}
	for g, n := range r.locLoad {
		if r.zones == nil && n > r.pr.locHi[g] {
			return true
		}
	}
	return false
}

// passOn starts a chain with a partition that its owner spares; without an
// end to the chain it stays where it is.
func (r *repair) passOn(p, depth int) bool {
	from := r.owner[p]
	z := r.zone(from)
	extra, short := r.extra[z], r.short[z]
	r.release(p)
	if r.chain(p, depth) {
		return true
	}
	r.set(p, from)
	r.extra[z], r.short[z] = extra, short
	return false
}

// chain finds an owner for the unowned p: a member that lacks a partition, or
// one that passes a partition on to the end of a chain of at most depth
// partitions.
func (r *repair) chain(p, depth int) bool {
	best := int32(nobody)
	for i := range int32(len(r.load)) {
		if r.steps--; r.lacks(i) && (best == nobody || r.hunger(i) > r.hunger(best)) && r.fits(p, i) {
			best = i
		}
	}
	if best != nobody {
		r.receive(p, best)
		return true
	}
	if depth == 1 || r.steps <= 0 {
		return false
	}
	for i := range int32(len(r.load)) {
		if r.swapIn(p, i, depth) {
			return true
		}
	}
	return false
}

// swapIn gives p to member i, which passes on one of its partitions: the one
// that stands in the way, if one does, else any.
func (r *repair) swapIn(p int, i int32, depth int) bool {
	obstacle, clear := r.obstacle(p, i)
	if !clear {
		return false
	}
	if obstacle >= 0 {
		return r.exchange(p, obstacle, i, depth)
	}
	// Backwards, because what is taken out and put back goes to the end.
	for k := len(r.owned[i]) - 1; k >= 0 && r.steps > 0; k-- {
		if r.exchange(p, int(r.owned[i][k]), i, depth) {
			return true
		}
	}
	return false
}

// obstacle finds the one partition of i that keeps i from p, or -1. It is not
// clear when more than that stands in the way.
func (r *repair) obstacle(p int, i int32) (at int, clear bool) {
	r.steps--
	at = -1
	if r.zones != nil && r.zones[p] != r.pr.loc[i] {
		return at, false
	}
	mask := r.pr.q - 1
	for d := 1; d <= r.pr.reach; d++ {
		for _, k := range [2]int{(p + d) & mask, (p - d) & mask} {
			if r.pr.pair(d, i, r.owner[k]) == 0 || k == at {
				continue
			}
			if at >= 0 || r.owner[k] != i {
				return -1, false
			}
			at = k
		}
	}
	return at, true
}

// exchange gives p to i and looks for a new owner of i's partition from. It
// leaves everything as it was when there is none.
func (r *repair) exchange(p, from int, i int32, depth int) bool {
	r.set(from, nobody)
	r.set(p, i)
	if r.chain(from, depth-1) {
		return true
	}
	r.set(p, nobody)
	r.set(from, i)
	return false
}

// force gives what is still unowned to whoever breaks least.
func (r *repair) force() {
	for p, i := range r.owner {
		if i != nobody {
			continue
		}
		best, bestCost := int32(0), int64(-1)
		for k := range int32(len(r.load)) {
			g := r.pr.locationOf(k)
			c := r.strain(p, k) + r.pr.moveCost(p, k) +
				r.pr.imbalance(k, r.load[k]+1) - r.pr.imbalance(k, r.load[k]) +
				r.pr.crowding(g, r.locLoad[g]+1) - r.pr.crowding(g, r.locLoad[g])
			if c += 1 << 60; bestCost < 0 || c < bestCost {
				best, bestCost = k, c
			}
		}
		r.set(p, best)
	}
}

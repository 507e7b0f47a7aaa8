package ring

// polish lowers the cost of an assignment by giving partitions to others and by
// swapping two owners. It walks through worse assignments to better ones; a
// partition that was touched rests for a while, so that it does not go round in
// circles.
type polish struct {
	*assignment
	rest []int // partition -> step before which it is left alone
	step int
}

// polishSteps limits a polish, in partitions looked at.
const polishSteps = 1 << 21

// polish returns the best assignment found from the given owners.
func (pr *problem) polish(owners []int32) ([]int32, int64) {
	s := &polish{assignment: pr.assign(owners), rest: make([]int, pr.q)}
	cost := s.cost()
	best, bestCost := append([]int32(nil), s.owner...), cost
	idle, from := 0, 0
	for looked := 0; looked < polishSteps && idle < 64 && bestCost >= costBalance; looked += pr.q {
		p := s.troubled(from)
		if p < 0 {
			break
		}
		from = p + 1
		s.step++
		cost += s.improve(p)
		if idle++; cost < bestCost {
			best, bestCost, idle = append(best[:0], s.owner...), cost, 0
		}
	}
	return best, bestCost
}

// troubled finds the next partition, from the given one on, that takes part in
// a repetition or whose owner has too many or too few, and that does not rest.
func (s *polish) troubled(from int) int {
	pr := s.pr
	for k := range pr.q {
		p := (from + k) & (pr.q - 1)
		i := s.owner[p]
		g := pr.locationOf(i)
		if s.rest[p] <= s.step && (s.strain(p, i) > 0 || pr.imbalance(i, s.load[i]) > 0 || pr.crowding(g, s.locLoad[g]) > 0) {
			return p
		}
	}
	return -1
}

// improve makes the best change that p can be part of, even one for the worse,
// and returns its cost.
func (s *polish) improve(p int) int64 {
	i := s.owner[p]
	bestDelta, bestSwap, bestMember := int64(1)<<62, -1, i
	for k := range int32(len(s.load)) {
		if k == i {
			continue
		}
		if d := s.giveDelta(p, k); d < bestDelta {
			bestDelta, bestSwap, bestMember = d, -1, k
		}
	}
	for o := range s.pr.q {
		if s.owner[o] == i || s.rest[o] > s.step {
			continue
		}
		if d := s.swapDelta(p, o); d < bestDelta {
			bestDelta, bestSwap = d, o
		}
	}
	if bestDelta == 1<<62 {
		return 0
	}
	s.rest[p] = s.step + 8
	if bestSwap < 0 {
		s.set(p, bestMember)
		return bestDelta
	}
	s.rest[bestSwap] = s.step + 8
	s.swap(p, bestSwap)
	return bestDelta
}

// giveDelta is what it costs to give p to member k.
func (s *assignment) giveDelta(p int, k int32) int64 {
	pr, i := s.pr, s.owner[p]
	d := s.strain(p, k) - s.strain(p, i) + s.pr.moveCost(p, k) - s.pr.moveCost(p, i)
	d += pr.imbalance(i, s.load[i]-1) - pr.imbalance(i, s.load[i])
	d += pr.imbalance(k, s.load[k]+1) - pr.imbalance(k, s.load[k])
	if g, h := pr.locationOf(i), pr.locationOf(k); g != h {
		d += pr.crowding(g, s.locLoad[g]-1) - pr.crowding(g, s.locLoad[g])
		d += pr.crowding(h, s.locLoad[h]+1) - pr.crowding(h, s.locLoad[h])
	}
	return d
}

// swapDelta is what it costs that p and o swap owners.
func (s *assignment) swapDelta(p, o int) int64 {
	a, b := s.owner[p], s.owner[o]
	d := -s.strain(p, a) - s.strain(o, b) - s.pr.moveCost(p, a) - s.pr.moveCost(o, b)
	s.owner[p], s.owner[o] = b, a
	d += s.strain(p, b) + s.strain(o, a) + s.pr.moveCost(p, b) + s.pr.moveCost(o, a)
	s.owner[p], s.owner[o] = a, b
	return d
}

func (s *assignment) swap(p, o int) {
	a, b := s.owner[p], s.owner[o]
	s.set(p, b)
	s.set(o, a)
}

package ring

import "slices"

// potential is what the rest of a ring costs at least, for each layer and each
// way its last partitions can be owned. It comes from a Lagrangian relaxation:
// the shares are dropped, and instead every partition of member m costs price[m]
// more; without shares the cheapest rest is a shortest path over the owners of
// the last few partitions. Prices that make the members take their shares by
// themselves give the best bound; a subgradient ascent finds them.
type potential struct {
	pr    *problem
	start int
	tails int // ways to own the last reach partitions, as numbers to base n
	hops  []hop
	first []int32   // tail -> its first hop; one more at the end
	value [][]int64 // layer -> tail -> least cost of the layers from there on
	least []int64   // layer -> least over all tails
	price []int64
}

// hop is one more partition after a tail: its member, the tail after it, and
// what it repeats.
type hop struct {
	member int32
	to     int32
	cost   int64
}

// fine is how many units of a potential make one unit of cost.
const fine = 1 << 8

// potentialWork limits the hops looked at to find the prices.
const (
	potentialWork   = 48 << 20
	potentialRounds = 48
	potentialIdle   = 12 // rounds without progress after which to stop
	potentialTails  = 1 << 14
)

// unreachable is more than any value; prices stay so low that a sum of them
// over a ring does.
const (
	unreachable = int64(1) << 61
	priceLimit  = int64(1) << 44
)

// newPotential returns nil when the problem is too large for one. below is the
// cost of a known ring.
func (pr *problem) newPotential(start int, below int64) *potential {
	h := &potential{pr: pr, start: start, tails: 1, price: make([]int64, len(pr.members))}
	for range pr.reach {
		if h.tails *= len(pr.members); h.tails > potentialTails {
			return nil
		}
	}
	h.connect()
	work := (len(h.hops) + h.tails) * pr.q
	rounds := min(potentialRounds, potentialWork/work)
	if rounds < 8 {
		return nil
	}
	h.value = make([][]int64, pr.q+1)
	for i := range h.value {
		h.value[i] = make([]int64, h.tails)
	}
	h.ascend(rounds, min(below, pr.ceiling()+1)*fine)
	h.least = make([]int64, pr.q+1)
	for i := range h.value {
		h.least[i] = slices.Min(h.value[i])
	}
	return h
}

// connect lists the hops from every tail that is legal in itself.
func (h *potential) connect() {
	n, pr := len(h.pr.members), h.pr
	digits := make([]int32, pr.reach)
	for tail := range h.tails {
		h.first = append(h.first, int32(len(h.hops)))
		rest := tail
		for d := range digits {
			digits[d] = int32(rest % n)
			rest /= n
		}
		legal := true
		for d, m := range digits {
			legal = legal && pr.repeats(m, digits[d+1:]) < costHard
		}
		for m := int32(0); legal && int(m) < n; m++ {
			if c := pr.repeats(m, digits); c < costHard {
				h.hops = append(h.hops, hop{member: m, to: int32((tail*n + int(m)) % h.tails), cost: c * fine})
			}
		}
	}
	h.first = append(h.first, int32(len(h.hops)))
}

// repeats is the cost of m after owners, the nearest first.
func (pr *problem) repeats(m int32, owners []int32) int64 {
	var c int64
	for d, o := range owners {
		c += pr.pair(d+1, m, o)
	}
	return c
}

// ascend improves the prices. The step follows Polyak: it is proportional to
// the gap between the bound and the cost of a known ring.
func (h *potential) ascend(rounds int, known int64) {
	best, bestPrice := int64(-1), slices.Clone(h.price)
	loads := make([]int32, len(h.price))
	damp := int64(1)
	idle := 0
	for idle < potentialIdle && best <= known-fine && rounds > 0 {
		rounds--
		bound := h.solve(loads)
		if idle++; bound > best {
			best, idle = bound, 0
			copy(bestPrice, h.price)
		} else if damp < 64 {
			damp++
		}
		norm := int64(0)
		for m := range loads {
			norm += h.slope(m, loads[m]) * h.slope(m, loads[m])
		}
		if norm == 0 {
			break
		}
		gap := max(known-bound, fine)
		for m := range loads {
			up := h.slope(m, loads[m]) * gap * 2 / (norm * (damp + 1))
			h.price[m] = max(-priceLimit, min(priceLimit, h.price[m]+up))
		}
	}
	copy(h.price, bestPrice)
	h.solve(loads)
}

// slope says how many partitions more than its share a member takes.
func (h *potential) slope(m int, load int32) int64 {
	lo, hi := h.pr.lo[m], h.pr.hi[m]
	switch {
	case h.price[m] > 0:
		return int64(load - hi)
	case h.price[m] < 0:
		return int64(load - lo)
	default:
		return int64(load - min(max(load, lo), hi))
	}
}

// solve fills in the values for the present prices, sets loads to what the
// members take on the shortest path and returns the bound.
func (h *potential) solve(loads []int32) int64 {
	q := h.pr.q
	step := make([]int64, len(h.price))
	for i := q - 1; i >= 0; i-- {
		copy(step, h.price)
		if p := (h.start + i) & (q - 1); !h.pr.fresh {
			for m := range step {
				step[m] += h.pr.moveCost(p, int32(m)) * fine
			}
		}
		now, next := h.value[i], h.value[i+1]
		for tail := range now {
			least := unreachable
			for _, o := range h.hops[h.first[tail]:h.first[tail+1]] {
				if c := o.cost + step[o.member] + next[o.to]; c < least {
					least = c
				}
			}
			now[tail] = least
		}
	}
	clear(loads)
	tail := 0
	for t, v := range h.value[0] {
		if v < h.value[0][tail] {
			tail = t
		}
	}
	bound := h.value[0][tail]
	for i := range q {
		tail = h.walk(i, tail, loads)
	}
	for m, price := range h.price {
		bound -= h.refund(m, price, 0)
	}
	return bound
}

// walk takes the cheapest hop from a tail.
func (h *potential) walk(i, tail int, loads []int32) int {
	p := (h.start + i) & (h.pr.q - 1)
	least, to, member := unreachable+1, 0, int32(0)
	for _, o := range h.hops[h.first[tail]:h.first[tail+1]] {
		c := o.cost + h.price[o.member] + h.value[i+1][o.to] + h.pr.moveCost(p, o.member)*fine
		if c < least {
			least, to, member = c, int(o.to), o.member
		}
	}
	loads[member]++
	return to
}

// refund is the most that member m, having used some of its share, can still
// pay in prices: that much of a value is not real.
func (h *potential) refund(m int, price int64, used int32) int64 {
	if price > 0 {
		return price * int64(max(0, h.pr.hi[m]-used))
	}
	return price * int64(max(0, h.pr.lo[m]-used))
}

// bound is the least cost of a ring, in whole units.
func (h *potential) bound() int64 {
	b := h.least[0]
	for m, price := range h.price {
		b -= h.refund(m, price, 0)
	}
	return (b + fine - 1) / fine
}

// after is the tail that m makes of a tail.
func (h *potential) after(tail, m int32) int32 {
	if h == nil {
		return 0
	}
	return int32((int(tail)*len(h.price) + int(m)) % h.tails)
}

// rest is the value after member m owns the partition of layer i.
func (h *potential) rest(i int, tail, m int32) int64 {
	if i+1 < h.pr.reach {
		return h.least[i+1]
	}
	return h.value[i+1][h.after(tail, m)]
}

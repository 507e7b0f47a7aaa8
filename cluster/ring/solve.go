package ring

import "slices"

// solution is the best ring known for a problem.
type solution struct {
	owners []int32
	cost   int64
	// proven is what every ring that meets the shares is known to cost at
	// least; optimal says that this one costs no more.
	proven  int64
	optimal bool
	// impossible says that no ring meets the shares and holds the windows.
	impossible bool
}

// offer keeps the cheaper ring.
func (s *solution) offer(owners []int32, cost int64) {
	if owners != nil && (s.owners == nil || cost < s.cost) {
		s.owners, s.cost = slices.Clone(owners), cost
	}
}

// prove raises what every ring is known to cost and reports whether there is
// nothing left to find. A proof of more than the ceiling means that no ring
// meets the shares and holds the windows.
func (s *solution) prove(cost, ceiling int64) bool {
	if s.impossible = s.impossible || cost > ceiling; s.impossible {
		return true
	}
	s.proven = max(s.proven, cost)
	s.optimal = s.cost <= s.proven
	return s.optimal
}

// solve finds a ring. When none was found that holds every window with
// balanced shares, it looks for one with less balanced shares.
func (pr *problem) solve() solution {
	s := pr.attempt()
	if s.cost >= costBalance && !pr.fresh && pr.loc == nil {
		s.offer(pr.polish(pr.relayed()))
	}
	for slack := int32(1); s.cost >= costBalance && int(slack) < pr.q; slack *= 2 {
		before := s.cost
		w := pr.loosened(slack).attempt()
		s.offer(pr.polish(w.owners))
		if s.cost < costHard && s.cost == before && !w.impossible {
			break
		}
	}
	return s
}

// loosened is the problem with shares that may miss by slack.
func (pr *problem) loosened(slack int32) *problem {
	w := *pr
	w.loose = true
	w.lo, w.hi = slices.Clone(pr.lo), slices.Clone(pr.hi)
	for i := range w.lo {
		w.lo[i] = max(0, pr.lo[i]-slack)
		w.hi[i] = min(pr.hi[i]+slack, int32(pr.nodes.cap))
	}
	return &w
}

// attempt tries the ways to find a ring in order of their cost, until one
// meets the floor.
func (pr *problem) attempt() solution {
	var s solution
	floor := pr.floor()
	if pr.fresh {
		s.offer(pr.polish(pr.columns()))
		s.offer(pr.polish(pr.walk()))
	} else {
		s.offer(pr.polish(pr.repair(nil)))
	}
	if s.prove(floor, pr.ceiling()) {
		return s
	}
	if owners, proven := pr.byLocation(); owners != nil {
		s.offer(pr.polish(owners))
		if s.prove(proven, pr.ceiling()) {
			return s
		}
	}
	pr.refine(&s)
	return s
}

// Limits of the layered search.
const (
	exactCells = 128     // partitions * members up to which the search shall be exact
	exactWidth = 1 << 15 // states for that
	beamWork   = 4 << 20 // partitions * width * members^2 of a beam
	beamFirst  = 24      // width of the first beam, though that be more work
	beamMost   = 4 * beamWork
	beamWidest = 512           // width at which more hardly helps
	beamNeeded = 64 * beamWork // the most work while no balanced ring is known
)

// refine searches layer by layer for something cheaper.
func (pr *problem) refine(s *solution) {
	n := len(pr.members)
	work := pr.q * n * n
	widths := []int{beamFirst, min(beamWidest, beamWork/work)}
	starts := 2 - count(pr.loose)
	if first := beamFirst * work; first > beamNeeded || first > beamMost && s.cost < costBalance {
		return
	}
	if pr.q*n <= exactCells && !pr.rough {
		widths, starts = []int{beamFirst, exactWidth}, 1
	}
	for k := range starts {
		start := k * pr.q / starts
		guide := pr.newPotential(start, s.cost)
		if guide != nil && s.prove(guide.bound(), pr.ceiling()) {
			return
		}
		for try, width := range widths {
			if width < beamFirst {
				continue
			}
			b := beam{width: width, evenly: try > 0 && s.cost >= costBalance}
			owners, cost, exact := pr.searchLayers(guide, start, s.cost, b)
			s.offer(owners, cost)
			proven := s.proven
			if exact {
				proven = s.cost
			}
			if s.prove(proven, pr.ceiling()) {
				return
			}
		}
	}
}

package ring

// outline is the same problem with locations in the place of members: which
// location shall own which partition. Rings with few locations are tight in
// their locations and loose within each; so locations are settled first, with
// the means for tight rings, and the members of each location share its
// partitions afterwards.
func (pr *problem) outline() *problem {
	o := &problem{
		q: pr.q, fresh: pr.fresh, loose: pr.loose, rough: true, gone: pr.gone,
		members:   make([]Member, pr.locs),
		home:      make([]int32, pr.q),
		nodes:     pr.locations,
		locations: distance{goal: 1, held: 1, cap: pr.q},
		reach:     pr.reach,
		locPen:    make([]int64, pr.reach+1),
		lo:        make([]int32, pr.locs),
		hi:        make([]int32, pr.locs),
		had:       make([]int32, pr.locs),
		locHi:     []int32{int32(pr.q)},
	}
	size := make([]int, pr.locs)
	for i, g := range pr.loc {
		size[g]++
		o.members[g].Weight += pr.members[i].Weight
		o.lo[g] += pr.lo[i]
		o.hi[g] = min(o.hi[g]+pr.hi[i], pr.locHi[g])
		o.had[g] += pr.had[i]
	}
	for p, i := range pr.home {
		o.home[p] = nobody
		if i != nobody {
			o.home[p] = pr.loc[i]
		}
	}
	for g := range size {
		pen, spacing := pr.locPen, pr.locations.held
		if size[g] == 1 {
			pen, spacing = addCosts(pen, pr.nodePen[0]), max(spacing, pr.nodes.held)
		}
		o.nodePen = append(o.nodePen, pen)
		o.spacing = append(o.spacing, spacing)
	}
	return o
}

func addCosts(a, b []int64) []int64 {
	sum := make([]int64, len(a))
	for d := range sum {
		sum[d] = min(costHard, a[d]+b[d])
	}
	return sum
}

// fewLocations is up to how many locations a problem has an outline.
const fewLocations = 16

// byLocation settles the locations first. What they cost at least, the whole
// ring costs at least. It returns nil when that is of no use.
func (pr *problem) byLocation() (owners []int32, proven int64) {
	if pr.locs < 2 || pr.locs > fewLocations || pr.locs == len(pr.members) {
		return nil, 0
	}
	s := pr.outline().attempt()
	if s.impossible {
		s.proven = pr.ceiling() + 1
	}
	return pr.repair(s.owners), s.proven
}

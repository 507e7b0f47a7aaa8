package ring

// share gives every member its fewest and most partitions: its quota by
// weight, rounded down and up. A quota that windows forbid is cut, for the
// member as for the location, and the rest is shared among the others.
func (pr *problem) share() {
	n := len(pr.members)
	pr.lo, pr.hi = make([]int32, n), make([]int32, n)
	pr.locHi = make([]int32, max(pr.locs, 1))
	groups := make([][]int32, max(pr.locs, 1))
	for i := range int32(n) {
		groups[pr.locationOf(i)] = append(groups[pr.locationOf(i)], i)
	}
	cut := make([]bool, len(groups))
	total := pr.q
	for g := range groups {
		pr.locHi[g] = int32(pr.locations.cap)
	}
	for {
		var open []int32
		for g, members := range groups {
			if !cut[g] {
				open = append(open, members...)
			}
		}
		f := pr.pour(open, total)
		again := false
		for g, members := range groups {
			if !cut[g] && f.exceeds(pr, members, pr.locations.cap) {
				cut[g], again = true, true
				total -= pr.locations.cap
				pr.pour(members, pr.locations.cap).round(pr, members)
			}
		}
		if !again {
			f.round(pr, open)
			return
		}
	}
}

// filling is a level to which members are filled: each to amount/weight times
// its own weight, but no further than limit.
type filling struct {
	amount, weight int64
	limit          int64
}

// pour shares total among the members by weight, none above the most that
// windows allow.
func (pr *problem) pour(members []int32, total int) filling {
	f := filling{amount: int64(total), limit: int64(pr.nodes.cap)}
	full := make([]bool, len(members))
	for _, i := range members {
		f.weight += int64(pr.members[i].Weight)
	}
	for again := true; again; {
		again = false
		level := f
		for k, i := range members {
			if !full[k] && level.overflows(int64(pr.members[i].Weight)) {
				full[k], again = true, true
				f.amount -= f.limit
				f.weight -= int64(pr.members[i].Weight)
			}
		}
	}
	return f
}

// overflows reports whether a member of weight w would get more than limit.
func (f filling) overflows(w int64) bool {
	return f.weight <= 0 || f.amount*w > f.limit*f.weight
}

// exceeds reports whether the members together get more than most.
func (f filling) exceeds(pr *problem, members []int32, most int) bool {
	full, open := int64(0), int64(0)
	for _, i := range members {
		if w := int64(pr.members[i].Weight); f.overflows(w) {
			full += f.limit
		} else {
			open += w
		}
	}
	if f.weight <= 0 {
		return full > int64(most)
	}
	return full*f.weight+open*f.amount > int64(most)*f.weight
}

// round sets the members' fewest and most partitions.
func (f filling) round(pr *problem, members []int32) {
	for _, i := range members {
		w := int64(pr.members[i].Weight)
		if f.overflows(w) {
			pr.lo[i], pr.hi[i] = int32(f.limit), int32(f.limit)
			continue
		}
		pr.lo[i] = int32(f.amount * w / f.weight)
		pr.hi[i] = int32((f.amount*w + f.weight - 1) / f.weight)
	}
}

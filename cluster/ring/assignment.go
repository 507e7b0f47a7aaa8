package ring

// assignment is a ring under construction: some partitions may have no owner
// yet. It is the one mutable thing of a claim.
type assignment struct {
	pr      *problem
	owner   []int32   // partition -> member, or nobody
	load    []int32   // member -> partitions
	locLoad []int32   // location -> partitions
	owned   [][]int32 // member -> its partitions, unordered
	slot    []int32   // partition -> its position in owned
}

func newAssignment(pr *problem) *assignment {
	a := &assignment{
		pr:      pr,
		owner:   make([]int32, pr.q),
		load:    make([]int32, len(pr.members)),
		locLoad: make([]int32, len(pr.locHi)),
		owned:   make([][]int32, len(pr.members)),
		slot:    make([]int32, pr.q),
	}
	for p := range a.owner {
		a.owner[p] = nobody
	}
	return a
}

// assign makes an assignment of whole rings.
func (pr *problem) assign(owners []int32) *assignment {
	a := newAssignment(pr)
	for p, i := range owners {
		a.set(p, i)
	}
	return a
}

// set gives p to member i, or to nobody.
func (a *assignment) set(p int, i int32) {
	if was := a.owner[p]; was != nobody {
		list := a.owned[was]
		last := list[len(list)-1]
		list[a.slot[p]] = last
		a.slot[last] = a.slot[p]
		a.owned[was] = list[:len(list)-1]
		a.load[was]--
		a.locLoad[a.pr.locationOf(was)]--
	}
	a.owner[p] = i
	if i != nobody {
		a.slot[p] = int32(len(a.owned[i]))
		a.owned[i] = append(a.owned[i], int32(p))
		a.load[i]++
		a.locLoad[a.pr.locationOf(i)]++
	}
}

// strain is the cost of the repetitions that member i at p would be part of.
func (a *assignment) strain(p int, i int32) int64 {
	pr, mask := a.pr, a.pr.q-1
	var c int64
	for d := 1; d <= pr.reach; d++ {
		c += pr.pair(d, i, a.owner[(p+d)&mask]) + pr.pair(d, i, a.owner[(p-d)&mask])
	}
	return c
}

// imbalance is the cost of member i owning n partitions.
func (pr *problem) imbalance(i, n int32) int64 {
	return costBalance * int64(max(0, pr.lo[i]-n, n-pr.hi[i]))
}

// crowding is the cost of location g owning n partitions.
func (pr *problem) crowding(g, n int32) int64 {
	return costBalance * int64(max(0, n-pr.locHi[g]))
}

// cost is the cost of a whole assignment.
func (a *assignment) cost() int64 {
	pr, mask := a.pr, a.pr.q-1
	var c int64
	for p, i := range a.owner {
		for d := 1; d <= pr.reach; d++ {
			c += pr.pair(d, i, a.owner[(p+d)&mask])
		}
		c += a.pr.moveCost(p, i)
	}
	for i, n := range a.load {
		c += pr.imbalance(int32(i), n)
	}
	for g, n := range a.locLoad {
		c += pr.crowding(int32(g), n)
	}
	return c
}

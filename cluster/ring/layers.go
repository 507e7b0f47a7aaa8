package ring

import (
	"cmp"
	"slices"
)

// layers searches for the cheapest ring partition by partition: layer i holds
// the ways to own the first i partitions that differ in what matters for the
// rest, which is how many partitions each member has and who owns the ends.
// States that cannot lead to a ring cheaper than the best one known are left
// out. While no layer outgrows the width, the search is exact; else the layer is
// cut to the most promising states and the search is a beam.
type layers struct {
	pr    *problem
	start int   // the partition of layer 0
	below int64 // only rings that hope for less, in units of fine, are of interest
	beam
	exact  bool
	rem    []int32 // member -> partitions it owns now among those still to come
	gone   int     // partitions still to come whose owner leaves
	trails []trail
	now    *layer
	next   *layer
	guide  *potential // nil when the problem is too large for one
	stay   []placing  // scratch: member -> where it is among the ends
	visit  []placing  // scratch: location -> where it is among the ends
	crowd  []int32    // scratch: location -> partitions owned
	room   []int32    // scratch: location -> what its members can still own
}

// beam says how many states of a layer are kept, and which: those with most
// hope or, to find any ring at all, those whose loads grow most evenly.
type beam struct {
	width  int
	evenly bool
}

// trail remembers how the states of a layer came about.
type trail struct{ parent, choice []int32 }

// layer is the states of one layer, in columns.
type layer struct {
	n, reach int
	used     []int32 // state*n + member -> partitions owned
	ends     []int32 // state*2*reach -> owners of the first and, backwards, the last
	load     []uint64
	cost     []int64
	hope     []int64 // cost plus the least that the rest costs, in units of fine
	tail     []int32 // the last owners, as the potential numbers them
	uneven   []int64 // how far the loads are from growing evenly
	parent   []int32
	choice   []int32
	table    []int32 // hash table of states + 1
}

// placing is what is known about one member in one state.
type placing struct {
	first, last int // its first layer if among the first, its last one if among the last; else -1
}

// searchLayers looks for a ring that costs less than below. It returns nil when
// it finds none, and whether that, or that the ring found is the cheapest, is
// certain. Only rings that hold every distance that can be held are found.
func (pr *problem) searchLayers(guide *potential, start int, below int64, b beam) (owners []int32, cost int64, exact bool) {
	s := &layers{pr: pr, start: start, below: (min(below, pr.ceiling()+1) - 1) * fine, beam: b, exact: true, guide: guide}
	s.rem = slices.Clone(pr.had)
	s.gone = pr.gone
	s.stay = make([]placing, len(pr.members))
	s.visit = make([]placing, len(pr.locHi))
	s.crowd = make([]int32, len(pr.locHi))
	s.room = make([]int32, len(pr.locHi))
	s.now, s.next = newLayer(pr), newLayer(pr)
	s.now.root()
	for i := range pr.q {
		s.pass(i)
		s.next.reset()
		for state := range s.now.cost {
			s.expand(i, state)
		}
		s.cut()
		s.trails = append(s.trails, trail{slices.Clone(s.next.parent), slices.Clone(s.next.choice)})
		s.now, s.next = s.next, s.now
		if len(s.now.cost) == 0 {
			return nil, 0, s.exact
		}
	}
	best := 0
	for state, c := range s.now.cost {
		if c < s.now.cost[best] {
			best = state
		}
	}
	return s.follow(best), s.now.cost[best], s.exact
}

func newLayer(pr *problem) *layer { return &layer{n: len(pr.members), reach: pr.reach} }

func (l *layer) reset() {
	l.used, l.ends, l.load = l.used[:0], l.ends[:0], l.load[:0]
	l.cost, l.hope, l.uneven = l.cost[:0], l.hope[:0], l.uneven[:0]
	l.parent, l.choice, l.tail = l.parent[:0], l.choice[:0], l.tail[:0]
	clear(l.table)
}

// root is the one state of layer 0.
func (l *layer) root() {
	l.reset()
	l.used = append(l.used, make([]int32, l.n)...)
	for range 2 * l.reach {
		l.ends = append(l.ends, nobody)
	}
	l.load, l.cost = append(l.load, 0), append(l.cost, 0)
	l.hope, l.uneven = append(l.hope, 0), append(l.uneven, 0)
	l.parent, l.choice, l.tail = append(l.parent, nobody), append(l.choice, nobody), append(l.tail, 0)
}

// pass takes the partition of layer i out of what is still to come.
func (s *layers) pass(i int) {
	if h := s.home(i); h != nobody {
		s.rem[h]--
	} else {
		s.gone--
	}
}

func (s *layers) home(i int) int32 { return s.pr.home[(s.start+i)&(s.pr.q-1)] }

// expand tries every member for the partition of layer i.
func (s *layers) expand(i, state int) {
	l := s.now
	used := l.used[state*l.n : (state+1)*l.n]
	ends := l.ends[state*2*l.reach : (state+1)*2*l.reach]
	s.placings(i, ends)
	clear(s.crowd)
	for m, n := range used {
		s.crowd[s.pr.locationOf(int32(m))] += n
	}
	for m := range int32(l.n) {
		if g := s.pr.locationOf(m); used[m] >= s.pr.hi[m] || s.crowd[g] >= s.pr.locHi[g] {
			continue
		}
		cost := s.strain(i, m, ends)
		if cost >= costHard {
			continue
		}
		cost += l.cost[state] + s.pr.moveCost((s.start+i)&(s.pr.q-1), m)
		if hope, ok := s.rest(i, state, m, used); ok && cost*fine+hope <= s.below {
			s.add(i, state, m, cost, cost*fine+hope)
		}
	}
}

// strain is the cost of the repetitions that member m adds at layer i.
func (s *layers) strain(i int, m int32, ends []int32) int64 {
	var c int64
	for d := 1; d <= s.pr.reach; d++ {
		c += s.pr.pair(d, m, ends[s.pr.reach+d-1])
		if i+d >= s.pr.q {
			c += s.pr.pair(d, m, ends[i+d-s.pr.q])
		}
	}
	return c
}

// placings finds the members and locations among the ends of a state of layer
// i.
func (s *layers) placings(i int, ends []int32) {
	for m := range s.stay {
		s.stay[m] = placing{-1, -1}
	}
	for g := range s.visit {
		s.visit[g] = placing{-1, -1}
	}
	reach := s.pr.reach
	for k := reach - 1; k >= 0; k-- {
		if m := ends[k]; m != nobody {
			s.stay[m].first = k
			s.visit[s.pr.locationOf(m)].first = k
		}
		if m := ends[reach+k]; m != nobody {
			s.stay[m].last = i - 1 - k
			s.visit[s.pr.locationOf(m)].last = i - 1 - k
		}
	}
}

// rest is what the layers after i cost at least when m owns the partition of
// layer i; not ok when the shares cannot be met any more. Apart from the
// potential it counts the moves that the shares alone enforce, given how many
// partitions each member and location can still own by its spacing.
func (s *layers) rest(i, state int, m int32, used []int32) (int64, bool) {
	pr := s.pr
	supply, demand := int32(s.gone), int32(0)
	var least, most int32
	clear(s.room)
	refund := int64(0)
	for k := range used {
		n, at := used[k], s.stay[k]
		if int32(k) == m {
			n++
			at = at.with(i, pr.reach)
		}
		hi := min(pr.hi[k]-n, places(i+1, pr.q, at, pr.spacing[k]))
		lo := max(0, pr.lo[k]-n)
		if lo > hi {
			return 0, false
		}
		least += lo
		s.room[pr.locationOf(int32(k))] += hi
		supply += max(0, s.rem[k]-hi)
		demand += max(0, lo-s.rem[k])
		if s.guide != nil {
			refund += s.guide.refund(k, s.guide.price[k], n)
		}
	}
	for g, hi := range s.room {
		n, at := s.crowd[g], s.visit[g]
		if int32(g) == pr.locationOf(m) {
			n++
			at = at.with(i, pr.reach)
		}
		most += min(hi, pr.locHi[g]-n, places(i+1, pr.q, at, pr.locations.held))
	}
	if left := int32(pr.q - i - 1); least > left || most < left {
		return 0, false
	}
	hope := int64(0)
	if !pr.fresh {
		hope = costMove * fine * int64(max(supply, demand))
	}
	if s.guide != nil {
		hope = max(hope, s.guide.rest(i, s.now.tail[state], m)-refund)
	}
	return hope, true
}

// with is a placing after layer i went to the same holder.
func (at placing) with(i, reach int) placing {
	at.last = i
	if i < reach && at.first < 0 {
		at.first = i
	}
	return at
}

// places is how many of the layers i..q-1 a holder can own at most, by its
// spacing alone.
func places(i, q int, at placing, spacing int) int32 {
	from, to := i, q-1
	if at.last >= 0 {
		from = max(from, at.last+spacing)
	}
	if at.first >= 0 {
		to = min(to, q+at.first-spacing)
	}
	if from > to {
		return 0
	}
	return int32((to-from)/spacing + 1)
}

// add puts a state into the next layer, or improves the same state there.
func (s *layers) add(i, state int, m int32, cost, hope int64) {
	now, next := s.now, s.next
	n, width := now.n, 2*now.reach
	at := len(next.cost)
	next.used = append(next.used, now.used[state*n:(state+1)*n]...)
	next.used[at*n+int(m)]++
	next.ends = append(next.ends, now.ends[state*width:(state+1)*width]...)
	ends := next.ends[at*width:]
	if i < now.reach {
		ends[i] = m
	}
	if now.reach > 0 {
		copy(ends[now.reach+1:], ends[now.reach:width-1])
		ends[now.reach] = m
	}
	load := now.load[state] + scramble(uint64(m)+1)
	quota := int64(s.pr.lo[m]+s.pr.hi[m]) + 1
	uneven := now.uneven[state] + int64(now.used[state*n+int(m)]*2+1)<<16/quota
	if g := s.pr.locationOf(m); s.pr.loc != nil {
		uneven += int64(s.crowd[g]*2+1) << 16 / int64(s.pr.locHi[g])
	}
	if same := next.find(at, load, n, width); same >= 0 {
		next.used, next.ends = next.used[:at*n], next.ends[:at*width]
		if cost < next.cost[same] {
			next.cost[same], next.hope[same] = cost, hope
			next.parent[same], next.choice[same] = int32(state), m
		}
		return
	}
	next.tail = append(next.tail, s.guide.after(now.tail[state], m))
	next.load = append(next.load, load)
	next.cost, next.hope = append(next.cost, cost), append(next.hope, hope)
	next.uneven = append(next.uneven, uneven)
	next.parent, next.choice = append(next.parent, int32(state)), append(next.choice, m)
}

// find looks the state at the end of the columns up among those before it, and
// enters it when it is new.
func (l *layer) find(at int, load uint64, n, width int) int {
	if len(l.table) < 2*(at+1) {
		l.grow(n, width)
	}
	mask := uint64(len(l.table) - 1)
	for slot := l.hash(at, load, width) & mask; ; slot = (slot + 1) & mask {
		k := int(l.table[slot]) - 1
		if k < 0 {
			l.table[slot] = int32(at + 1)
			return -1
		}
		if l.load[k] == load && slices.Equal(l.used[k*n:(k+1)*n], l.used[at*n:(at+1)*n]) &&
			slices.Equal(l.ends[k*width:(k+1)*width], l.ends[at*width:(at+1)*width]) {
			return k
		}
	}
}

func (l *layer) grow(n, width int) {
	l.table = make([]int32, max(1024, 2*len(l.table)))
	mask := uint64(len(l.table) - 1)
	for k, load := range l.load {
		slot := l.hash(k, load, width) & mask
		for l.table[slot] != 0 {
			slot = (slot + 1) & mask
		}
		l.table[slot] = int32(k + 1)
	}
}

func (l *layer) hash(at int, load uint64, width int) uint64 {
	h := load
	for _, m := range l.ends[at*width : (at+1)*width] {
		h = scramble(h ^ uint64(m+1))
	}
	return h
}

// scramble mixes the bits of a number (the finaliser of splitmix64).
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// cut keeps the most promising states of a layer that is too wide.
func (s *layers) cut() {
	l := s.next
	if len(l.cost) <= s.width {
		return
	}
	s.exact = false
	keep := make([]int32, len(l.cost))
	for i := range keep {
		keep[i] = int32(i)
	}
	slices.SortFunc(keep, func(a, b int32) int {
		first, second := cmp.Compare(l.hope[a], l.hope[b]), cmp.Compare(l.uneven[a], l.uneven[b])
		if s.evenly {
			first, second = second, first
		}
		return cmp.Or(first, second, cmp.Compare(a, b))
	})
	keep = keep[:s.width]
	slices.Sort(keep)
	width := 2 * l.reach
	for to, from := range keep {
		f := int(from)
		copy(l.used[to*l.n:(to+1)*l.n], l.used[f*l.n:])
		copy(l.ends[to*width:(to+1)*width], l.ends[f*width:])
		l.load[to], l.cost[to], l.hope[to], l.uneven[to] = l.load[f], l.cost[f], l.hope[f], l.uneven[f]
		l.parent[to], l.choice[to], l.tail[to] = l.parent[f], l.choice[f], l.tail[f]
	}
	k := len(keep)
	l.used, l.ends, l.load = l.used[:k*l.n], l.ends[:k*width], l.load[:k]
	l.cost, l.hope, l.uneven = l.cost[:k], l.hope[:k], l.uneven[:k]
	l.parent, l.choice, l.tail = l.parent[:k], l.choice[:k], l.tail[:k]
}

// follow walks back from a state of the last layer.
func (s *layers) follow(state int) []int32 {
	owners := make([]int32, s.pr.q)
	at := int32(state)
	for i := s.pr.q - 1; i >= 0; i-- {
		t := s.trails[i]
		owners[(s.start+i)&(s.pr.q-1)] = t.choice[at]
		at = t.parent[at]
	}
	return owners
}

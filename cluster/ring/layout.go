package ring

import (
	"cmp"
	"slices"
)

// columns lays a ring out from nothing. Let m be the most partitions that any
// member shall own. The ring is cut into m rows of Q/m partitions, the first of
// them one longer as far as there is a remainder, and the members, those with
// most partitions first, fill them column by column. A member with m partitions
// has a column for itself, and equals are a row apart. One with fewer may begin
// low in one column and end in the next, but above the row it began in; only in
// the last column, where the rows are longer, may that be the row just above.
// So equals are at least Q/m apart, and since no share is above Q/N, at least N.
// Without locations the rows are then mixed.
func (pr *problem) columns() []int32 {
	loads := pr.loads()
	m := int(slices.Max(loads))
	at := func(row int) int { return row*(pr.q/m) + min(row, pr.q%m) }
	owners := make([]int32, pr.q)
	order := pr.interleaved(loads)
	row, col := 0, 0
	for _, i := range order {
		for range loads[i] {
			owners[at(row)+col] = i
			if row++; row == m || at(row)+col >= at(row+1) {
				row, col = 0, col+1
			}
		}
	}
	if pr.loc == nil {
		for row := range m {
			pr.shuffle(owners[at(row):at(row+1)], row, pr.q/m)
		}
	}
	return owners
}

// shuffle mixes one row, so that a member does not have the same neighbours in
// every row: what it leaves behind when it fails or goes can then be taken over
// by many others. Cells stay within blocks of a size that brings equals in
// neighbouring rows nearer by no more than half of what the windows leave room
// for.
func (pr *problem) shuffle(row []int32, number, length int) {
	size := (length-pr.nodes.held)/2 + 1
	for block := range slices.Chunk(row, max(1, size)) {
		for k := len(block) - 1; k > 0; k-- {
			o := scramble(uint64(number)<<32|uint64(k)) % uint64(k+1)
			block[k], block[o] = block[o], block[k]
		}
	}
}

// loads picks how many partitions each member gets: its fewest, and one more
// for those with most weight per partition, while their location has room.
func (pr *problem) loads() []int32 {
	loads := slices.Clone(pr.lo)
	inLoc := make([]int32, len(pr.locHi))
	left := int32(pr.q)
	for i, n := range loads {
		inLoc[pr.locationOf(int32(i))] += n
		left -= n
	}
	order := make([]int32, len(loads))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		x, y := int64(pr.members[a].Weight), int64(pr.members[b].Weight)
		return cmp.Compare(y*int64(loads[a]+1), x*int64(loads[b]+1))
	})
	for _, i := range order {
		g := pr.locationOf(i)
		if left > 0 && loads[i] < pr.hi[i] && inLoc[g] < pr.locHi[g] {
			loads[i]++
			inLoc[g]++
			left--
		}
	}
	for i := 0; left > 0; i = (i + 1) % len(loads) {
		if loads[i] < pr.hi[i] || i == 0 {
			loads[i]++
			left--
		}
	}
	return loads
}

// interleaved orders the members by load, most first, and among equal loads
// such that locations take turns.
func (pr *problem) interleaved(loads []int32) []int32 {
	order := make([]int32, len(loads))
	turn := make([]int, len(loads)) // how many of its location and load come before
	type class struct{ loc, load int32 }
	seen := map[class]int{}
	for i := range order {
		order[i] = int32(i)
		if pr.loc != nil {
			c := class{pr.loc[i], loads[i]}
			turn[i] = seen[c]
			seen[c]++
		}
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(loads[b], loads[a]), cmp.Compare(turn[a], turn[b]))
	})
	return order
}

// walk lays a ring out partition by partition: each goes to the member that,
// of those that repeat least there, is furthest behind its share, its
// location's share first.
func (pr *problem) walk() []int32 {
	loads := pr.loads()
	locLoads := make([]int32, len(pr.locHi))
	for i, n := range loads {
		locLoads[pr.locationOf(int32(i))] += n
	}
	a := newAssignment(pr)
	for p := range pr.q {
		best, bestStrain := int32(nobody), int64(0)
		var bestLag [2]int64
		for i := range int32(len(loads)) {
			if a.load[i] >= loads[i] {
				continue
			}
			g := pr.locationOf(i)
			strain := a.strain(p, i)
			lag := [2]int64{
				lag(a.locLoad[g], locLoads[g], p, pr.q),
				lag(a.load[i], loads[i], p, pr.q),
			}
			better := strain < bestStrain || strain == bestStrain && slices.Compare(lag[:], bestLag[:]) > 0
			if best == nobody || better {
				best, bestStrain, bestLag = i, strain, lag
			}
		}
		a.set(p, best)
	}
	return a.owner
}

// lag says how far a holder with n of its want partitions is behind at p of q,
// in units of its own spacing: who has waited longest goes first.
func lag(n, want int32, p, q int) int64 {
	return (int64(p+1)*int64(want) - int64(n)*int64(q)) << 12 / int64(want)
}

package ring

import (
	"cmp"
	"slices"
)

// relayed lays the ring out from nothing and names the members of the layout
// such that many partitions stay where they are. Without locations a layout
// always holds the windows and the shares, so this is the last resort of a
// repair that found no way. Members trade places in the layout when both may
// have the other's load.
func (pr *problem) relayed() []int32 {
	layout := pr.columns()
	n := len(pr.members)
	loads := make([]int32, n)
	stay := map[[2]int32]int32{} // place in the layout and member -> partitions kept
	for p, place := range layout {
		loads[place]++
		if pr.home[p] != nobody {
			stay[[2]int32{place, pr.home[p]}]++
		}
	}
	pairs := make([][2]int32, 0, len(stay))
	for pair := range stay {
		pairs = append(pairs, pair)
	}
	slices.SortFunc(pairs, func(a, b [2]int32) int {
		return cmp.Or(cmp.Compare(stay[b], stay[a]), slices.Compare(a[:], b[:]))
	})
	placed := make([]bool, n)
	name := slices.Repeat([]int32{nobody}, n) // place -> member
	put := func(place, i int32) {
		if name[place] == nobody && !placed[i] && pr.lo[i] <= loads[place] && loads[place] <= pr.hi[i] {
			name[place], placed[i] = i, true
		}
	}
	for _, pair := range pairs {
		put(pair[0], pair[1])
	}
	for place := range name {
		for i := range placed {
			put(int32(place), int32(i))
		}
	}
	if slices.Contains(name, nobody) {
		return layout
	}
	owners := make([]int32, pr.q)
	for p, place := range layout {
		owners[p] = name[place]
	}
	return owners
}

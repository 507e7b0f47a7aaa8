package topology

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

type number struct{ key, value int }

func (n number) order(o number) int { return cmp.Compare(n.key, o.key) }

// TestSorted compares the list with a sorted slice, through changes that split chunks, join and empty them, and
// holds that no change touches the list before it.
func TestSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list sorted[number]
		var want []number
		most := rapid.SampledFrom([]int{3, 300, 2000}).Draw(t, "keys")
		seed := rapid.Uint64().Draw(t, "seed")
		for i := range 3 * most {
			seed = seed*6364136223846793005 + 1442695040888963407
			x := number{int(seed>>33) % most, i}
			before, checked := list, i%(most/3) == 0
			var snapshot []number
			if checked {
				snapshot = slices.Collect(before.from(number{}))
			}
			at, found := slices.BinarySearchFunc(want, x, number.order)
			growing := i < most || seed>>63 == 0
			switch {
			case growing && found:
				want[at] = x
				list = list.put(x)
			case growing:
				want = slices.Insert(want, at, x)
				list = list.put(x)
			default:
				list = list.drop(x)
				if found {
					want = slices.Delete(want, at, at+1)
				}
			}
			if got, ok := list.get(x); ok != growing || ok && got != x {
				t.Fatalf("step %d: %v became %v, %t", i, x, got, ok)
			}
			if !checked {
				continue
			}
			if !slices.Equal(slices.Collect(before.from(number{})), snapshot) {
				t.Fatalf("step %d changed the list before it", i)
			}
			at, _ = slices.BinarySearchFunc(want, x, number.order)
			if got := slices.Collect(list.from(x)); !slices.Equal(got, want[at:]) || list.size != len(want) {
				t.Fatalf("step %d: %d elements of %d from %v on, want %v", i, len(got), list.size, x, want[at:])
			}
			if slices.ContainsFunc(list.chunks, func(c []number) bool { return len(c) == 0 || len(c) > chunkSize }) {
				t.Fatalf("step %d: %d chunks for %d elements", i, len(list.chunks), len(want))
			}
		}
	})
}

package ring

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The steps of a claim cover for each other: what one does badly the next one
// mends. These tests hold each to its own promise.

func testMembers(n int, weight func(i int) int) []Member {
	ms := make([]Member, n)
	for i := range ms {
		ms[i] = Member{Node: NodeID(fmt.Sprintf("n%03d", i)), Weight: weight(i)}
	}
	return ms
}

func drawProblem(t *rapid.T, q, most int) *problem {
	ms := testMembers(rapid.IntRange(1, most).Draw(t, "members"), func(int) int {
		return rapid.IntRange(1, 3).Draw(t, "weight")
	})
	if rapid.Bool().Draw(t, "located") {
		for i := range ms {
			ms[i].Location = rapid.SampledFrom([]string{"", "x", "y", "z"}).Draw(t, "location")
		}
	}
	owners := make([]NodeID, q)
	for p := range owners {
		owners[p] = NodeID(fmt.Sprintf("n%03d", rapid.IntRange(0, most).Draw(t, "owner")))
	}
	cur, err := New(owners)
	if err != nil {
		t.Fatal(err)
	}
	return newProblem(ClaimOptions{
		Size: q, Members: ms, Current: cur,
		TargetN: rapid.IntRange(1, 4).Draw(t, "target_n"), TargetLocationN: rapid.IntRange(1, 3).Draw(t, "target_location_n"),
	})
}

// exhaust is the cost of the cheapest ring, without any guidance; ok is false
// when there is none that meets the shares and holds the windows.
func exhaust(t *rapid.T, pr *problem) (cost int64, ok bool) {
	owners, cost, exact := pr.searchLayers(nil, 0, pr.ceiling()+1, beam{width: 1 << 20})
	if !exact {
		t.Fatal("the search was cut short")
	}
	if owners != nil && pr.assign(owners).cost() != cost {
		t.Fatalf("a ring of cost %d is said to cost %d", pr.assign(owners).cost(), cost)
	}
	return cost, owners != nil
}

// I8: what is said to be the least that a ring costs is not more than that.
func TestProblem_boundsAreBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pr := drawProblem(t, 8, 5)
		least, ok := exhaust(t, pr)
		if !ok {
			return
		}
		if least > pr.ceiling() {
			t.Fatalf("the cheapest ring costs %d, the ceiling is %d", least, pr.ceiling())
		}
		if floor := pr.floor(); floor > least {
			t.Fatalf("floor %d, the cheapest ring costs %d", floor, least)
		}
		if pr.loc != nil {
			if s := pr.outline().attempt(); s.impossible || s.proven > least {
				t.Fatalf("locations alone are said to cost %d, %v; the cheapest ring costs %d", s.proven, s.impossible, least)
			}
		}
		start := rapid.IntRange(0, 7).Draw(t, "start")
		for _, known := range []int64{least, least + 5, costHard} {
			if got := pr.newPotential(start, known).bound(); got > least {
				t.Fatalf("potential of %d, the cheapest ring costs %d", got, least)
			}
		}
	})
}

// I8: guidance and the partition that a search starts from change what it
// looks at, not what it finds.
func TestProblem_searchIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pr := drawProblem(t, 8, 4)
		least, ok := exhaust(t, pr)
		start := rapid.IntRange(0, 7).Draw(t, "start")
		guide := pr.newPotential(start, pr.ceiling()+1)
		owners, cost, exact := pr.searchLayers(guide, start, pr.ceiling()+1, beam{width: 1 << 20})
		if !exact || (owners != nil) != ok || ok && cost != least {
			t.Fatalf("guided search from %d finds %v of cost %d, exact %v; without guidance %d, %v", start, owners, cost, exact, least, ok)
		}
	})
}

// I6, I7: a layout from nothing holds windows and shares without any search,
// and so does one that is made to resemble a ring.
func TestProblem_columns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := MinSize << rapid.IntRange(0, 7).Draw(t, "log size")
		n := rapid.IntRange(1, min(q, 40)).Draw(t, "members")
		heaviest := rapid.IntRange(1, 5).Draw(t, "heaviest")
		o := ClaimOptions{Size: q, TargetN: rapid.IntRange(1, 8).Draw(t, "target_n"), TargetLocationN: 1}
		o.Members = testMembers(n, func(int) int { return rapid.IntRange(1, heaviest).Draw(t, "weight") })
		pr := newProblem(o)
		if pr.nodes.soft > 0 {
			return // then it may repeat more than need be
		}
		layout := pr.columns()
		if c := pr.assign(layout).cost(); c != 0 {
			t.Fatalf("layout costs %d: %v", c, layout)
		}
		o.Members = slices.Clone(o.Members)
		o.Members[0].Node = "new"
		o.Current = pr.ring(layout)
		if c := newProblem(o).assign(newProblem(o).relayed()).cost(); c >= costBalance {
			t.Fatalf("layout again costs %d", c)
		}
	})
}

// I8: on a loose ring a repair alone is enough, though the node that leaves has
// the same few neighbours everywhere, so that some partitions go by chains.
func TestProblem_repair(t *testing.T) {
	for _, n := range []int{12, 16, 20, 30} {
		owners := make([]NodeID, 256)
		ms := testMembers(n, func(int) int { return 1 })
		for p := range owners {
			owners[p] = ms[p%n].Node
		}
		cur, err := New(owners)
		if err != nil {
			t.Fatal(err)
		}
		pr := newProblem(ClaimOptions{Size: 256, TargetN: 4, TargetLocationN: 1, Members: ms[1:], Current: cur})
		cost := pr.assign(pr.repair(nil)).cost()
		if most := int64(pr.bound() * 2); cost > most {
			t.Errorf("%d nodes: repair costs %d, want at most %d", n, cost, most)
		}
	}
}

// I6: the repetitions that cannot be avoided are counted right, by trying all
// ways to share the partitions.
func TestDistance_unavoidable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const q = 16
		d := distance{held: rapid.IntRange(1, 4).Draw(t, "held")}
		n := rapid.IntRange(1, 4).Draw(t, "holders")
		lo, hi := make([]int32, n), make([]int32, n)
		for i := range lo {
			lo[i] = int32(rapid.IntRange(0, 6).Draw(t, "lo"))
			hi[i] = lo[i] + int32(rapid.IntRange(0, 12).Draw(t, "more"))
		}
		least := int64(-1)
		var try func(i int, left int32, sum int64)
		try = func(i int, left int32, sum int64) {
			if i == n {
				if left == 0 && (least < 0 || sum < least) {
					least = sum
				}
				return
			}
			for load := lo[i]; load <= hi[i]; load++ {
				try(i+1, left-load, sum+max(0, int64(load)*int64(d.held+1)-q))
			}
		}
		try(0, q, 0)
		if got := d.unavoidable(q, lo, hi); least >= 0 && got != least {
			t.Fatalf("unavoidable = %d, want %d", got, least)
		}
	})
}

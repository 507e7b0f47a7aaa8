package ring_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestClaim_refuses(t *testing.T) {
	two := members("ab")
	tests := []struct {
		name string
		o    ring.ClaimOptions
		want error
	}{
		{"size", ring.ClaimOptions{Size: 12, Members: two}, ring.ErrSize},
		{"other size", ring.ClaimOptions{Size: 16, Members: two, Current: ringOf(t, "abababab")}, ring.ErrOptions},
		{"no members", ring.ClaimOptions{}, ring.ErrOptions},
		{"member twice", ring.ClaimOptions{Members: members("aa")}, ring.ErrOptions},
		{"member without name", ring.ClaimOptions{Members: make([]ring.Member, 1)}, ring.ErrNode},
		{"negative weight", ring.ClaimOptions{Members: []ring.Member{{Node: "a", Weight: -1}}}, ring.ErrOptions},
		{"large weight", ring.ClaimOptions{Members: []ring.Member{{Node: "a", Weight: ring.MaxWeight + 1}}}, ring.ErrOptions},
		{"negative target_n", ring.ClaimOptions{Members: two, TargetN: -1}, ring.ErrOptions},
		{"large target_n", ring.ClaimOptions{Members: two, TargetN: ring.MaxTargetN + 1}, ring.ErrOptions},
		{"target_n above size", ring.ClaimOptions{Members: two, Size: 8, TargetN: 9}, ring.ErrOptions},
		{"large target_location_n", ring.ClaimOptions{Members: two, TargetLocationN: 17}, ring.ErrOptions},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ring.Claim(tt.o); !errors.Is(err, tt.want) {
				t.Errorf("Claim = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestClaim_defaults(t *testing.T) {
	res := claim(t, ring.ClaimOptions{Members: members("abcdef")})
	if res.Ring.Size() != 64 || len(res.Ring.Repeats(4, nil)) != 0 || res.Moves != nil || res.Bound != 0 || res.Reason != "" {
		t.Errorf("fresh claim of the default size = %+v", res)
	}
}

// I6: few nodes are no error: what they cannot give is stated in words.
func TestClaim_statements(t *testing.T) {
	located := func(places ...string) []ring.Member {
		ms := numbered(len(places))
		for i, p := range places {
			ms[i].Location = p
		}
		return ms
	}
	heavy := numbered(5)
	heavy[0].Weight = 4
	tests := []struct {
		name string
		o    ring.ClaimOptions
		want []ring.Infeasible
	}{
		{"one node", ring.ClaimOptions{Members: numbered(1)}, []ring.Infeasible{{
			Constraint: ring.ConstraintNodes, Have: 1, Need: 4,
			Text: "1 node cannot hold every 4 consecutive of 64 partitions on distinct nodes, it takes 4; " +
				"64 of 64 windows repeat a node",
		}}},
		{"three nodes", ring.ClaimOptions{Members: numbered(3)}, []ring.Infeasible{{
			Constraint: ring.ConstraintNodes, Have: 3, Need: 4,
			Text: "3 nodes cannot hold every 4 consecutive of 64 partitions on distinct nodes, it takes 4; " +
				"64 of 64 windows repeat a node, every 2 consecutive are distinct",
		}}},
		{"three nodes for three", ring.ClaimOptions{Members: numbered(3), TargetN: 3}, []ring.Infeasible{{
			Constraint: ring.ConstraintNodes, Have: 3, Need: 4,
			Text: "3 nodes cannot hold every 3 consecutive of 64 partitions on distinct nodes, it takes 4; " +
				"2 of 64 windows repeat a node, every 2 consecutive are distinct",
		}}},
		{"three locations", ring.ClaimOptions{Members: located("x", "y", "z", "x", "y", "z")}, []ring.Infeasible{{
			Constraint: ring.ConstraintLocations, Have: 3, Need: 4,
			Text: "3 locations cannot hold every 3 consecutive of 64 partitions on distinct locations, it takes 4; " +
				"2 of 64 windows repeat a location, every 2 consecutive are distinct",
		}}},
		{"uneven locations", ring.ClaimOptions{Members: located("x", "x", "x", "x", "y", "z", "v"), TargetN: 5, TargetLocationN: 4}, []ring.Infeasible{
			{
				Constraint: ring.ConstraintLocations, Have: 52, Need: 64,
				Text: "4 locations, of at most 16 partitions each and 12 for each of their nodes, have room for 52 partitions, " +
					"but not to hold every 4 consecutive of 64 partitions on distinct locations; " +
					"48 of 64 windows repeat a location, every 2 consecutive are distinct",
			},
			{
				Constraint: ring.ConstraintBalance, Have: 12, Need: 9,
				Text: "with windows of 5 nodes and 2 locations not every node can have its share by weight: " +
					"7 of 7 are a partition or more away, the furthest is node0004 with 12 of 64 partitions, where its weight asks for 9",
			},
		}},
		{"heavy node", ring.ClaimOptions{Members: heavy}, []ring.Infeasible{{
			Constraint: ring.ConstraintBalance, Have: 16, Need: 32,
			Text: "with windows of 4 nodes not every node can have its share by weight: " +
				"5 of 5 are a partition or more away, the furthest is node0000 with 16 of 64 partitions, where its weight asks for 32",
		}}},
		{"enough", ring.ClaimOptions{Members: located("x", "y", "z", "v", "", "")}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, claim(t, tt.o).Infeasible); diff != "" {
				t.Errorf("statements (-want +got):\n%s", diff)
			}
		})
	}
}

// I8: a replacement hands over what the old node had and nothing else.
func TestClaim_replace(t *testing.T) {
	ms := numbered(7)
	cur := claim(t, ring.ClaimOptions{Members: ms}).Ring
	gone := ms[3].Node
	ms[3].Node = "new"
	res := claim(t, ring.ClaimOptions{Members: ms, Current: cur})
	for _, m := range res.Moves {
		if m.From != gone || m.To != "new" {
			t.Errorf("move %+v is not from %s to new", m, gone)
		}
	}
	if !slices.Equal(res.Ring.Partitions("new"), cur.Partitions(gone)) {
		t.Errorf("new owns %v, not %v", res.Ring.Partitions("new"), cur.Partitions(gone))
	}
}

func TestClaim_reason(t *testing.T) {
	cur := claim(t, ring.ClaimOptions{Members: members("abcde")}).Ring
	res := claim(t, ring.ClaimOptions{Members: members("bcde"), Current: cur})
	want := fmt.Sprintf("windows of 4 nodes leave 4 nodes little choice: no ring with the same shares takes fewer than %d moves", len(res.Moves))
	if res.Reason != want || res.Bound >= len(res.Moves) {
		t.Errorf("reason of %d moves over a bound of %d = %q, want %q", len(res.Moves), res.Bound, res.Reason, want)
	}
	res = claim(t, ring.ClaimOptions{Members: members("abcd"), Current: ringOf(t, "aabbccdd")})
	if !strings.HasPrefix(res.Reason, "8 partitions of the current ring break windows of 4 nodes: ") {
		t.Errorf("reason for a bad ring = %q", res.Reason)
	}
}

// drawMembers draws members with or without weights and locations.
func drawMembers(t *rapid.T, most int) []ring.Member {
	ms := numbered(rapid.IntRange(1, most).Draw(t, "members"))
	weighted := rapid.Bool().Draw(t, "weighted")
	places := rapid.SampledFrom([]int{0, 0, 3, 4, 6}).Draw(t, "locations")
	for i := range ms {
		if weighted {
			ms[i].Weight = rapid.IntRange(0, 4).Draw(t, "weight")
		}
		if places > 0 {
			ms[i].Location = rapid.SampledFrom([]string{"", "u", "v", "w", "x", "y", "z"}[:places+1]).Draw(t, "location")
		}
	}
	return ms
}

// drawCurrent draws no ring, one claimed by other members, or any at all.
func drawCurrent(t *rapid.T, q int) *ring.Ring {
	switch rapid.IntRange(0, 2).Draw(t, "current") {
	case 0:
		return nil
	case 1:
		ms := numbered(10)[rapid.IntRange(0, 4).Draw(t, "first"):rapid.IntRange(5, 10).Draw(t, "last")]
		res, err := ring.Claim(ring.ClaimOptions{Size: q, Members: ms})
		if err != nil {
			t.Fatal(err)
		}
		return res.Ring
	default:
		owners := make([]ring.NodeID, q)
		for p := range owners {
			owners[p] = numbered(10)[rapid.IntRange(0, 9).Draw(t, "owner")].Node
		}
		r, err := ring.New(owners)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

func drawClaim(t *rapid.T) ring.ClaimOptions {
	q := rapid.SampledFrom([]int{8, 8, 16, 16, 32}).Draw(t, "size")
	return ring.ClaimOptions{
		Size:            q,
		TargetN:         rapid.IntRange(1, 6).Draw(t, "target_n"),
		TargetLocationN: rapid.IntRange(1, 4).Draw(t, "target_location_n"),
		Members:         drawMembers(t, 7),
		Current:         drawCurrent(t, q),
	}
}

// I6, I7, I8: what a claim breaks it states, and what it states it breaks.
func TestClaim_statesWhatItBreaks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawClaim(t)
		res, err := ring.Claim(o)
		if err != nil {
			t.Fatal(err)
		}
		stated := map[ring.Constraint]bool{}
		for _, i := range res.Infeasible {
			if stated[i.Constraint] || i.Text == "" || i.Have == i.Need {
				t.Fatalf("statement %+v", i)
			}
			stated[i.Constraint] = true
		}
		broken := map[ring.Constraint]bool{
			ring.ConstraintNodes:     len(res.Ring.Repeats(o.TargetN, nil)) > 0,
			ring.ConstraintLocations: located(o.Members) && len(res.Ring.Repeats(o.TargetLocationN, locations(o.Members))) > 0,
			ring.ConstraintBalance:   !balanced(res.Ring, o.Members),
		}
		for c, b := range broken {
			if b != stated[c] {
				t.Fatalf("%s: broken %v, stated %v in %v; ring %v", c, b, stated[c], res.Infeasible, res.Ring.Owners())
			}
		}
		checkMoves(t, o, res)
	})
}

func located(ms []ring.Member) bool {
	return slices.ContainsFunc(ms, func(m ring.Member) bool { return m.Location != "" })
}

func locations(ms []ring.Member) func(ring.NodeID) string {
	at := map[ring.NodeID]string{}
	for _, m := range ms {
		at[m.Node] = m.Location
	}
	return func(n ring.NodeID) string { return at[n] }
}

// balanced reports whether every member is less than a partition from its
// share by weight.
func balanced(r *ring.Ring, ms []ring.Member) bool {
	sum := 0
	for _, m := range ms {
		sum += max(1, m.Weight)
	}
	return !slices.ContainsFunc(ms, func(m ring.Member) bool {
		off := r.Count(m.Node)*sum - r.Size()*max(1, m.Weight)
		return max(off, -off) >= sum
	})
}

// checkMoves holds that the moves lead to the ring, are no fewer than the
// bound, and come with a reason if they are many more.
func checkMoves(t *rapid.T, o ring.ClaimOptions, res *ring.ClaimResult) {
	if o.Current == nil {
		if len(res.Moves) > 0 || res.Bound != 0 || res.Reason != "" {
			t.Fatalf("a fresh ring moves: %+v", res)
		}
		return
	}
	changes := map[ring.Partition]ring.NodeID{}
	for _, m := range res.Moves {
		if o.Current.Owner(m.Partition) != m.From || m.From == m.To {
			t.Fatalf("move %+v is none", m)
		}
		changes[m.Partition] = m.To
	}
	if !o.Current.With(changes).Equal(res.Ring) {
		t.Fatal("the moves do not lead to the ring")
	}
	if len(res.Moves) < res.Bound {
		t.Fatalf("%d moves are below the bound of %d", len(res.Moves), res.Bound)
	}
	if many := 10*len(res.Moves) > 11*res.Bound; many != (res.Reason != "") {
		t.Fatalf("%d moves over a bound of %d, reason %q", len(res.Moves), res.Bound, res.Reason)
	}
}

// I6, I7: without locations, windows that counting allows are held, and so are
// the shares that they allow.
func TestClaim_feasibleWindowsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawClaim(t)
		for i := range o.Members {
			o.Members[i].Location = ""
		}
		res, err := ring.Claim(o)
		if err != nil {
			t.Fatal(err)
		}
		n := len(o.Members)
		held := feasible(o.Size, n, o.TargetN)
		if repeats := res.Ring.Repeats(held, nil); len(repeats) > 0 {
			t.Fatalf("windows of %d at %v repeat a node in %v", held, repeats, res.Ring.Owners())
		}
		// No share above what the windows leave to one node means that all
		// shares are held.
		sum, most := 0, o.Size/held
		for _, m := range o.Members {
			sum += max(1, m.Weight)
		}
		fits := !slices.ContainsFunc(o.Members, func(m ring.Member) bool { return o.Size*max(1, m.Weight) > most*sum })
		if fits && held == min(o.TargetN, n) && !balanced(res.Ring, o.Members) {
			t.Fatalf("shares of %+v are not held: %v", o.Members, res.Ring.Owners())
		}
	})
}

// I9: the order of members changes nothing, and neither does asking again.
func TestClaim_isDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawClaim(t)
		first, err := ring.Claim(o)
		if err != nil {
			t.Fatal(err)
		}
		o.Members = rapid.Permutation(o.Members).Draw(t, "order")
		again, err := ring.Claim(o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Fatalf("same members in another order (-first +again):\n%s", diff)
		}
	})
}

// I8: a ring that holds everything stays as it is.
func TestClaim_isStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawClaim(t)
		first, err := ring.Claim(o)
		if err != nil {
			t.Fatal(err)
		}
		if len(first.Infeasible) > 0 {
			return
		}
		o.Current = first.Ring
		again, err := ring.Claim(o)
		if err != nil || len(again.Moves) > 0 {
			t.Fatalf("a good ring moves %v, %v", again.Moves, err)
		}
	})
}

package ring_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"pgregory.net/rapid"
)

// brute finds by trying all rings, independently of the package, the fewest
// moves from cur to a ring in which n members 0..n-1 own lo to hi partitions
// each and every t consecutive partitions are on distinct members. It returns
// -1 when there is no such ring that takes fewer than limit moves.
type brute struct {
	cur    []int // owners, -1 for one that leaves
	n, t   int
	lo, hi int
	limit  int

	x     []int
	loads []int
	rest  [][]int // partition -> member -> partitions owned from there on
}

func (b *brute) run() int {
	q := len(b.cur)
	b.x = make([]int, q)
	b.loads = make([]int, b.n)
	b.rest = make([][]int, q+1)
	b.rest[q] = make([]int, b.n)
	for p := q - 1; p >= 0; p-- {
		b.rest[p] = slices.Clone(b.rest[p+1])
		if b.cur[p] >= 0 {
			b.rest[p][b.cur[p]]++
		}
	}
	best := -1
	b.place(0, 0, &best)
	return best
}

func (b *brute) place(p, moves int, best *int) {
	q := len(b.cur)
	// What comes after p keeps at most what its owners still may have.
	kept, lack := 0, 0
	for m, n := range b.loads {
		kept += min(b.rest[p][m], b.hi-n)
		lack += max(0, b.lo-n)
	}
	if moves+q-p-kept >= b.limit || lack > q-p {
		return
	}
	if p == q {
		*best, b.limit = moves, moves
		return
	}
	for m := range b.n {
		if b.loads[m] == b.hi || !b.fits(p, m) {
			continue
		}
		b.x[p] = m
		b.loads[m]++
		cost := 0
		if b.cur[p] != m {
			cost = 1
		}
		b.place(p+1, moves+cost, best)
		b.loads[m]--
	}
}

func (b *brute) fits(p, m int) bool {
	q := len(b.cur)
	for d := 1; d < b.t; d++ {
		if p-d >= 0 && b.x[p-d] == m || p+d >= q && b.x[p+d-q] == m {
			return false
		}
	}
	return true
}

// feasible says, by counting, up to which t the windows of q partitions can be
// on distinct members of n.
func feasible(q, n, t int) int {
	for t = min(t, n); t > 1 && n*(q/t) < q; t-- {
	}
	return t
}

// step is a change of membership: from the first n members of a ring that was
// claimed by them, to the members named.
type step struct {
	name     string
	from, to string
}

var steps = []step{
	{"join", "a", "ab"},
	{"join", "ab", "abc"},
	{"join", "abc", "abcd"},
	{"join", "abcd", "abcde"},
	{"join two", "a", "abc"},
	{"join two", "abc", "abcde"},
	{"join all", "a", "abcde"},
	{"leave", "ab", "a"},
	{"leave", "abc", "ac"},
	{"leave", "abcd", "abd"},
	{"leave", "abcde", "abce"},
	{"leave", "abcde", "bcde"},
	{"leave two", "abcde", "bce"},
	{"replace", "ab", "az"},
	{"replace", "abc", "azc"},
	{"replace", "abcd", "zbcd"},
	{"replace", "abcde", "abczd"},
	{"replace and join", "abcd", "abcyz"},
	{"leave and join", "abcde", "abcz"},
}

func members(names string) []ring.Member {
	var ms []ring.Member
	for _, c := range names {
		ms = append(ms, ring.Member{Node: ring.NodeID(c)})
	}
	return ms
}

func claim(t testing.TB, o ring.ClaimOptions) *ring.ClaimResult {
	t.Helper()
	res, err := ring.Claim(o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// checkOptimal compares a claim with brute force, where windows of
// target_n are feasible with equal shares.
func checkOptimal(t testing.TB, cur *ring.Ring, to string, targetN int) {
	t.Helper()
	q, n := cur.Size(), len(to)
	res := claim(t, ring.ClaimOptions{TargetN: targetN, Members: members(to), Current: cur})
	held := feasible(q, n, targetN)
	if held < min(targetN, n) {
		// Then the rings compared would differ in what they repeat, too.
		return
	}
	b := &brute{n: n, t: held, lo: q / n, hi: (q + n - 1) / n, limit: len(res.Moves) + 1}
	for _, owner := range cur.Owners() {
		b.cur = append(b.cur, strings.Index(to, string(owner)))
	}
	if got := b.run(); got != len(res.Moves) {
		t.Fatalf("%s -> %s, target_n %d: %s takes %d moves, brute force %d", letters(cur), to, targetN, letters(res.Ring), len(res.Moves), got)
	}
	if res.Bound > len(res.Moves) {
		t.Fatalf("%s -> %s: bound %d is above %d moves", letters(cur), to, res.Bound, len(res.Moves))
	}
}

// I8: on small rings no ring with the same windows and shares takes fewer
// moves, by trying all.
func TestClaim_bruteForce(t *testing.T) {
	for _, q := range []int{8, 16} {
		for targetN := 1; targetN <= 4; targetN++ {
			for _, s := range steps {
				t.Run(fmt.Sprintf("%d/%d/%s_%s_%s", q, targetN, s.name, s.from, s.to), func(t *testing.T) {
					fresh := claim(t, ring.ClaimOptions{Size: q, TargetN: targetN, Members: members(s.from)})
					checkOptimal(t, fresh.Ring, s.to, targetN)
				})
			}
		}
	}
}

// I8: the same from any ring, however bad.
func TestClaim_bruteForceFromAnyRing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		q := rapid.SampledFrom([]int{8, 8, 16}).Draw(rt, "size")
		cur := ringOfRapid(rt, rapid.StringMatching(fmt.Sprintf(`[a-f]{%d}`, q)).Draw(rt, "owners"))
		to := rapid.SampledFrom([]string{"a", "ab", "abc", "abcd", "bcdeg", "abcde"}).Draw(rt, "to")
		checkOptimal(t, cur, to, rapid.IntRange(1, 4).Draw(rt, "target_n"))
	})
}

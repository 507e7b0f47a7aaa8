package ring_test

import (
	"errors"
	"math/bits"
	"slices"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestRing_Coverage(t *testing.T) {
	r := ringOf(t, "abcdabcd")
	got, err := r.Coverage(ring.CoverageOptions{N: 3})
	if err != nil {
		t.Fatal(err)
	}
	want := ring.CoveragePlan{Vnodes: []ring.CoverageVnode{
		{Partition: 2, Node: "c"},
		{Partition: 5, Node: "b"},
		{Partition: 0, Node: "a", Filter: []ring.Partition{6, 7}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestRing_Coverage_namesWhatIsMissing(t *testing.T) {
	r := ringOf(t, "abcdabcd")
	o := ring.CoverageOptions{N: 2, Up: except("ab")}
	_, err := r.Coverage(o)
	var missing *ring.CoverageError
	if !errors.As(err, &missing) {
		t.Fatalf("Coverage = %v, want a CoverageError", err)
	}
	want := &ring.CoverageError{N: 2, Copies: 1, Missing: []ring.Partition{0, 4}}
	if diff := cmp.Diff(want, missing); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	if got, text := err.Error(), "coverage of 1 of 2 copies: 2 partitions have too few vnodes up: 0 4"; got != text {
		t.Errorf("error = %q, want %q", got, text)
	}
	o.AllUp = true
	plan, err := r.Coverage(o)
	if err != nil || !slices.Equal(plan.Missing, want.Missing) {
		t.Errorf("plan over what is up misses %v, %v; want %v", plan.Missing, err, want.Missing)
	}
}

func TestRing_Coverage_refuses(t *testing.T) {
	r := ringOf(t, "abcdabcd")
	for _, o := range []ring.CoverageOptions{{N: 9}, {N: -1}, {N: 3, Copies: 4}, {N: 3, Copies: -1}} {
		if _, err := r.Coverage(o); !errors.Is(err, ring.ErrOptions) {
			t.Errorf("Coverage(%+v) = %v, want ErrOptions", o, err)
		}
	}
}

// I4: every head partition is answered for exactly as often as asked, only by
// vnodes that are up and hold its keys; what cannot be is named, and nothing
// else is.
func TestRing_Coverage_laws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRing(t, 64, 10)
		q := r.Size()
		n := rapid.IntRange(1, 6).Draw(t, "n")
		copies := rapid.IntRange(1, n).Draw(t, "copies")
		down := rapid.MapOf(rapid.SampledFrom(r.Nodes()), rapid.Just(true)).Draw(t, "down")
		o := ring.CoverageOptions{
			N: n, Copies: copies, Offset: rapid.Uint64().Draw(t, "offset"),
			Up: func(n ring.NodeID) bool { return !down[n] },
		}
		var missing []ring.Partition
		for k := range ring.Partition(q) {
			if len(r.PrimaryPreflist(k, n, o.Up, nil)) < copies {
				missing = append(missing, k)
			}
		}
		plan, err := r.Coverage(o)
		if len(missing) > 0 {
			var ce *ring.CoverageError
			if !errors.As(err, &ce) || !slices.Equal(ce.Missing, missing) {
				t.Fatalf("Coverage = %v, want an error naming %v", err, missing)
			}
			o.AllUp = true
			plan, err = r.Coverage(o)
		}
		if err != nil || !slices.Equal(plan.Missing, missing) {
			t.Fatalf("plan misses %v, want %v, %v", plan.Missing, missing, err)
		}
		visits := visit(t, r, plan, o)
		for k := range ring.Partition(q) {
			if want := min(copies, len(r.PrimaryPreflist(k, n, o.Up, nil))); visits[k] != want {
				t.Fatalf("partition %d is visited %d times, want %d", k, visits[k], want)
			}
		}
	})
}

// visit counts how often a plan answers for each head partition.
func visit(t *rapid.T, r *ring.Ring, plan ring.CoveragePlan, o ring.CoverageOptions) map[ring.Partition]int {
	visits := map[ring.Partition]int{}
	seen := map[ring.Partition]bool{}
	for _, v := range plan.Vnodes {
		if seen[v.Partition] || r.Owner(v.Partition) != v.Node || !o.Up(v.Node) {
			t.Fatalf("vnode %+v is visited twice, down or not the owner", v)
		}
		seen[v.Partition] = true
		var held []ring.Partition
		for d := o.N - 1; d >= 0; d-- {
			held = append(held, v.Partition.Next(-d, r.Size()))
		}
		answers := v.Filter
		if answers == nil {
			answers = held
		} else if len(answers) == 0 || len(answers) == o.N {
			t.Fatalf("vnode %+v has a filter of %d of %d", v, len(answers), o.N)
		}
		for _, k := range answers {
			if !slices.Contains(held, k) {
				t.Fatalf("vnode %+v does not hold the keys of %d", v, k)
			}
			visits[k]++
		}
	}
	return visits
}

// I4: with one copy asked no plan has fewer vnodes, by trying all sets.
func TestRing_Coverage_isMinimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := ringOfRapid(t, rapid.StringMatching(`[a-f]{8}`).Draw(t, "owners"))
		n := rapid.IntRange(1, 5).Draw(t, "n")
		o := ring.CoverageOptions{
			N: n, Up: except(rapid.StringMatching(`[a-f]?`).Draw(t, "down")),
			Offset: uint64(rapid.IntRange(0, 7).Draw(t, "offset")),
		}
		plan, err := r.Coverage(o)
		if err != nil {
			return
		}
		least := r.Size()
		for set := range uint(1) << r.Size() {
			if bits.OnesCount(set) < least && covers(r, set, o) {
				least = bits.OnesCount(set)
			}
		}
		if len(plan.Vnodes) != least {
			t.Fatalf("plan has %d vnodes, %d are enough", len(plan.Vnodes), least)
		}
	})
}

func covers(r *ring.Ring, set uint, o ring.CoverageOptions) bool {
	for k := range ring.Partition(r.Size()) {
		if !slices.ContainsFunc(r.PrimaryPreflist(k, o.N, o.Up, nil), func(e ring.Entry) bool {
			return set>>e.Partition&1 == 1
		}) {
			return false
		}
	}
	return true
}

func ringOfRapid(t *rapid.T, owners string) *ring.Ring {
	ids := make([]ring.NodeID, len(owners))
	for p := range ids {
		ids[p] = ring.NodeID(owners[p : p+1])
	}
	r, err := ring.New(ids)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// I4: offsets spread the plans: over all offsets every vnode is visited.
func TestRing_Coverage_spreads(t *testing.T) {
	r := ringOf(t, "abcdefghabcdefgh")
	visits := make([]int, r.Size())
	for offset := range r.Size() {
		plan, err := r.Coverage(ring.CoverageOptions{N: 3, Offset: uint64(offset)})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range plan.Vnodes {
			visits[v.Partition]++
		}
	}
	if low, high := slices.Min(visits), slices.Max(visits); low == 0 || high > 2*low {
		t.Errorf("visits by vnode = %v", visits)
	}
}

func BenchmarkRing_Coverage(b *testing.B) {
	r := ringOf(b, string(slices.Repeat([]byte("abcdefghijklmnop"), 64)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Coverage(ring.CoverageOptions{N: 3}); err != nil {
			b.Fatal(err)
		}
	}
}

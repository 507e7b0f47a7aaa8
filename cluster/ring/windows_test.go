package ring_test

import (
	"slices"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"pgregory.net/rapid"
)

func TestRing_Repeats(t *testing.T) {
	tests := []struct {
		name, owners string
		n            int
		want         []ring.Partition
	}{
		{"none", "abcdabcd", 4, nil},
		{"too wide", "abcdabcd", 5, []ring.Partition{0, 1, 2, 3, 4, 5, 6, 7}},
		{"inside", "abcbdacd", 3, []ring.Partition{1}},
		{"wraps", "abcdebca", 2, []ring.Partition{7}},
		{"wraps further", "abcdebca", 3, []ring.Partition{6, 7}},
		{"one", "aaaaaaaa", 1, nil},
		{"whole ring", "abcdefgh", 8, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ringOf(t, tt.owners).Repeats(tt.n, nil); !slices.Equal(got, tt.want) {
				t.Errorf("repeats = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRing_Repeats_byDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRing(t, 32, 10)
		n := rapid.IntRange(1, 8).Draw(t, "n")
		groups := rapid.MapOfN(rapid.SampledFrom(r.Nodes()), rapid.SampledFrom([]string{"", "x", "y"}), 0, 10).Draw(t, "groups")
		group := func(node ring.NodeID) string { return groups[node] }
		var want []ring.Partition
		for p := range ring.Partition(r.Size()) {
			seen := map[string]bool{}
			for _, e := range r.Preflist(p, n, nil) {
				name := "node " + string(e.Node)
				if g := group(e.Node); g != "" {
					name = "group " + g
				}
				if seen[name] {
					want = append(want, p)
					break
				}
				seen[name] = true
			}
		}
		if got := r.Repeats(n, group); !slices.Equal(got, want) {
			t.Fatalf("repeats = %v, want %v", got, want)
		}
	})
}

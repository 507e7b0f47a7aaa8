package ring_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// ringOf makes a ring whose owners are single letters.
func ringOf(t testing.TB, owners string) *ring.Ring {
	t.Helper()
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

// letters prints a ring of single-letter nodes.
func letters(r *ring.Ring) string {
	var b strings.Builder
	for _, n := range r.Owners() {
		b.WriteString(string(n))
	}
	return b.String()
}

// drawRing draws a ring of up to most nodes with owners placed at random.
func drawRing(t *rapid.T, largest, most int) *ring.Ring {
	q := drawSize(t, largest)
	names := []ring.NodeID{}
	for i := range rapid.IntRange(1, most).Draw(t, "nodes") {
		names = append(names, ring.NodeID("n"+string(rune('a'+i%26))+string(rune('a'+i/26))))
	}
	owners := rapid.SliceOfN(rapid.SampledFrom(names), q, q).Draw(t, "owners")
	r, err := ring.New(owners)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNew_refuses(t *testing.T) {
	tests := []struct {
		name   string
		owners []ring.NodeID
		want   error
	}{
		{"no partitions", nil, ring.ErrSize},
		{"too few", slices.Repeat([]ring.NodeID{"a"}, 4), ring.ErrSize},
		{"no power of two", slices.Repeat([]ring.NodeID{"a"}, 12), ring.ErrSize},
		{"too many", slices.Repeat([]ring.NodeID{"a"}, 131072), ring.ErrSize},
		{"no owner", slices.Repeat([]ring.NodeID{"a", ""}, 4), ring.ErrNode},
		{"long name", slices.Repeat([]ring.NodeID{ring.NodeID(strings.Repeat("x", 256))}, 8), ring.ErrNode},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ring.New(tt.owners); !errors.Is(err, tt.want) {
				t.Errorf("New = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestParseIndex_refuses(t *testing.T) {
	for _, s := range []string{"", "x", "-1", "1", "1461501637330902918203684832716283019655932542976"} {
		if p, err := ring.ParseIndex(s, 64); !errors.Is(err, ring.ErrIndex) {
			t.Errorf("ParseIndex(%q) = %d, %v, want ErrIndex", s, p, err)
		}
	}
	if _, err := ring.ParseIndex("0", 10); !errors.Is(err, ring.ErrSize) {
		t.Errorf("ParseIndex in a ring of 10 = %v, want ErrSize", err)
	}
}

// I2: a ring never changes; what it hands out are copies.
func TestRing_isImmutable(t *testing.T) {
	owners := []ring.NodeID{"a", "b", "a", "b", "a", "b", "a", "b"}
	r, err := ring.New(owners)
	if err != nil {
		t.Fatal(err)
	}
	owners[0] = "z"
	r.Owners()[1] = "z"
	r.Nodes()[0] = "z"
	changed := r.With(map[ring.Partition]ring.NodeID{3: "c"})
	if got := letters(r); got != "abababab" {
		t.Errorf("ring became %s", got)
	}
	if got := letters(changed); got != "abacabab" {
		t.Errorf("changed ring = %s", got)
	}
	if got := changed.Nodes(); !slices.Equal(got, []ring.NodeID{"a", "b", "c"}) {
		t.Errorf("nodes = %v", got)
	}
	if got := changed.Partitions("b"); !slices.Equal(got, []ring.Partition{1, 5, 7}) {
		t.Errorf("partitions of b = %v", got)
	}
	if got := changed.Partitions("z"); got != nil || changed.Count("z") != 0 {
		t.Errorf("partitions of a stranger = %v, %d", got, changed.Count("z"))
	}
	if r.Equal(changed) || !r.Equal(ringOf(t, "abababab")) || r.Equal(nil) {
		t.Error("Equal is wrong")
	}
	want := []ring.Move{{Partition: 3, From: "b", To: "c"}}
	if diff := cmp.Diff(want, r.Diff(changed)); diff != "" {
		t.Errorf("Diff (-want +got):\n%s", diff)
	}
}

// I2: every partition has one owner and the counts say so.
func TestRing_counts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRing(t, 256, 12)
		total := 0
		for _, n := range r.Nodes() {
			owned := r.Partitions(n)
			if len(owned) != r.Count(n) || len(owned) == 0 {
				t.Fatalf("%s owns %v, count %d", n, owned, r.Count(n))
			}
			for _, p := range owned {
				if r.Owner(p) != n {
					t.Fatalf("partition %d is owned by %s, not %s", p, r.Owner(p), n)
				}
			}
			total += len(owned)
		}
		if total != r.Size() {
			t.Fatalf("%d partitions are owned of %d", total, r.Size())
		}
		rebuilt, err := ring.New(r.Owners())
		if err != nil || !rebuilt.Equal(r) || len(r.Diff(rebuilt)) != 0 {
			t.Fatalf("ring of the same owners differs: %v", err)
		}
	})
}

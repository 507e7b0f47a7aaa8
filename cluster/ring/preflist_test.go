package ring_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"pgregory.net/rapid"
)

// entries prints a preflist as (partition,node), fallbacks with a star.
func entries(list []ring.Entry) string {
	var b strings.Builder
	for i, e := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "(%d,%s)", e.Partition, e.Node)
		if e.Fallback {
			b.WriteByte('*')
		}
	}
	return b.String()
}

func except(down string) func(ring.NodeID) bool {
	return func(n ring.NodeID) bool { return !strings.Contains(down, string(n)) }
}

func TestRing_ActivePreflist(t *testing.T) {
	r := ringOf(t, "abcdabcd")
	top := ring.Partition(0).Last(8)
	tests := []struct {
		name, down string
		n          int
		want       string
		primary    string
	}{
		{"all up", "", 3, "(0,a) (1,b) (2,c)", "(0,a) (1,b) (2,c)"},
		{"one down", "a", 3, "(1,b) (2,c) (0,d)*", "(1,b) (2,c)"},
		{"two down", "ab", 3, "(2,c) (0,d)* (1,c)*", "(2,c)"},
		{"all primaries down", "abc", 3, "(0,d)* (1,d)*", ""},
		{"nobody up", "abcd", 3, "", ""},
		{"whole ring", "b", 9, "(0,a) (2,c) (3,d) (4,a) (6,c) (7,d)", "(0,a) (2,c) (3,d) (4,a) (6,c) (7,d)"},
		{"none asked", "", 0, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := entries(r.ActivePreflist(r.Head(top), tt.n, except(tt.down), nil)); got != tt.want {
				t.Errorf("active preflist = %s, want %s", got, tt.want)
			}
			if got := entries(r.PrimaryPreflist(r.Head(top), tt.n, except(tt.down), nil)); got != tt.primary {
				t.Errorf("primary preflist = %s, want %s", got, tt.primary)
			}
		})
	}
}

// I3: the preflist is the owners of n consecutive partitions, wrapping.
func TestRing_Preflist(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRing(t, 64, 8)
		p := ring.Partition(rapid.IntRange(0, r.Size()-1).Draw(t, "partition"))
		n := rapid.IntRange(0, r.Size()+1).Draw(t, "n")
		list := r.Preflist(p, n, nil)
		if len(list) != min(n, r.Size()) {
			t.Fatalf("%d entries for n = %d", len(list), n)
		}
		for i, e := range list {
			k := ring.Partition((int(p) + i) % r.Size())
			if e.Partition != k || e.Node != r.Owner(k) || e.Fallback {
				t.Fatalf("entry %d = %+v, want partition %d of %s", i, e, k, r.Owner(k))
			}
		}
	})
}

// I3: the active preflist asks only nodes that are up, names every primary
// partition at most once, and is short only when the rest of the ring has too
// few vnodes up.
func TestRing_ActivePreflist_laws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRing(t, 32, 6)
		down := rapid.MapOf(rapid.SampledFrom(r.Nodes()), rapid.Just(true)).Draw(t, "down")
		up := func(n ring.NodeID) bool { return !down[n] }
		p := ring.Partition(rapid.IntRange(0, r.Size()-1).Draw(t, "partition"))
		n := rapid.IntRange(1, 6).Draw(t, "n")
		list := r.ActivePreflist(p, n, up, nil)
		primaries := map[ring.Partition]bool{}
		for _, e := range r.Preflist(p, n, nil) {
			primaries[e.Partition] = true
		}
		upLeft := 0
		for _, e := range r.Preflist(p.Next(n, r.Size()), r.Size()-n, nil) {
			if up(e.Node) {
				upLeft++
			}
		}
		upPrimaries := len(r.PrimaryPreflist(p, n, up, nil))
		if want := min(n, upPrimaries+upLeft); len(list) != want {
			t.Fatalf("%d entries, want %d: %s", len(list), want, entries(list))
		}
		for i, e := range list {
			if !up(e.Node) || !primaries[e.Partition] {
				t.Fatalf("entry %+v is down or not a primary partition", e)
			}
			delete(primaries, e.Partition)
			if e.Fallback != (i >= upPrimaries) || !e.Fallback && r.Owner(e.Partition) != e.Node {
				t.Fatalf("entry %d of %s is marked wrongly", i, entries(list))
			}
		}
	})
}

func TestRing_Preflist_doesNotAllocate(t *testing.T) {
	r := ringOf(t, "abcdabcd")
	dst := make([]ring.Entry, 0, 3)
	up := except("a")
	if n := testing.AllocsPerRun(100, func() {
		dst = r.Preflist(6, 3, dst[:0])
		dst = r.PrimaryPreflist(6, 3, up, dst[:0])
		dst = r.ActivePreflist(6, 3, up, dst[:0])
	}); n != 0 {
		t.Errorf("preflists allocate %v times", n)
	}
}

func BenchmarkRing_Preflist(b *testing.B) {
	for _, q := range []int{64, 1024} {
		owners := make([]ring.NodeID, q)
		for p := range owners {
			owners[p] = ring.NodeID(fmt.Sprintf("node%03d", p%100))
		}
		r, err := ring.New(owners)
		if err != nil {
			b.Fatal(err)
		}
		up := func(n ring.NodeID) bool { return n != "node007" }
		dst := make([]ring.Entry, 0, 3)
		key := []byte("key")
		b.Run(fmt.Sprintf("size=%d/n=3", q), func(b *testing.B) {
			b.ReportAllocs()
			p := ring.Partition(0)
			for b.Loop() {
				dst = r.Preflist(p, 3, dst[:0])
				p = p.Next(1, q)
			}
		})
		b.Run(fmt.Sprintf("size=%d/n=3/active", q), func(b *testing.B) {
			b.ReportAllocs()
			p := ring.Partition(0)
			for b.Loop() {
				dst = r.ActivePreflist(p, 3, up, dst[:0])
				p = p.Next(1, q)
			}
		})
		b.Run(fmt.Sprintf("size=%d/n=3/from_key", q), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				dst = r.Preflist(r.Head(ring.HashKey(key, key)), 3, dst[:0])
			}
		})
	}
}

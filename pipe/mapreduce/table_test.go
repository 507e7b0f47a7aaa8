package mapreduce_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/pipe/mapreduce"
)

// The table is a map that remembers the order of insertion, whatever is in its
// keys and however often it grows.
func TestTable_isAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := mapreduce.NewTable()
		for range rapid.IntRange(1, 2).Draw(t, "fillings") {
			want := map[string]int{}
			var order []string
			scratch := make([]byte, 0, 64)
			add := func(key string, n int) {
				if _, ok := want[key]; !ok {
					order = append(order, key)
				}
				want[key] += n
				scratch = append(scratch[:0], key...)
				table.Add(string(scratch), n)
			}
			for i := range rapid.IntRange(0, 2000).Draw(t, "regular keys") {
				add(fmt.Sprint("key", i%700), i)
			}
			for _, key := range rapid.SliceOf(rapid.String()).Draw(t, "keys") {
				add(key, 1)
			}
			keys, values := table.All()
			if diff := cmp.Diff(order, keys, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("keys (-want +got):\n%s", diff)
			}
			for i, key := range keys {
				if values[i] != want[key] {
					t.Fatalf("%q is %d, want %d", key, values[i], want[key])
				}
			}
			table.Reset()
		}
	})
}

// Keys whose hashes agree in all the bits that the table looks at stay apart:
// among this many there are dozens of such pairs.
func TestTable_keysOfOneHash(t *testing.T) {
	const n = 600_000
	table := mapreduce.NewTable()
	for i := range n {
		table.Add(fmt.Sprint(i), 1)
	}
	if keys, _ := table.All(); len(keys) != n {
		t.Errorf("%d keys, want %d", len(keys), n)
	}
}

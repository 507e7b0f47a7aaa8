package store_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
)

// The hash is compared between nodes, so it must never change.
func TestHashItem_vectors(t *testing.T) {
	for _, test := range []struct {
		key     string
		version uint64
		value   string
		want    topology.ItemHash
	}{
		{"", 0, "", topology.ItemHash{Hi: 0x4f042af506fdb8d7, Lo: 0xecdce6e92f97d157}},
		{"key", 1, "value", topology.ItemHash{Hi: 0x50f465e9025c6535, Lo: 0x59dd309edac10280}},
		{"key", 1 << 63, string(make([]byte, 1024)), topology.ItemHash{Hi: 0x29653aae135bb183, Lo: 0xa0ac3f0e16518fb6}},
	} {
		if got := store.HashItem([]byte(test.key), test.version, []byte(test.value)); got != test.want {
			t.Errorf("HashItem(%q, %d, %d bytes) = {%#x, %#x}, want {%#x, %#x}",
				test.key, test.version, len(test.value), got.Hi, got.Lo, test.want.Hi, test.want.Lo)
		}
	}
}

// No two of all the ways to spread few bytes over key, version and value may
// have one hash.
func TestHashItem_framing(t *testing.T) {
	seen := map[topology.ItemHash]string{}
	text := "aaaaaa"
	for n := range len(text) + 1 {
		for k := range n + 1 {
			for _, version := range []uint64{0, 1, 'a', 'a' << 56, 'a'<<8 | 'a'} {
				what := text[:k] + "|" + string(rune('0'+version%7)) + "|" + text[k:n]
				h := store.HashItem([]byte(text[:k]), version, []byte(text[k:n]))
				if other, ok := seen[h]; ok {
					t.Fatalf("%s and %s have one hash", what, other)
				}
				seen[h] = what
			}
		}
	}
}

func TestSummary_laws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type item struct {
			key, value string
			version    uint64
		}
		items := rapid.SliceOf(rapid.Custom(func(t *rapid.T) item {
			return item{rapid.String().Draw(t, "key"), rapid.String().Draw(t, "value"), rapid.Uint64().Draw(t, "version")}
		})).Draw(t, "items")
		hash := func(i item) topology.ItemHash { return store.HashItem([]byte(i.key), i.version, []byte(i.value)) }
		var forward, backward store.Summary
		for i := range items {
			forward.Add(hash(items[i]), len(items[i].key)+len(items[i].value))
			last := items[len(items)-1-i]
			backward.Add(hash(last), len(last.key)+len(last.value))
		}
		if forward != backward {
			t.Fatalf("%+v in one order, %+v in the other", forward, backward)
		}
		for _, i := range rapid.Permutation(items).Draw(t, "removal") {
			forward.Remove(hash(i), len(i.key)+len(i.value))
		}
		if forward != (store.Summary{}) {
			t.Fatalf("%+v after all are removed", forward)
		}
	})
}

func BenchmarkHashItem(b *testing.B) {
	key, value := make([]byte, 24), make([]byte, 1024)
	b.SetBytes(int64(len(key) + len(value)))
	b.ReportAllocs()
	for b.Loop() {
		store.HashItem(key, 7, value)
	}
}

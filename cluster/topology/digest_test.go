package topology_test

import (
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/topology"
)

func hashes() *rapid.Generator[topology.ItemHash] {
	edge := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 1<<64 - 1, 1 << 63}))
	return rapid.Custom(func(t *rapid.T) topology.ItemHash {
		return topology.ItemHash{Hi: edge.Draw(t, "hi"), Lo: edge.Draw(t, "lo")}
	})
}

// TestDigest_sum compares the digest with plain arithmetic modulo 2^128.
func TestDigest_sum(t *testing.T) {
	modulus := new(big.Int).Lsh(big.NewInt(1), 128)
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(hashes(), 0, 20).Draw(t, "items")
		cut := rapid.IntRange(0, len(items)).Draw(t, "cut")
		var all, left, right topology.Digest
		sum := new(big.Int)
		for i, h := range items {
			all = all.Add(h)
			if i < cut {
				left = left.Add(h)
			} else {
				right = right.Add(h)
			}
			v := new(big.Int).SetUint64(h.Hi)
			sum.Add(sum, v.Lsh(v, 64).Add(v, new(big.Int).SetUint64(h.Lo)))
		}
		if want := fmt.Sprintf("%032x", sum.Mod(sum, modulus)); all.String() != want {
			t.Fatalf("sum %s, want %s", all, want)
		}
		if left.Merge(right) != all {
			t.Fatalf("%s and %s merge to %s, want %s", left, right, left.Merge(right), all)
		}
		for i := len(items) - 1; i >= 0; i-- {
			all = all.Sub(items[len(items)-1-i])
		}
		if !all.IsZero() {
			t.Fatalf("%s remains of no items", all)
		}
	})
}

func BenchmarkDigest_Add(b *testing.B) {
	var d topology.Digest
	h := topology.ItemHash{Hi: 1 << 63, Lo: 1<<64 - 1}
	for b.Loop() {
		d = d.Add(h)
	}
	if d.IsZero() {
		b.Fatal("zero")
	}
}

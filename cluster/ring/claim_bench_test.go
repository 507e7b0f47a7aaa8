package ring_test

import (
	"fmt"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
)

func numbered(n int) []ring.Member {
	ms := make([]ring.Member, n)
	for i := range ms {
		ms[i].Node = ring.NodeID(fmt.Sprintf("node%04d", i))
	}
	return ms
}

func BenchmarkClaim_Join(b *testing.B) {
	for _, c := range []struct{ q, n int }{{64, 5}, {1024, 100}, {4096, 100}, {65536, 1000}} {
		b.Run(fmt.Sprintf("size=%d/nodes=%d", c.q, c.n), func(b *testing.B) {
			ms := numbered(c.n + 1)
			cur := claim(b, ring.ClaimOptions{Size: c.q, Members: ms[:c.n]}).Ring
			b.ReportAllocs()
			moves := 0
			for b.Loop() {
				moves = len(claim(b, ring.ClaimOptions{Members: ms, Current: cur}).Moves)
			}
			b.ReportMetric(float64(moves), "moves")
		})
	}
}

func BenchmarkClaim_Leave(b *testing.B) {
	for _, c := range []struct{ q, n int }{{64, 6}, {1024, 100}, {4096, 100}} {
		b.Run(fmt.Sprintf("size=%d/nodes=%d", c.q, c.n), func(b *testing.B) {
			ms := numbered(c.n)
			cur := claim(b, ring.ClaimOptions{Size: c.q, Members: ms}).Ring
			b.ReportAllocs()
			moves := 0
			for b.Loop() {
				moves = len(claim(b, ring.ClaimOptions{Members: ms[1:], Current: cur}).Moves)
			}
			b.ReportMetric(float64(moves), "moves")
		})
	}
}

func BenchmarkClaim_Fresh(b *testing.B) {
	for _, c := range []struct{ q, n int }{{64, 5}, {1024, 100}, {4096, 100}} {
		b.Run(fmt.Sprintf("size=%d/nodes=%d", c.q, c.n), func(b *testing.B) {
			ms := numbered(c.n)
			b.ReportAllocs()
			for b.Loop() {
				claim(b, ring.ClaimOptions{Size: c.q, Members: ms})
			}
		})
	}
}

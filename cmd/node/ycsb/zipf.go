package ycsb

import (
	"math"
	"math/rand/v2"
)

// Theta is the exponent of YCSB's zipfian distribution.
const Theta = 0.99

// zipf draws ranks from 1 to n, rank k with a share in proportion to
// 1/k^exponent, by rejection-inversion (W. Hörmann, G. Derflinger, 1996): exact,
// in constant time, and n may be another one each time.
type zipf struct {
	exponent float64
	first    float64 // integral up to the first rank
	accept   float64 // this near to a rank, no second look is needed
	n        uint64
	last     float64 // integral up to rank n
}

func newZipf(exponent float64) zipf {
	z := zipf{exponent: exponent}
	z.first = z.integral(1.5) - 1
	z.accept = 2 - z.inverse(z.integral(2.5)-z.density(2))
	return z
}

// rank draws a rank from 1 to n.
func (z *zipf) rank(r *rand.Rand, n uint64) uint64 {
	if n != z.n {
		z.n, z.last = n, z.integral(float64(n)+0.5)
	}
	for {
		u := z.last + r.Float64()*(z.first-z.last)
		x := z.inverse(u)
		k := min(max(math.Floor(x+0.5), 1), float64(n))
		if k-x <= z.accept || u >= z.integral(k+0.5)-z.density(k) {
			return uint64(k)
		}
	}
}

// density is x^-exponent, integral its integral from 1, inverse the inverse of
// that.
func (z *zipf) density(x float64) float64 { return math.Exp(-z.exponent * math.Log(x)) }

func (z *zipf) integral(x float64) float64 {
	l := math.Log(x)
	t := (1 - z.exponent) * l
	if math.Abs(t) < 1e-8 {
		return l * (1 + t/2)
	}
	return l * math.Expm1(t) / t
}

func (z *zipf) inverse(u float64) float64 {
	t := max(u*(1-z.exponent), -1)
	if math.Abs(t) < 1e-8 {
		return math.Exp(u * (1 - t/2))
	}
	return math.Exp(u * math.Log1p(t) / t)
}

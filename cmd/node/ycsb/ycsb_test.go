package ycsb_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cmd/node/ycsb"
)

// theta is the exponent that YCSB names.
const theta = 0.99

func generator(t *testing.T, w ycsb.Workload, s *ycsb.Space, seed uint64) *ycsb.Generator {
	t.Helper()
	g, err := ycsb.New(w, s, rand.NewPCG(seed, 0))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// shares returns how often each record is asked for, most often first.
func shares(g *ycsb.Generator, draws int, record func(ycsb.Request) uint64) []float64 {
	counts := map[uint64]int{}
	for range draws {
		counts[record(g.Next())]++
	}
	var out []float64
	for _, n := range counts {
		out = append(out, float64(n)/float64(draws))
	}
	slices.SortFunc(out, func(a, b float64) int { return -int(math.Copysign(1, a-b)) })
	return out
}

// within fails if a share is further from the expected one than 5 standard
// deviations.
func within(t *testing.T, what string, got, want float64, draws int) {
	t.Helper()
	if limit := 5 * math.Sqrt(want*(1-want)/float64(draws)); math.Abs(got-want) > limit {
		t.Errorf("%s: share %.5f, want %.5f within %.5f", what, got, want, limit)
	}
}

// TestZipf_theory compares the share of every rank with 1/(k^0.99 zeta(n)). Latest
// shows ranks as they are.
func TestZipf_theory(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 10, 1000} {
		const draws = 1_000_000
		zeta := 0.0
		for k := uint64(1); k <= n; k++ {
			zeta += math.Pow(float64(k), -theta)
		}
		counts := make([]int, n)
		g := generator(t, ycsb.Workload{Percent: [ycsb.Ops]int{ycsb.Read: 100}, Distribution: ycsb.Latest}, ycsb.NewSpace(n), n)
		for range draws {
			counts[n-1-g.Next().Record]++
		}
		for k := range n {
			want := math.Pow(float64(k+1), -theta) / zeta
			within(t, fmt.Sprintf("n %d, rank %d", n, k+1), float64(counts[k])/draws, want, draws)
		}
	}
}

// TestZipfian_scattered: the most popular records have the shares of the first
// ranks, and are not the first records.
func TestZipfian_scattered(t *testing.T) {
	const n, draws = 100_000, 1_000_000
	zeta := 0.0
	for k := 1; k <= n; k++ {
		zeta += math.Pow(float64(k), -theta)
	}
	w, _ := ycsb.Core("C")
	first := 0
	top := shares(generator(t, w, ycsb.NewSpace(n), 1), draws, func(r ycsb.Request) uint64 {
		if r.Record < 100 {
			first++
		}
		return r.Record
	})
	for k := range 3 { // others may share a record with a rank
		want := math.Pow(float64(k+1), -theta) / zeta
		if top[k] < want*0.95 || top[k] > want*1.1 {
			t.Errorf("record of rank %d has the share %.5f, want %.5f", k+1, top[k], want)
		}
	}
	if share := float64(first) / draws; share > 0.02 {
		t.Errorf("the first 100 records have a share of %.3f", share)
	}
}

func TestUniform(t *testing.T) {
	const n, draws = 100, 1_000_000
	w, _ := ycsb.Core("c")
	w.Distribution = ycsb.Uniform
	for i, share := range shares(generator(t, w, ycsb.NewSpace(n), 1), draws, func(r ycsb.Request) uint64 { return r.Record }) {
		within(t, fmt.Sprint(i), share, 1.0/n, draws)
	}
}

// TestCore_mixes holds the six workloads to their definitions.
func TestCore_mixes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		share map[ycsb.Op]float64
	}{
		{"A", map[ycsb.Op]float64{ycsb.Read: 0.5, ycsb.Update: 0.5}},
		{"B", map[ycsb.Op]float64{ycsb.Read: 0.95, ycsb.Update: 0.05}},
		{"C", map[ycsb.Op]float64{ycsb.Read: 1}},
		{"D", map[ycsb.Op]float64{ycsb.Read: 0.95, ycsb.Insert: 0.05}},
		{"E", map[ycsb.Op]float64{ycsb.Scan: 0.95, ycsb.Insert: 0.05}},
		{"F", map[ycsb.Op]float64{ycsb.Read: 0.5, ycsb.ReadModifyWrite: 0.5}},
	} {
		const draws = 100_000
		w, ok := ycsb.Core(tt.name)
		if !ok {
			t.Fatal(tt.name)
		}
		g := generator(t, w, ycsb.NewSpace(1000), 7)
		counts := map[ycsb.Op]int{}
		for range draws {
			r := g.Next()
			counts[r.Op]++
			if (r.Op == ycsb.Scan) != (r.Length > 0) || r.Length > ycsb.MaxScan {
				t.Fatalf("%+v", r)
			}
		}
		for op := range ycsb.Ops {
			within(t, fmt.Sprint(tt.name, " ", op), float64(counts[op])/draws, tt.share[op], draws)
		}
	}
	if _, ok := ycsb.Core("g"); ok {
		t.Error("there is a workload g")
	}
	if _, err := ycsb.New(ycsb.Workload{Distribution: "normal"}, ycsb.NewSpace(1), rand.NewPCG(0, 0)); err == nil {
		t.Error("a distribution that nobody knows is taken")
	}
}

// TestSpace_concurrentInserts: I1. No record is inserted twice, and none is
// asked for before it, and all before it, were acknowledged.
func TestSpace_concurrentInserts(t *testing.T) {
	w := ycsb.Workload{Percent: [ycsb.Ops]int{ycsb.Read: 50, ycsb.Insert: 50}, Distribution: ycsb.Latest}
	s := ycsb.NewSpace(10)
	var inserted, acknowledged sync.Map
	for i := range uint64(10) {
		acknowledged.Store(i, true)
	}
	var clients sync.WaitGroup
	for i := range uint64(8) {
		g := generator(t, w, s, i)
		clients.Go(func() {
			for range 2000 {
				r := g.Next()
				if r.Op == ycsb.Insert {
					if _, twice := inserted.LoadOrStore(r.Record, true); twice {
						t.Errorf("record %d is inserted twice", r.Record)
					}
					acknowledged.Store(r.Record, true)
					s.Acknowledge(r.Record)
				} else if _, ok := acknowledged.Load(r.Record); !ok {
					t.Errorf("record %d is asked for and not there", r.Record)
				}
			}
		})
	}
	clients.Wait()
}

// TestGenerator_seeds: I2.
func TestGenerator_seeds(t *testing.T) {
	w, _ := ycsb.Core("e")
	draw := func(seed uint64) []ycsb.Request {
		g := generator(t, w, ycsb.NewSpace(100), seed)
		var out []ycsb.Request
		for range 100 {
			out = append(out, g.Next())
		}
		return out
	}
	if !slices.Equal(draw(1), draw(1)) || slices.Equal(draw(1), draw(2)) {
		t.Error("the seed does not decide the requests")
	}
}

// TestHistogram_percentiles: I3, against the sorted durations.
func TestHistogram_percentiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(0, 1<<rapid.IntRange(1, 62).Draw(t, "bits")), 1, 300).Draw(t, "durations")
		var a, b ycsb.Histogram
		sum := 0.0
		for i, d := range all {
			[]*ycsb.Histogram{&a, &b}[i%2].Record(time.Duration(d))
			sum += float64(d)
		}
		a.Add(&b)
		slices.Sort(all)
		if a.Count() != uint64(len(all)) || a.Max() != time.Duration(all[len(all)-1]) || math.Abs(float64(a.Mean())-sum/float64(len(all))) > sum/1e9+1 {
			t.Fatalf("count %d, max %d, mean %d", a.Count(), a.Max(), a.Mean())
		}
		for _, p := range []float64{0, 1, 50, 90, 99, 99.9, 100} {
			exact := all[max(int(math.Ceil(p/100*float64(len(all))))-1, 0)]
			got := int64(a.Percentile(p))
			if got < exact || got > exact+exact/64 {
				t.Fatalf("percentile %v of %d is %d, exactly %d", p, len(all), got, exact)
			}
		}
	})
	var none ycsb.Histogram
	if none.Percentile(50) != 0 || none.Mean() != 0 {
		t.Error("a percentile of nothing")
	}
}

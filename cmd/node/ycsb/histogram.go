package ycsb

import (
	"math/bits"
	"time"
)

// Each power of two of nanoseconds is cut into 64 cells, and durations below 64
// ns have one each.
const (
	cellBits = 6
	cells    = 1 << cellBits
)

// Histogram counts durations; the zero value is empty. It takes a fixed 30 KiB.
// It is not safe for concurrent use: have one a client, and add them up.
type Histogram struct {
	counts [(64 - cellBits) * cells]uint64
	count  uint64
	sum    float64
	max    time.Duration
}

// Record counts a duration; a negative one as 0.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.counts[cell(uint64(d))]++
	h.count++
	h.sum += float64(d)
	h.max = max(h.max, d)
}

func cell(n uint64) int {
	if n < cells {
		return int(n)
	}
	shift := bits.Len64(n) - cellBits - 1
	return (shift+1)*cells + int(n>>shift) - cells
}

// top is the longest duration of a cell.
func top(cell int) time.Duration {
	if cell < cells {
		return time.Duration(cell)
	}
	shift := cell/cells - 1
	return time.Duration(uint64(cell%cells+cells+1)<<shift - 1)
}

// Add counts what o has counted.
func (h *Histogram) Add(o *Histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.count += o.count
	h.sum += o.sum
	h.max = max(h.max, o.max)
}

// Count is how many durations were counted, Max the longest, Mean their mean.
func (h *Histogram) Count() uint64      { return h.count }
func (h *Histogram) Max() time.Duration { return h.max }
func (h *Histogram) Mean() time.Duration {
	return time.Duration(h.sum / float64(max(h.count, 1)))
}

// Percentile returns a duration that p percent of those counted do not exceed,
// with the precision of I3; 0 when none was counted.
func (h *Histogram) Percentile(p float64) time.Duration {
	want := uint64(p / 100 * float64(h.count))
	if float64(want) < p/100*float64(h.count) || want == 0 {
		want++
	}
	seen := uint64(0)
	for i, n := range h.counts {
		if seen += n; seen >= want && n > 0 {
			return min(top(i), h.max)
		}
	}
	return h.max
}

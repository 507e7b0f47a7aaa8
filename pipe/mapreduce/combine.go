package mapreduce

import (
	"cmp"
	"slices"
)

// Number is what Sum adds.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// Sum is a Combine that adds. Integers wrap around at overflow. Sums of floats
// depend on the order of their terms in the last digits, and the order is not
// fixed.
func Sum[V Number](a, b V) V { return a + b }

// Max is a Combine that keeps the larger value.
func Max[V cmp.Ordered](a, b V) V { return max(a, b) }

// Min is a Combine that keeps the smaller value.
func Min[V cmp.Ordered](a, b V) V { return min(a, b) }

// Count is a Reduce that returns the number of values. With a combiner there is
// only one value left: to count with a combiner, emit 1 and combine with Sum.
func Count[K comparable, V any](_ K, values []V) (uint64, error) {
	return uint64(len(values)), nil
}

// Collect is a Reduce that returns the values sorted, so that the result does
// not depend on the order in which they came.
func Collect[K comparable, V cmp.Ordered](_ K, values []V) ([]V, error) {
	slices.Sort(values)
	return values, nil
}

// CollectSet is a Reduce that returns the distinct values sorted.
func CollectSet[K comparable, V cmp.Ordered](_ K, values []V) ([]V, error) {
	slices.Sort(values)
	return slices.Compact(values), nil
}

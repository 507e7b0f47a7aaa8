package query

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
)

// Compare orders values as Riak's sorts do: numbers, then false, null and true,
// then objects that were not found, maps, strings, and lists. Numbers of both
// kinds are compared by their size; of equal ones the integer comes first, and
// what is not a number comes last of them.
func Compare(a, b any) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case int64, float64:
		return compareNumbers(a, b)
	case string:
		return strings.Compare(a, b.(string))
	case []any:
		return slices.CompareFunc(a, b.([]any), Compare)
	case map[string]any:
		return compareMaps(a, b.(map[string]any))
	case NotFound:
		n := b.(NotFound)
		return cmp.Or(strings.Compare(a.Type, n.Type), strings.Compare(a.Bucket, n.Bucket), strings.Compare(a.Key, n.Key), Compare(a.Data, n.Data))
	}
	return 0
}

func rank(v any) int {
	switch v := v.(type) {
	case int64, float64:
		return 0
	case bool:
		if v {
			return 3
		}
		return 1
	case nil:
		return 2
	case NotFound:
		return 4
	case map[string]any:
		return 5
	case string:
		return 6
	default:
		return 7
	}
}

func compareNumbers(a, b any) int {
	i, aInt := a.(int64)
	j, bInt := b.(int64)
	switch {
	case aInt && bInt:
		return cmp.Compare(i, j)
	case aInt:
		return -compareFloat(b.(float64), i)
	case bInt:
		return compareFloat(a.(float64), j)
	}
	f, g := a.(float64), b.(float64)
	if f != f || g != g {
		return -cmp.Compare(f, g) // cmp puts NaN first
	}
	return cmp.Compare(f, g)
}

// compareFloat compares without losing digits of n.
func compareFloat(f float64, n int64) int {
	switch {
	case f != f || f >= math.MaxInt64: // the limit is 2^63 as a float
		return 1
	case f < math.MinInt64:
		return -1
	}
	whole := math.Floor(f)
	if c := cmp.Compare(int64(whole), n); c != 0 {
		return c
	}
	return 1 // a fraction, or equal: the integer comes first
}

func compareMaps(a, b map[string]any) int {
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c
	}
	keys := slices.Sorted(maps.Keys(a))
	if c := slices.Compare(keys, slices.Sorted(maps.Keys(b))); c != 0 {
		return c
	}
	for _, k := range keys {
		if c := Compare(a[k], b[k]); c != 0 {
			return c
		}
	}
	return 0
}

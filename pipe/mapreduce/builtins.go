package mapreduce

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

// builtins are the functions that Riak's clients name, in module
// riak_kv_mapreduce.
func builtins() []Function {
	const module = "riak_kv_mapreduce:"
	return []Function{
		{Name: module + "map_identity", Map: withMissing(mapIdentity)},
		{Name: module + "map_object_value", Map: withMissing(mapObjectValue)},
		{Name: module + "map_object_value_list", Map: withMissing(mapObjectValueList)},
		{Name: module + "reduce_identity", Reduce: reduceIdentity},
		{Name: module + "reduce_set_union", Reduce: reduceSetUnion, Combines: true, ByValue: true},
		{Name: module + "reduce_sort", Reduce: reduceSort},
		{Name: module + "reduce_string_to_integer", Reduce: reduceStringToInteger},
		{Name: module + "reduce_sum", Reduce: reduceSum, Combines: true},
		{Name: module + "reduce_plist_sum", Reduce: reducePlistSum, Combines: true},
		{Name: module + "reduce_count_inputs", Reduce: reduceCountInputs, Combines: true},
	}
}

// errNoClause is what Riak calls a function that has nothing to say to its
// arguments.
var errNoClause = errors.New("function_clause")

// withMissing says what the argument says of objects that are not found.
func withMissing(found func(o Object) ([]any, error)) func(context.Context, Object, any) ([]any, error) {
	return func(_ context.Context, o Object, arg any) ([]any, error) {
		if o.Found {
			return found(o)
		}
		switch arg := arg.(type) {
		case string:
			switch arg {
			case "filter_notfound":
				return nil, nil
			case "include_notfound":
				return []any{o.NotFound()}, nil
			case "include_keydata":
				return []any{o.Data}, nil
			}
		case map[string]any:
			if list, ok := arg["sub"].([]any); ok && len(arg) == 1 {
				return list, nil
			}
		}
		return nil, fmt.Errorf("the object was not found, and the argument is none of \"filter_notfound\", \"include_notfound\", \"include_keydata\" and {\"sub\": list}: %w", errNoClause)
	}
}

func mapIdentity(o Object) ([]any, error) { return []any{ObjectValue(o)}, nil }

// mapObjectValue returns the newest value of an object.
func mapObjectValue(o Object) ([]any, error) { return []any{string(o.Value)}, nil }

// mapObjectValueList returns the elements of the list that the object's value is,
// as JSON.
func mapObjectValueList(o Object) ([]any, error) {
	v, err := query.ParseValue(o.Value)
	if err != nil {
		return nil, fmt.Errorf("the value is no list in JSON: %w", err)
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("the value is %T and no list in JSON: %w", v, errNoClause)
	}
	return list, nil
}

// reduceIdentity returns the bucket and key of each input.
func reduceIdentity(_ context.Context, values []any, _ any) ([]any, error) {
	for i, v := range values {
		k, ok := keyOfOutput(v)
		if !ok {
			return nil, fmt.Errorf("an input is no bucket and key: %w", errNoClause)
		}
		values[i] = []any{k.Bucket, k.Key}
	}
	return values, nil
}

// reduceSetUnion returns the distinct values, sorted.
func reduceSetUnion(_ context.Context, values []any, _ any) ([]any, error) {
	slices.SortFunc(values, query.Compare)
	return slices.CompactFunc(values, func(a, b any) bool { return query.Compare(a, b) == 0 }), nil
}

func reduceSort(_ context.Context, values []any, _ any) ([]any, error) {
	slices.SortFunc(values, query.Compare)
	return values, nil
}

func reduceStringToInteger(_ context.Context, values []any, _ any) ([]any, error) {
	out := values[:0]
	for _, v := range values {
		switch v := v.(type) {
		case query.NotFound:
		case int64:
			out = append(out, v)
		case string:
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%q is no integer: %w", v, errNoClause)
			}
			out = append(out, n)
		default:
			return nil, fmt.Errorf("%T is no string: %w", v, errNoClause)
		}
	}
	return out, nil
}

// add adds numbers: integers as long as they fit.
func add(a, b any) (any, error) {
	x, ok := a.(int64)
	y, yes := b.(int64)
	if ok && yes {
		if sum := x + y; (sum > x) == (y > 0) {
			return sum, nil
		}
	}
	f, err := asFloat(a)
	if err != nil {
		return nil, err
	}
	g, err := asFloat(b)
	if err != nil {
		return nil, err
	}
	if sum := f + g; !math.IsInf(sum, 0) && !math.IsNaN(sum) {
		return sum, nil
	}
	return nil, fmt.Errorf("the sum of %v and %v is no number: %w", a, b, errNoClause)
}

func asFloat(v any) (float64, error) {
	switch v := v.(type) {
	case int64:
		return float64(v), nil
	case float64:
		return v, nil
	}
	return 0, fmt.Errorf("%T is no number: %w", v, errNoClause)
}

func reduceSum(_ context.Context, values []any, _ any) (_ []any, err error) {
	sum := any(int64(0))
	for _, v := range values {
		if _, missing := v.(query.NotFound); missing {
			continue
		}
		if sum, err = add(sum, v); err != nil {
			return nil, err
		}
	}
	return []any{sum}, nil
}

// reducePlistSum adds numbers by name: of objects {"name": number, ...}, of pairs
// ["name", number], and of lists of these. It returns one object, none for no
// input.
func reducePlistSum(_ context.Context, values []any, _ any) ([]any, error) {
	sums := make(map[string]any)
	for _, v := range values {
		if err := addNamed(sums, v); err != nil {
			return nil, err
		}
	}
	if len(sums) == 0 {
		return nil, nil
	}
	return []any{sums}, nil
}

func addNamed(sums map[string]any, v any) (err error) {
	one := func(name string, n any) error {
		old, ok := sums[name]
		if !ok {
			old = int64(0)
		}
		sums[name], err = add(old, n)
		return err
	}
	switch v := v.(type) {
	case query.NotFound:
		return nil
	case map[string]any:
		for name, n := range v {
			if err := one(name, n); err != nil {
				return err
			}
		}
		return nil
	case []any:
		if len(v) == 2 {
			if name, ok := v[0].(string); ok {
				return one(name, v[1])
			}
		}
		for _, x := range v {
			if err := addNamed(sums, x); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("%T is no list of names with numbers: %w", v, errNoClause)
}

// reduceCountInputs counts its inputs. Integers are taken for counts that it
// returned before.
func reduceCountInputs(_ context.Context, values []any, _ any) ([]any, error) {
	var n int64
	for _, v := range values {
		if count, ok := v.(int64); ok {
			n += count
		} else {
			n++
		}
	}
	return []any{n}, nil
}

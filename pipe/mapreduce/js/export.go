package js

import (
	"fmt"
	"math"
	"math/big"
	"time"

	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

// exporter makes values of what the interpreter exports, up to a size. What
// contains itself is nested too deep.
type exporter struct{ left int }

// overhead is what a value counts for beside its bytes.
const overhead = 16

func (e *exporter) value(v any, depth int) (any, error) {
	if depth > query.MaxDepth {
		return nil, fmt.Errorf("returned what is nested deeper than %d: %w", query.MaxDepth, query.ErrValue)
	}
	if e.left -= overhead; e.left < 0 {
		return nil, fmt.Errorf("returned more than allowed: %w", ErrMemory)
	}
	switch v := v.(type) {
	case nil, bool, int64:
		return v, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, nil // as JSON.stringify has it
		}
		return v, nil
	case string:
		e.left -= len(v)
		return v, nil
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05.000Z"), nil
	case *big.Int:
		return v.String(), nil
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			var err error
			if list[i], err = e.value(x, depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		return e.object(v, depth)
	default:
		return nil, fmt.Errorf("returned %T: %w", v, query.ErrValue)
	}
}

func (e *exporter) object(v map[string]any, depth int) (any, error) {
	m := make(map[string]any, len(v))
	for k, x := range v {
		e.left -= len(k)
		var err error
		if m[k], err = e.value(x, depth+1); err != nil {
			return nil, err
		}
	}
	if n, ok := query.NotFoundOf(m); ok {
		return n, nil
	}
	return m, nil
}

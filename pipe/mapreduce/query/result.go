package query

import "slices"

// Part is a piece of a job's result: outputs of one phase, in the order in which
// they came. A phase may have any number of parts.
type Part struct {
	Phase  int
	Values []any
}

// AppendJSON appends {"phase": n, "data": [...]}.
func (p Part) AppendJSON(dst []byte) ([]byte, error) {
	values := p.Values
	if values == nil {
		values = []any{}
	}
	return AppendJSON(dst, map[string]any{"phase": int64(p.Phase), "data": values})
}

// Result is everything that a job has to say, by phases.
type Result struct {
	kept   []int
	values [][]any
}

// NewResult returns the result of a job, with nothing in it yet.
func (q *Query) NewResult() *Result {
	r := &Result{kept: q.Kept()}
	if len(q.Phases) == 0 {
		r.kept = []int{0}
	}
	r.values = make([][]any, len(r.kept))
	return r
}

// Add adds a part, unless its phase is not kept.
func (r *Result) Add(p Part) {
	if i := slices.Index(r.kept, p.Phase); i >= 0 {
		r.values[i] = append(r.values[i], p.Values...)
	}
}

// Phase returns the outputs of a kept phase; none of one that is not kept.
func (r *Result) Phase(n int) []any {
	if i := slices.Index(r.kept, n); i >= 0 {
		return r.values[i]
	}
	return nil
}

// Value returns the result as one value: the outputs of the phase that is kept,
// or, if several are, a list of the outputs of each, in which one without outputs
// has an empty list.
func (r *Result) Value() []any {
	all := make([]any, 0, len(r.values))
	for _, values := range r.values {
		if values == nil {
			values = []any{}
		}
		all = append(all, values)
	}
	switch len(all) {
	case 0:
		return all
	case 1:
		return all[0].([]any)
	}
	return all
}

package mapreduce

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

// Object is what a map function of a query is given.
type Object struct {
	kv.Object
	// Found is false for an input that names no object: then there are only names.
	Found bool
	// Data came with the input; nil if nothing did.
	Data any
}

// NotFound returns the value that stands for an object that was not found.
func (o Object) NotFound() query.NotFound {
	return query.NotFound{Type: o.Type, Bucket: o.Bucket, Key: o.Key, Data: o.Data}
}

// Function is a function of queries, known by its name on every node. One of Map,
// Reduce and Inputs is set. They run concurrently, one call at a time for each
// worker. Values are those of package query; values are given away with a call
// and with its result. An error or a panic ends the query with a *PhaseError.
//
// MapFunction and ReduceFunction make Functions of functions over Go types.
type Function struct {
	// Name is "module:function", as queries name it.
	Name string
	// Map is called for each object. What it returns goes to the next phase.
	Map func(ctx context.Context, o Object, arg any) ([]any, error)
	// Reduce is called with what it returned last and further values, as often as
	// it takes, and so must not care how its inputs are grouped. It is called at
	// least once, with no values if there is no input.
	Reduce func(ctx context.Context, values []any, arg any) ([]any, error)
	// Combines: Reduce of outputs of Reduce is Reduce of all their inputs. Then it
	// also runs where its inputs are made, before they travel.
	Combines bool
	// ByValue: equal values are all that Reduce looks at together, and it makes
	// nothing of nothing. Then it runs at every partition for its share of them.
	ByValue bool
	// Inputs gives the inputs of a query: keys, which a map phase reads.
	Inputs func(ctx context.Context, arg any, emit func(query.Key) error) error
}

// MapFunction makes a Function of a map over Go values: T is anything that
// encoding/json can say.
//
//	mapreduce.MapFunction("app:words", func(o mapreduce.Object, _ any) ([]string, error) {
//		return strings.Fields(o.Text()), nil
//	})
func MapFunction[T any](name string, f func(o Object, arg any) ([]T, error)) Function {
	return Function{Name: name, Map: func(_ context.Context, o Object, arg any) ([]any, error) {
		out, err := f(o, arg)
		if err != nil {
			return nil, err
		}
		return valuesOf(out)
	}}
}

// ReduceFunction makes a Function of a reduce over Go values.
func ReduceFunction[T any](name string, f func(values []T, arg any) ([]T, error)) Function {
	return Function{Name: name, Reduce: func(_ context.Context, values []any, arg any) ([]any, error) {
		in := make([]T, len(values))
		for i, v := range values {
			var err error
			if in[i], err = query.As[T](v); err != nil {
				return nil, err
			}
		}
		out, err := f(in, arg)
		if err != nil {
			return nil, err
		}
		return valuesOf(out)
	}}
}

func valuesOf[T any](all []T) ([]any, error) {
	values := make([]any, len(all))
	for i, x := range all {
		var err error
		if values[i], err = query.ValueOf(x); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// An Engine runs functions that come as source text, in one language.
type Engine interface {
	// Language is how queries name it.
	Language() string
	// Open makes a function of a source or of a name that the language knows, for
	// one worker. It must be safe for concurrent use.
	Open(f query.Function) (Code, error)
}

// Code is a function in another language. One call is made at a time; a call ends
// soon after its context does.
type Code interface {
	Map(ctx context.Context, o Object, arg any) ([]any, error)
	Reduce(ctx context.Context, values []any, arg any) ([]any, error)
}

// Errors of a query that can't run.
var (
	// ErrUnknownFunction: no function of that name is registered for such a phase.
	ErrUnknownFunction = errors.New("unknown function")
	// ErrLanguage: the nodes run no functions in that language.
	ErrLanguage = errors.New("language is not allowed")
)

// Objects is how queries reach the objects of the cluster. It is safe for
// concurrent use.
type Objects interface {
	// Read returns an object, or kv.ErrNotFound.
	Read(ctx context.Context, k query.Key) (kv.Object, error)
	// Partition returns where the object is.
	Partition(k query.Key) ring.Partition
}

// QueryOptions says what queries may use on a node.
type QueryOptions struct {
	Objects   Objects
	Functions []Function // beside Riak's own
	Engines   []Engine   // default none: functions have names only
	// ReduceMemory is the size in bytes beyond which the state of a reduce phase
	// at one partition fails the query with ErrMemory. Default 256 MiB.
	ReduceMemory int
	// CallOutput is the size in bytes beyond which the output of one call of a
	// function fails the query with ErrMemory. Default 32 MiB.
	CallOutput int
}

// Queries are what a node needs to take part in queries. Safe for concurrent use.
type Queries struct {
	opt     QueryOptions
	named   map[string]Function
	engines map[string]Engine
}

// NewQueries checks the options. It fails with ErrInvalid and ErrDuplicate.
func NewQueries(o QueryOptions) (*Queries, error) {
	if o.ReduceMemory == 0 {
		o.ReduceMemory = 256 << 20
	}
	if o.CallOutput == 0 {
		o.CallOutput = 32 << 20
	}
	q := &Queries{opt: o, named: make(map[string]Function), engines: make(map[string]Engine)}
	for _, f := range slices.Concat(builtins(), o.Functions) {
		ways := 0
		for _, set := range []bool{f.Map != nil, f.Reduce != nil, f.Inputs != nil} {
			if set {
				ways++
			}
		}
		if f.Name == "" || ways != 1 {
			return nil, fmt.Errorf("function %q: it needs a name and one of Map, Reduce and Inputs: %w", f.Name, ErrInvalid)
		}
		if _, ok := q.named[f.Name]; ok {
			return nil, fmt.Errorf("function %q: %w", f.Name, ErrDuplicate)
		}
		q.named[f.Name] = f
	}
	for _, e := range o.Engines {
		q.engines[e.Language()] = e
	}
	return q, nil
}

// Names returns the names of the functions, sorted.
func (q *Queries) Names() []string { return slices.Sorted(maps.Keys(q.named)) }

// Languages returns the languages that functions may be in beside names, sorted.
func (q *Queries) Languages() []string { return slices.Sorted(maps.Keys(q.engines)) }

// Bind registers the workers of queries. It fails with pipe.ErrRegistered.
func (q *Queries) Bind(reg *pipe.Registry) error {
	err := reg.AddHash(hashValue, valueHash)
	for name, factory := range map[string]pipe.Factory{
		workerQueryKeys: queryFactory{q, newKeysWorker}, workerQueryMap: queryFactory{q, newMapWorker}, workerQueryReduce: queryFactory{q, newReduceWorker},
	} {
		if err == nil {
			err = reg.AddWorker(name, factory)
		}
	}
	return err
}

// InputFunction returns the function that gives a query's inputs.
func (q *Queries) InputFunction(name string) (Function, error) {
	f, ok := q.named[name]
	if !ok || f.Inputs == nil {
		return Function{}, fmt.Errorf("input function %q: %w", name, ErrUnknownFunction)
	}
	return f, nil
}

// function resolves what a phase calls, for one worker.
func (q *Queries) function(p *query.Phase) (Function, error) {
	f := p.Function
	if f.Language == query.LanguageNamed {
		named, ok := q.named[f.Name]
		switch {
		case f.Name == "":
			return Function{}, fmt.Errorf("source in erlang: %w", ErrLanguage)
		case !ok || p.Kind == query.Map && named.Map == nil || p.Kind == query.Reduce && named.Reduce == nil:
			return Function{}, fmt.Errorf("%v function %q: %w", p.Kind, f.Name, ErrUnknownFunction)
		}
		return named, nil
	}
	e, ok := q.engines[f.Language]
	if !ok {
		return Function{}, fmt.Errorf("%v function in %q: %w", p.Kind, f.Language, ErrLanguage)
	}
	code, err := e.Open(f)
	if err != nil {
		return Function{}, err
	}
	return Function{Name: f.String(), Map: code.Map, Reduce: code.Reduce}, nil
}

package mapreduce

import (
	"fmt"
	"strconv"

	"github.com/zeebo/xxh3"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

// A query becomes a pipe: a fitting for each phase, and some more.
//
//	fold of a bucket --objects--> map at each partition   or   inputs: their keys
//	keys --to the partition of each--> map: reads the object
//	map --values--> prereduce, where they are made --> reduce at one partition, or at all by value
//
// The outputs of a phase that is kept and not the last ride along through the
// later fittings, marked as results. So everything that leaves a fitting enters
// the next, and the counts say whether something is missing.

// Names under which Bind registers what queries need.
const (
	workerQueryKeys   = "query/keys"
	workerQueryMap    = "query/map"
	workerQueryReduce = "query/reduce"
	hashValue         = "query/value"
)

// An item between the fittings of a query is one of
//
//	0, value                 an output that is an input of the next phase
//	1, uvarint phase, value  a result
//
// Objects out of a fold are as package kv says.
const (
	itemValue  byte = 0
	itemResult byte = 1
)

// valueHash places equal values at one partition.
func valueHash(item []byte) uint64 { return xxh3.Hash(item) }

// step is one phase as a worker at any node needs it: the argument of a fitting.
type step struct {
	number    int // of the phase
	phase     query.Phase
	objects   bool // inputs are objects out of a fold, and not keys
	toObjects bool // outputs are keys that the next phase reads
	last      bool // outputs that are not kept go nowhere
	filters   []any
}

// append encodes the step as a value.
func (s *step) append() ([]byte, error) {
	p, f := &s.phase, &s.phase.Function
	filters := any(nil)
	if s.filters != nil {
		filters = s.filters
	}
	return query.AppendValue(nil, []any{
		int64(s.number), int64(p.Kind), p.Keep, f.Language, f.Name, f.Source, p.Arg, p.Bucket, p.Tag,
		int64(p.BatchSize), p.OnlyOnce, s.objects, s.toObjects, s.last, filters,
	})
}

// decodeStep is the inverse of append.
func decodeStep(arg []byte) (s step, err error) {
	v, err := query.DecodeValue(arg)
	if err != nil {
		return s, err
	}
	list, _ := v.([]any)
	p, f := &s.phase, &s.phase.Function
	var kind, number, batch int64
	fields := []any{
		&number, &kind, &p.Keep, &f.Language, &f.Name, &f.Source, &p.Arg, &p.Bucket, &p.Tag,
		&batch, &p.OnlyOnce, &s.objects, &s.toObjects, &s.last, &s.filters,
	}
	if len(list) != len(fields) {
		return s, fmt.Errorf("phase of %d fields: %w", len(list), ErrDamaged)
	}
	for i, v := range list {
		ok := true
		switch into := fields[i].(type) {
		case *int64:
			*into, ok = v.(int64)
		case *bool:
			*into, ok = v.(bool)
		case *string:
			*into, ok = v.(string)
		case *[]any:
			*into, ok = v.([]any)
			ok = ok || v == nil
		case *any:
			*into = v
		}
		if !ok {
			return s, fmt.Errorf("phase with %T as field %d: %w", v, i, ErrDamaged)
		}
	}
	s.number, p.Kind, p.BatchSize = int(number), query.PhaseKind(kind), int(batch)
	return s, nil
}

// Plan is how a query runs as a pipe.
type Plan struct {
	Fittings []pipe.Fitting
	// Phases are the phases of the fittings, -1 for what only takes inputs.
	Phases []int
	// Fold says that the pipe is fed by a fold of the bucket, and otherwise by
	// Feed.
	Fold    bool
	objects Objects // where keys go, if the first fitting reads them
}

// Compile makes the plan of a query whose functions are named, or come with their
// source; at says where a reduce phase runs that runs at one partition. It fails
// with ErrUnknownFunction, ErrLanguage, and the errors of an engine.
func (q *Queries) Compile(job *query.Query, at ring.Partition) (*Plan, error) {
	c := &compiler{queries: q, job: job, at: at, plan: &Plan{Fold: job.Inputs.Kind == query.InputBucket}}
	if err := c.inputs(); err != nil {
		return nil, err
	}
	for i := range job.Phases {
		if err := c.phase(i); err != nil {
			return nil, fmt.Errorf("phase %d: %w", i, err)
		}
	}
	return c.plan, nil
}

type compiler struct {
	queries *Queries
	job     *query.Query
	at      ring.Partition
	plan    *Plan
}

func (c *compiler) add(number int, name, worker string, s step, route pipe.Route) error {
	arg, err := s.append()
	if err != nil {
		return err
	}
	c.plan.Fittings = append(c.plan.Fittings, pipe.Fitting{Name: name, Worker: worker, Arg: arg, Route: route})
	c.plan.Phases = append(c.plan.Phases, number)
	return nil
}

// inputs adds what takes inputs that are not read: those of a reduce, and those
// of a query without phases.
func (c *compiler) inputs() error {
	if len(c.job.Phases) > 0 && c.job.Phases[0].Kind != query.Reduce {
		if !c.plan.Fold {
			c.plan.objects = c.queries.opt.Objects
		}
		return nil
	}
	s := step{objects: c.plan.Fold, last: len(c.job.Phases) == 0, filters: c.job.Inputs.Filters}
	s.phase.Keep = s.last
	route := pipe.ByHash(hashValue)
	if s.objects {
		route = pipe.Direct()
	}
	return c.add(-1, "inputs", workerQueryKeys, s, route)
}

func (c *compiler) phase(i int) error {
	p := c.job.Phases[i]
	s := step{number: i, phase: p, last: i == len(c.job.Phases)-1}
	s.toObjects = !s.last && c.job.Phases[i+1].Kind != query.Reduce
	name := p.Kind.String() + " " + strconv.Itoa(i)
	var f Function
	if p.Kind != query.Link {
		var err error
		if f, err = c.queries.function(&p); err != nil {
			return err
		}
	}
	if p.Kind == query.Reduce {
		return c.reduce(i, name, s, f)
	}
	if i == 0 && c.plan.Fold {
		s.objects, s.filters = true, c.job.Inputs.Filters
	}
	return c.add(i, name, workerQueryMap, s, pipe.Direct())
}

// reduce adds the fitting of a reduce phase, and one before it that reduces what
// a map makes where it is made.
func (c *compiler) reduce(i int, name string, s step, f Function) error {
	before := i > 0 && c.job.Phases[i-1].Kind == query.Map
	if before && (c.job.Phases[i-1].Prereduce || f.Combines && !s.phase.OnlyOnce) {
		pre := s
		pre.phase.Keep, pre.last, pre.toObjects = false, false, false
		if err := c.add(i, "prereduce "+strconv.Itoa(i), workerQueryReduce, pre, pipe.Follow()); err != nil {
			return err
		}
	}
	route := pipe.Constant(c.at)
	if f.ByValue && !s.phase.OnlyOnce {
		route = pipe.ByHash(hashValue)
	}
	if err := c.add(i, name, workerQueryReduce, s, route); err != nil {
		return err
	}
	c.plan.Fittings[len(c.plan.Fittings)-1].RunEmpty = true
	return nil
}

// Feed returns the item of an input of a plan without a fold, and where it goes
// if direct.
func (p *Plan) Feed(k query.Key) (item []byte, to ring.Partition, direct bool, err error) {
	item, err = query.AppendValue([]byte{itemValue}, k.Value())
	if p.objects == nil {
		return item, 0, false, err
	}
	return item, p.objects.Partition(k), true, err
}

// PhaseOf returns the phase of a fitting, -1 for the inputs.
func (p *Plan) PhaseOf(fitting string) int {
	for i := range p.Fittings {
		if p.Fittings[i].Name == fitting {
			return p.Phases[i]
		}
	}
	return -1
}

// FoldQuery returns the query of the fold that feeds a plan.
func FoldQuery(in *query.Inputs) []byte { return kv.BucketQuery(in.Type, in.Bucket) }

// DecodeResult returns what an item at the end of a query's pipe says.
func DecodeResult(item []byte) (phase int, value any, err error) {
	if len(item) == 0 || item[0] != itemResult {
		return 0, nil, fmt.Errorf("result of %d bytes: %w", len(item), ErrDamaged)
	}
	n, rest, ok := cutUvarint(item[1:])
	if !ok || n > query.MaxPhases {
		return 0, nil, fmt.Errorf("result of %d bytes: %w", len(item), ErrDamaged)
	}
	value, err = query.DecodeValue(rest)
	return int(n), value, err
}

package mapreduce

import (
	"fmt"
	"maps"
	"slices"

	"github.com/dee2748c/baton/pipe"
)

// Names under which [Registry.Bind] registers this package with package pipe.
const (
	WorkerMap    = "mapreduce/map"
	WorkerReduce = "mapreduce/reduce"
	HashName     = "mapreduce/key"
)

// maxName bounds a job's name, in bytes.
const maxName = 255

// A Registry holds the jobs that a node knows, by name. Add everything first;
// afterwards a Registry is safe for concurrent use.
type Registry struct {
	programs map[string]*program
}

// NewRegistry returns a registry of the given jobs. It fails as Register does.
func NewRegistry(jobs ...Definition) (*Registry, error) {
	r := &Registry{programs: make(map[string]*program)}
	for _, j := range jobs {
		if err := r.Register(j); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Register adds a job. It fails with ErrDuplicate when the name is taken, and
// with ErrInvalid when the job can't run.
func (r *Registry) Register(job Definition) error {
	p, err := job.compile()
	if err != nil {
		return err
	}
	if _, ok := r.programs[p.name]; ok {
		return fmt.Errorf("register job %q: %w", p.name, ErrDuplicate)
	}
	r.programs[p.name] = p
	return nil
}

// Names returns the names of the jobs, sorted.
func (r *Registry) Names() []string { return slices.Sorted(maps.Keys(r.programs)) }

// Bind registers the workers and the hash function of all jobs, those of later
// calls of Register included. It fails with pipe.ErrRegistered when reg knows
// one of the names already.
func (r *Registry) Bind(reg *pipe.Registry) error {
	if err := reg.AddHash(HashName, KeyHash); err != nil {
		return err
	}
	if err := reg.AddWorker(WorkerMap, factory{r, func(p *program) pipe.Worker { return p.newMap() }}); err != nil {
		return err
	}
	return reg.AddWorker(WorkerReduce, factory{r, func(p *program) pipe.Worker { return p.newReduce() }})
}

// Fittings returns the two fittings that a job runs as: map, to which its
// objects are sent directly at the partitions that hold them, and reduce, to
// which pairs go by the hash of their key. It fails with ErrUnknown.
func (r *Registry) Fittings(job string) ([]pipe.Fitting, error) {
	if _, err := r.lookup([]byte(job)); err != nil {
		return nil, err
	}
	return []pipe.Fitting{
		{Name: PhaseMap, Worker: WorkerMap, Arg: []byte(job), Route: pipe.Direct()},
		{Name: PhaseReduce, Worker: WorkerReduce, Arg: []byte(job), Route: pipe.ByHash(HashName)},
	}, nil
}

func (r *Registry) lookup(name []byte) (*program, error) {
	p, ok := r.programs[string(name)]
	if !ok {
		return nil, fmt.Errorf("job %q: %w", name, ErrUnknown)
	}
	return p, nil
}

// factory makes the workers of one phase of whatever job the argument names.
type factory struct {
	registry *Registry
	make     func(*program) pipe.Worker
}

// ValidateArg fails with ErrUnknown for a job that is not registered.
func (f factory) ValidateArg(arg []byte) error {
	_, err := f.registry.lookup(arg)
	return err
}

// Init returns a worker of the job that the argument names.
func (f factory) Init(c pipe.WorkerContext) (pipe.Worker, error) {
	p, err := f.registry.lookup(c.Arg)
	if err != nil {
		return nil, err
	}
	return f.make(p), nil
}

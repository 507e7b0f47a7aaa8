package mapreduce

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
)

// A Job describes a MapReduce over objects, in types:
//
//	Map     Object -> (K, V)...
//	Combine (V, V) -> V
//	Reduce  (K, []V) -> R
//
// A Job is a value: it holds no state and may run any number of times at once.
// Functions do not travel, so every node registers the same jobs (see
// [Registry]), and a running job is known by its name.
type Job[K comparable, V, R any] struct {
	// Name is the job's name in the cluster.
	Name string
	// Map is called once for each object, at the partition that holds it. It
	// may call emit any number of times before it returns. An object that was
	// written concurrently comes once, with all its values in Siblings; its
	// fields show the newest. Strings and slices of the object may be emitted as they are; other values that hold pieces of it keep the batch
	// that it came in alive. An error or a panic ends the job.
	Map func(o kv.Object, emit func(K, V)) error
	// Combine merges two values of one key. It must be associative and
	// commutative: it is applied on both sides of the network, in any order and
	// grouping. It may change and return either argument. Nil means that values
	// are collected as they are, which costs their size in memory and traffic.
	Combine func(a, b V) V
	// Reduce makes the result of a key. With Combine there is one value; without,
	// there are all values, in no particular order. It runs once for each key of
	// the whole input. Nil is allowed when Combine is given and V is R: then the
	// combined value is the result.
	Reduce func(key K, values []V) (R, error)

	// Codecs; the zero values stand for the built-in ones.
	KeyCodec    Codec[K]
	ValueCodec  Codec[V]
	ResultCodec Codec[R]

	// MapMemory is the size in bytes beyond which a partition's combined pairs
	// are sent on before the end of its input. Default 8 MiB.
	MapMemory int
	// ReduceMemory is the size in bytes beyond which the reduce state of one
	// partition fails the job with ErrMemory. Default 1 GiB.
	ReduceMemory int
}

// A Definition is a Job without its types: what a [Registry] takes.
type Definition interface {
	// JobName returns the job's name.
	JobName() string
	// compile checks the job and makes its workers.
	compile() (*program, error)
}

// program is a checked job: makers of its two workers.
type program struct {
	name      string
	newMap    func() pipe.Worker
	newReduce func() pipe.Worker
}

// JobName returns the job's name.
func (j Job[K, V, R]) JobName() string { return j.Name }

func (j Job[K, V, R]) withDefaults() Job[K, V, R] {
	if j.MapMemory == 0 {
		j.MapMemory = 8 << 20
	}
	if j.ReduceMemory == 0 {
		j.ReduceMemory = 1 << 30
	}
	return j
}

// Validate reports why the job can't run, if it can't. It fails with
// ErrInvalid, and with ErrCodec when a type has no codec.
func (j Job[K, V, R]) Validate() error {
	_, err := j.resolve()
	return err
}

// resolve fills in what the job left to the defaults.
func (j Job[K, V, R]) resolve() (Job[K, V, R], error) {
	invalid := func(why string) (Job[K, V, R], error) {
		return j, fmt.Errorf("job %q: %s: %w", j.Name, why, ErrInvalid)
	}
	switch {
	case j.Name == "" || len(j.Name) > maxName:
		return invalid("its name must have 1 to 255 bytes")
	case j.Map == nil:
		return invalid("Map is nil")
	case j.MapMemory < 0 || j.ReduceMemory < 0:
		return invalid("a memory limit is negative")
	}
	if j.Reduce == nil {
		if j.Combine == nil {
			return invalid("Combine and Reduce are nil")
		}
		if reflect.TypeFor[V]() != reflect.TypeFor[R]() {
			return invalid(fmt.Sprintf("Reduce is nil, but values are %v and results %v", reflect.TypeFor[V](), reflect.TypeFor[R]()))
		}
	}
	if j.Reduce == nil {
		// V is R, so a value's memory is a result's.
		j.Reduce = func(_ K, values []V) (R, error) { return *(*R)(unsafe.Pointer(&values[0])), nil }
	}
	j = j.withDefaults()
	var err error
	if j.KeyCodec, err = j.KeyCodec.orBuiltin(); err == nil {
		j.ValueCodec, err = j.ValueCodec.orBuiltin()
	}
	if err == nil {
		j.ResultCodec, err = j.ResultCodec.orBuiltin()
	}
	if err != nil {
		return j, fmt.Errorf("job %q: %w: %w", j.Name, ErrInvalid, err)
	}
	return j, nil
}

func (j Job[K, V, R]) compile() (*program, error) {
	builtinKey := j.KeyCodec.Append == nil
	j, err := j.resolve()
	if err != nil {
		return nil, err
	}
	keys := keysOf(j.KeyCodec, builtinKey)
	fresh := func() state[V] { return newCombiner(j.Combine, j.ValueCodec) }
	if j.Combine == nil {
		fresh = func() state[V] { return newCollector(j.ValueCodec) }
	}
	return &program{
		name:      j.Name,
		newMap:    func() pipe.Worker { return newMapper(j, keys, fresh()) },
		newReduce: func() pipe.Worker { return newReducer(j, keys, fresh()) },
	}, nil
}

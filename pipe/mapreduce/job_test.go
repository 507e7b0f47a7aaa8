package mapreduce_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

type counting = mapreduce.Job[string, uint64, uint64]

// variant returns the word count job with something about it changed.
func variant(change func(*counting)) counting {
	j := mapreduce.WordCount()
	change(&j)
	return j
}

func TestRegister_refuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		job  mapreduce.Definition
		want []error
	}{
		{"no name", variant(func(j *counting) { j.Name = "" }), []error{mapreduce.ErrInvalid}},
		{"a long name", variant(func(j *counting) { j.Name = strings.Repeat("x", 256) }), []error{mapreduce.ErrInvalid}},
		{"no map", variant(func(j *counting) { j.Map = nil }), []error{mapreduce.ErrInvalid}},
		{"no combine and no reduce", variant(func(j *counting) { j.Combine = nil }), []error{mapreduce.ErrInvalid}},
		{"a negative limit", variant(func(j *counting) { j.MapMemory = -1 }), []error{mapreduce.ErrInvalid}},
		{"half a codec", variant(func(j *counting) { j.KeyCodec.Append = func(b []byte, _ string) ([]byte, error) { return b, nil } }), []error{mapreduce.ErrInvalid, mapreduce.ErrCodec}},
		{"values that are no results", mapreduce.Job[string, int, string]{
			Name: "j", Map: func(kv.Object, func(string, int)) error { return nil }, Combine: mapreduce.Sum[int],
		}, []error{mapreduce.ErrInvalid}},
		{"a key of no codec", mapreduce.Job[any, int, int]{
			Name: "j", Map: func(kv.Object, func(any, int)) error { return nil }, Combine: mapreduce.Sum[int],
		}, []error{mapreduce.ErrInvalid, mapreduce.ErrCodec}},
		{"a name that is taken", mapreduce.WordCount(), []error{mapreduce.ErrDuplicate}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg, err := mapreduce.NewRegistry(mapreduce.WordCount())
			if err != nil {
				t.Fatal(err)
			}
			err = reg.Register(tt.job)
			for _, want := range tt.want {
				if !errors.Is(err, want) {
					t.Errorf("Register: %v, want %v", err, want)
				}
			}
			if names := reg.Names(); !slices.Equal(names, []string{"wordcount"}) {
				t.Errorf("registered are %q", names)
			}
		})
	}
}

func TestRegistry_fittingsRunInAPipe(t *testing.T) {
	jobs, err := mapreduce.NewRegistry(mapreduce.WordCount())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jobs.Fittings("wordcuont"); !errors.Is(err, mapreduce.ErrUnknown) {
		t.Errorf("Fittings of an unknown job: %v, want ErrUnknown", err)
	}
	fittings, err := jobs.Fittings("wordcount")
	if err != nil {
		t.Fatal(err)
	}
	reg := pipe.NewRegistry()
	if err := jobs.Bind(reg); err != nil {
		t.Fatal(err)
	}
	if err := jobs.Bind(reg); !errors.Is(err, pipe.ErrRegistered) {
		t.Errorf("second Bind: %v, want ErrRegistered", err)
	}
	spec := pipe.Spec{ID: pipe.ID{1}, RingSize: 64, Fittings: fittings}
	if err := spec.Validate(reg); err != nil {
		t.Errorf("Validate: %v", err)
	}
	spec.Fittings[0].Arg = []byte("wordcuont")
	if err := spec.Validate(reg); !errors.Is(err, mapreduce.ErrUnknown) {
		t.Errorf("Validate with an unknown job: %v, want ErrUnknown", err)
	}
	f, _ := reg.Worker(mapreduce.WorkerMap)
	if _, err := f.Init(pipe.WorkerContext{Arg: []byte("wordcuont")}); !errors.Is(err, mapreduce.ErrUnknown) {
		t.Errorf("Init with an unknown job: %v, want ErrUnknown", err)
	}
}

var errOdd = errors.New("odd text")

// Errors name the phase, the input and the cause, and the cause can be found.
func TestTaskError(t *testing.T) {
	objects := slices.Values([]kv.Object{textObject(1, "fine"), textObject(2, "odd")})
	for _, tt := range []struct {
		name  string
		job   counting
		want  string
		cause error
	}{
		{"map fails", variant(func(j *counting) {
			j.Map = func(o kv.Object, _ func(string, uint64)) error {
				if o.Text() == "odd" {
					return errOdd
				}
				return nil
			}
		}), `job wordcount: map of "texts"/"text-002": odd text`, errOdd},
		{"map panics", variant(func(j *counting) {
			j.Map = func(o kv.Object, _ func(string, uint64)) error {
				if o.Text() == "odd" {
					panic(errOdd)
				}
				return nil
			}
		}), `job wordcount: map of "texts"/"text-002": panic: odd text (job_test.go:`, errOdd},
		{"map hits a runtime error", variant(func(j *counting) {
			j.Map = func(o kv.Object, _ func(string, uint64)) error {
				_ = o.Text()[len(o.Key)-5]
				return nil
			}
		}), `job wordcount: map of "texts"/"text-002": panic: runtime error: index out of range [3] with length 3 (job_test.go:`, nil},
		{"combine panics", variant(func(j *counting) {
			j.Map = func(_ kv.Object, emit func(string, uint64)) error {
				emit("k", 1)
				return nil
			}
			j.MapMemory = 1
			j.Combine = func(uint64, uint64) uint64 { panic("no sum") }
		}), `job wordcount: reduce of key "k": panic: no sum (job_test.go:`, nil},
		{"reduce fails", variant(func(j *counting) {
			j.Reduce = func(key string, _ []uint64) (uint64, error) {
				if key == "odd" {
					return 0, errOdd
				}
				return 0, nil
			}
		}), `job wordcount: reduce of key "odd": odd text`, errOdd},
		{"reduce panics", variant(func(j *counting) {
			j.Reduce = func(_ string, v []uint64) (uint64, error) { return v[1], nil }
		}), `: panic: runtime error: index out of range [1] with length 1 (job_test.go:`, nil},
		{"a key fails to encode", variant(func(j *counting) {
			j.KeyCodec = mapreduce.Codec[string]{
				Append: func([]byte, string) ([]byte, error) { return nil, errOdd },
				Decode: func([]byte) (string, error) { return "", nil },
			}
		}), `job wordcount: map of "texts"/"text-00`, errOdd},
		{"a value fails to encode", variant(func(j *counting) {
			j.MapMemory = 1
			j.ValueCodec = mapreduce.Codec[uint64]{
				Append: func([]byte, uint64) ([]byte, error) { return nil, errOdd },
				Decode: func([]byte) (uint64, error) { return 0, nil },
			}
		}), `job wordcount: map of "texts"/"text-00`, errOdd},
		{"reduce grows too large", variant(func(j *counting) { j.ReduceMemory = 10 }), `bytes of 10 allowed`, mapreduce.ErrMemory},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.job.RunLocal(objects)
			var task *mapreduce.TaskError
			if !errors.As(err, &task) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error is %v, want %s", err, tt.want)
			}
			if tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("error %v does not match its cause %v", err, tt.cause)
			}
		})
	}
}

func TestTaskError_namesKeysThatAreNoStrings(t *testing.T) {
	job := mapreduce.Job[[2]int, int, int]{
		Name:   "pairs",
		Map:    func(_ kv.Object, emit func([2]int, int)) error { emit([2]int{3, 4}, 1); return nil },
		Reduce: func([2]int, []int) (int, error) { return 0, errOdd },
	}
	_, err := job.RunLocal(slices.Values([]kv.Object{textObject(1, "")}))
	if err == nil || err.Error() != "job pairs: reduce of key [3 4]: odd text" {
		t.Errorf("error is %v", err)
	}
}

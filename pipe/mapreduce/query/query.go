package query

import (
	"time"
)

// Limits of a job.
const (
	MaxBytes  = 16 << 20 // of its text
	MaxPhases = 64
	MaxKeys   = 1 << 20 // that it may name itself
	// DefaultTimeout is the time from end to end that a job has if it does not
	// say, DefaultBatchSize how many inputs a reduce takes at a time, at least.
	DefaultTimeout   = time.Minute
	DefaultBatchSize = 20
)

// Query is a job: what it reads and the phases that it goes through. Without
// phases the inputs are the result.
type Query struct {
	Inputs  Inputs
	Phases  []Phase
	Timeout time.Duration // from end to end
}

// InputKind says which of its forms the inputs have.
type InputKind uint8

// Forms of inputs.
const (
	InputBucket   InputKind = 1 + iota // every object of a bucket
	InputKeys                          // the objects that are named
	InputIndex                         // what an index of a bucket says
	InputFunction                      // what a registered function gives
)

// Inputs says which objects a job reads. The fields that Kind does not name are
// zero.
type Inputs struct {
	Kind         InputKind
	Type, Bucket string // InputBucket, InputIndex; the empty type is the default one
	Filters      []any  // InputBucket: which keys, as ParseKeyFilter takes it; nil is all
	Keys         []Key  // InputKeys
	// InputIndex: the index and the terms, both included. Exact asks for From alone.
	Index    string
	From, To string
	Exact    bool
	Function Function // InputFunction
	Arg      any      // InputFunction
}

// Key names an object as an input, with what is to be told about it to the map
// function.
type Key struct {
	Type, Bucket, Key string
	Data              any
}

// PhaseKind says what a phase does.
type PhaseKind uint8

// Kinds of phases.
const (
	Map    PhaseKind = 1 + iota // a function of each object
	Reduce                      // a function of lists of values
	Link                        // the objects that an object has links to
)

// String returns the kind as it stands in a job.
func (k PhaseKind) String() string {
	switch k {
	case Map:
		return "map"
	case Reduce:
		return "reduce"
	case Link:
		return "link"
	default:
		return "phase"
	}
}

// Phase is one step of a job.
type Phase struct {
	Kind     PhaseKind
	Keep     bool     // its outputs are part of the result
	Function Function // Map, Reduce
	Arg      any      // Map, Reduce: given to each call; nil if there is none
	// Link: which links are followed; "" stands for any.
	Bucket, Tag string
	// BatchSize is how many inputs a reduce waits for before it calls its function
	// with what that returned last and these; 0 means DefaultBatchSize or as many
	// as the function has returned last, if these are more.
	BatchSize int
	OnlyOnce  bool // the function of a reduce is called once, with all its inputs
	Prereduce bool // the outputs of a map are reduced where they are made
}

// Function names a function, or is the source of one.
type Function struct {
	// Language is "erlang" for functions that are registered by name, or that of
	// an engine.
	Language string
	Name     string // "module:function" or, in an engine's language, a name that it knows
	Source   string
	Stored   Key // an object whose value is the source, if it has a key
}

// Languages of functions.
const (
	LanguageNamed      = "erlang"
	LanguageJavaScript = "javascript"
)

// String names the function for people.
func (f Function) String() string {
	switch {
	case f.Name != "":
		return f.Name
	case f.Stored.Key != "":
		return f.Language + " of " + f.Stored.Bucket + "/" + f.Stored.Key
	default:
		return f.Language + " source"
	}
}

// Kept returns the numbers of the phases whose outputs are the result.
func (q *Query) Kept() []int {
	var kept []int
	for i := range q.Phases {
		if q.Phases[i].Keep {
			kept = append(kept, i)
		}
	}
	return kept
}

// Value returns the key as it flows between phases and as JSON shows it:
// [bucket, key], [bucket, key, data] or [bucket, key, data, type].
func (k Key) Value() any {
	switch {
	case k.Type != "":
		return []any{k.Bucket, k.Key, k.Data, k.Type}
	case k.Data != nil:
		return []any{k.Bucket, k.Key, k.Data}
	default:
		return []any{k.Bucket, k.Key}
	}
}

// KeyOf returns the key that a value names, as one phase names the inputs of the
// next: what Value returns, and [[type, bucket], key] and [[type, bucket], key,
// data] too.
func KeyOf(v any) (k Key, ok bool) {
	list, ok := v.([]any)
	if !ok || len(list) < 2 || len(list) > 4 {
		return k, false
	}
	if k.Type, k.Bucket, ok = bucketOf(list[0]); !ok {
		return k, false
	}
	if k.Key, ok = list[1].(string); !ok || k.Key == "" {
		return k, false
	}
	if len(list) > 2 {
		k.Data = list[2]
	}
	if len(list) == 4 && list[3] != nil {
		if k.Type, ok = list[3].(string); !ok {
			return k, false
		}
	}
	if k.Type == defaultType {
		k.Type = ""
	}
	return k, true
}

// defaultType is the type that the empty string stands for.
const defaultType = "default"

// bucketOf takes "bucket" or ["type", "bucket"].
func bucketOf(v any) (bucketType, bucket string, ok bool) {
	if list, isList := v.([]any); isList && len(list) == 2 {
		if bucketType, ok = list[0].(string); !ok || bucketType == "" {
			return "", "", false
		}
		v = list[1]
	}
	bucket, ok = v.(string)
	if bucketType == defaultType {
		bucketType = ""
	}
	return bucketType, bucket, ok && bucket != ""
}

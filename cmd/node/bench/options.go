package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/cmd/node/ycsb"
)

// ErrCount is returned when a load left another number of records than it wrote.
var ErrCount = errors.New("the bucket does not hold what was loaded")

// Options configures a run.
type Options struct {
	Workload     string            // a to f
	Distribution ycsb.Distribution // empty is the workload's
	Bucket       string
	Records      int
	ValueSize    int // bytes
	Concurrency  int // clients, each with one request at a time
	// Duration of what is measured, or with Operations that many requests.
	Duration   time.Duration
	Operations int
	WarmUp     time.Duration
	Seed       uint64

	// Nodes to run in this process; 0 means that a Target is given.
	Nodes  int
	Engine string
	NVal   int
	Ring   int
}

// Defaults returns the options of a run of workload a.
func Defaults() Options {
	return Options{
		Workload: "a", Bucket: "bench", Records: 10_000, ValueSize: 1000, Concurrency: 32,
		Duration: 10 * time.Second, WarmUp: 2 * time.Second, Engine: baton.EngineMemory, NVal: 3, Ring: 64,
	}
}

// OptionError is an option that can't be as it was given.
type OptionError struct{ Option, What string }

// Error names the option as on the command line.
func (e *OptionError) Error() string { return fmt.Sprintf("--%s: %s", e.Option, e.What) }

// workload checks the options, and returns the workload that they name.
func (o *Options) workload() (ycsb.Workload, error) {
	w, ok := ycsb.Core(o.Workload)
	if !ok {
		return w, &OptionError{"workload", fmt.Sprintf("%q: give a letter from a to f", o.Workload)}
	}
	if o.Distribution != "" {
		w.Distribution = o.Distribution
	}
	switch w.Distribution {
	case ycsb.Uniform, ycsb.Zipfian, ycsb.Latest:
	default:
		return w, &OptionError{"distribution", fmt.Sprintf("%q: give %s, %s or %s", w.Distribution, ycsb.Uniform, ycsb.Zipfian, ycsb.Latest)}
	}
	for _, x := range []struct {
		option      string
		value, most int
	}{{"records", o.Records, 1e9}, {"value-size", o.ValueSize, 7 << 20}, {"concurrency", o.Concurrency, 10_000}} {
		if x.value < 1 || x.value > x.most {
			return w, &OptionError{x.option, fmt.Sprintf("%d: give a number from 1 to %d", x.value, x.most)}
		}
	}
	switch {
	case o.Bucket == "":
		return w, &OptionError{"bucket", "give a name"}
	case o.Operations < 0:
		return w, &OptionError{"operations", "give a number of requests"}
	case o.Operations == 0 && o.Duration <= 0:
		return w, &OptionError{"duration", "give a duration such as 30s, or --operations"}
	case o.WarmUp < 0:
		return w, &OptionError{"warm-up", "give a duration such as 5s, or 0s"}
	case o.Nodes < 0 || o.Nodes > 100:
		return w, &OptionError{"nodes", fmt.Sprintf("%d: give a number up to 100", o.Nodes)}
	case o.NVal < 1 || o.NVal > 16:
		return w, &OptionError{"n-val", fmt.Sprintf("%d: give a number from 1 to 16", o.NVal)}
	case o.Engine != baton.EngineMemory && o.Engine != baton.EnginePebble:
		return w, &OptionError{"engine", fmt.Sprintf("%q: give memory or pebble", o.Engine)}
	}
	return w, nil
}

// Target is what a run is made against. It is safe for concurrent use.
type Target interface {
	// Describe says in a few words what it is.
	Describe() string
	// Prepare makes writes to the bucket replace what is there, seen or not.
	Prepare(ctx context.Context) error
	// Get reads a record, and returns what a Put needs to replace it.
	Get(ctx context.Context, key string) (context string, err error)
	// Put writes a record; an empty context replaces whatever is there.
	Put(ctx context.Context, key string, value []byte, context string) error
	// Scan reads up to n records in key order from one on, and returns how many.
	Scan(ctx context.Context, from string, n int) (int, error)
	// Count returns how many records the bucket holds.
	Count(ctx context.Context) (int, error)
	// Close releases it.
	Close(ctx context.Context) error
}

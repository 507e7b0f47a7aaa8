package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/cmd/node/bench"
	"github.com/dee2748c/baton/cmd/node/ycsb"
	"github.com/dee2748c/baton/kv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told keeps what a run says.
type told struct {
	setup    bench.Setup
	progress []bench.Progress
	result   bench.Result
}

func (o *told) Begin(s bench.Setup)       { o.setup = s }
func (o *told) Progress(p bench.Progress) { o.progress = append(o.progress, p) }
func (o *told) End(r bench.Result)        { o.result = r }

func short() bench.Options {
	o := bench.Defaults()
	o.Records, o.ValueSize, o.Concurrency, o.Operations, o.WarmUp, o.Seed = 200, 20, 4, 400, 0, 1
	return o
}

// TestRun_nodes runs the six workloads on nodes of this process: every request
// is counted, and none fails.
func TestRun_nodes(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	t.Setenv("TMPDIR", t.TempDir())
	for i, w := range []string{"a", "b", "c", "d", "e", "f"} {
		t.Run(w, func(t *testing.T) {
			o := short()
			o.Workload, o.Nodes, o.Ring, o.NVal = w, 1, 8, 1
			if i%2 == 0 {
				o.Engine = baton.EnginePebble
			}
			var out told
			if err := bench.Run(ctx, o, nil, &out); err != nil {
				t.Fatal(err)
			}
			r := out.result
			if r.Operations != 400 || len(r.Errors) > 0 || r.Load.Counted != 200 || r.PerSecond <= 0 || out.setup.Seed != 1 {
				t.Errorf("%+v, %+v", out.setup, r)
			}
			for _, l := range r.Latency {
				if l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max || l.Max == 0 {
					t.Errorf("%+v", l)
				}
			}
		})
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// target is a map that fails as it is told.
type target struct {
	mu      sync.Mutex
	objects map[string]int
	fail    func(op string, n int) error
	n       int
	extra   int
}

func (t *target) try(op string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	if t.fail != nil {
		return t.fail(op, t.n)
	}
	return nil
}

func (t *target) Describe() string              { return "a map" }
func (t *target) Prepare(context.Context) error { return nil }
func (t *target) Close(context.Context) error   { return errors.New("closed") }

func (t *target) Get(_ context.Context, key string) (string, error) {
	if err := t.try("get"); err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.objects[key] == 0 {
		return "", kv.ErrNotFound
	}
	return fmt.Sprint(t.objects[key]), nil
}

func (t *target) Put(_ context.Context, key string, _ []byte, _ string) error {
	t.mu.Lock()
	t.objects[key]++
	t.mu.Unlock()
	return t.try("put")
}

func (t *target) Scan(_ context.Context, _ string, n int) (int, error) { return n, t.try("scan") }

func (t *target) Count(context.Context) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.objects) + t.extra, nil
}

// TestRun_countsErrors: I2.
func TestRun_countsErrors(t *testing.T) {
	o := short()
	o.Workload, o.Concurrency = "f", 1
	x := &target{objects: map[string]int{}}
	x.fail = func(op string, n int) error {
		switch {
		case n <= o.Records || n%10 != 0:
			return nil
		case op == "get":
			return kv.ErrCorrupt
		}
		return kv.ErrTooLarge
	}
	var out told
	if err := bench.Run(t.Context(), o, x, &out); err != nil {
		t.Fatal(err)
	}
	failed := uint64(0)
	for k, n := range out.result.Errors {
		if failed += n; !strings.HasSuffix(k, " object_corrupt") && k != "read-modify-write object_too_large" {
			t.Errorf("%d of %s", n, k)
		}
	}
	if failed == 0 || out.result.Operations+failed != 400 {
		t.Errorf("%d failed, %+v", failed, out.result)
	}
}

// TestRun_loadIsCounted: I1.
func TestRun_loadIsCounted(t *testing.T) {
	var out told
	err := bench.Run(t.Context(), short(), &target{objects: map[string]int{}, extra: 1}, &out)
	if !errors.Is(err, bench.ErrCount) || out.result.Operations != 0 {
		t.Errorf("%v", err)
	}
	broken := errors.New("broken")
	err = bench.Run(t.Context(), short(), &target{objects: map[string]int{}, fail: func(_ string, n int) error {
		if n == 100 {
			return broken
		}
		return nil
	}}, &out)
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// TestRun_duration measures by time, after a warm-up that does not count.
func TestRun_duration(t *testing.T) {
	o := short()
	o.Operations, o.Duration, o.WarmUp = 0, 1200*time.Millisecond, 10*time.Millisecond
	var out told
	if err := bench.Run(t.Context(), o, &target{objects: map[string]int{}}, &out); err != nil {
		t.Fatal(err)
	}
	if out.result.Operations == 0 || out.result.Seconds < 1.1 || len(out.progress) == 0 {
		t.Errorf("%+v, %d seconds told", out.result, len(out.progress))
	}
}

func TestRun_cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	x := &target{objects: map[string]int{}, fail: func(_ string, n int) error {
		if n >= 300 {
			cancel()
			return ctx.Err()
		}
		return nil
	}}
	if err := bench.Run(ctx, short(), x, &told{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestOptions_refused(t *testing.T) {
	for option, change := range map[string]func(*bench.Options){
		"workload":     func(o *bench.Options) { o.Workload = "g" },
		"distribution": func(o *bench.Options) { o.Distribution = ycsb.Distribution("normal") },
		"records":      func(o *bench.Options) { o.Records = 0 },
		"value-size":   func(o *bench.Options) { o.ValueSize = 8 << 20 },
		"concurrency":  func(o *bench.Options) { o.Concurrency = -1 },
		"bucket":       func(o *bench.Options) { o.Bucket = "" },
		"operations":   func(o *bench.Options) { o.Operations = -1 },
		"duration":     func(o *bench.Options) { o.Operations, o.Duration = 0, 0 },
		"warm-up":      func(o *bench.Options) { o.WarmUp = -1 },
		"nodes":        func(o *bench.Options) { o.Nodes = -1 },
		"n-val":        func(o *bench.Options) { o.NVal = 17 },
		"engine":       func(o *bench.Options) { o.Engine = "tape" },
	} {
		o := short()
		change(&o)
		var bad *bench.OptionError
		if err := bench.Run(t.Context(), o, &target{}, &told{}); !errors.As(err, &bad) || bad.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
}

// TestOutputs: text says what JSON says.
func TestOutputs(t *testing.T) {
	var text, lines bytes.Buffer
	for _, out := range []bench.Output{bench.NewText(&text), bench.NewJSON(&lines)} {
		o := short()
		o.Operations, o.Duration = 0, 1100*time.Millisecond
		x := &target{objects: map[string]int{}}
		x.fail = func(_ string, n int) error {
			if n > 300 && n%100 == 0 {
				return kv.ErrCorrupt
			}
			return nil
		}
		if err := bench.Run(t.Context(), o, x, out); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"a map", "A: 50% read, 50% update, zipfian", "seed 1", "run         1 s", "200 records counted", "p99.9", "failed     read object_corrupt: "} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, &text)
		}
	}
	d := json.NewDecoder(&lines)
	events := map[string]int{}
	for {
		var line struct {
			Event string
			Data  map[string]any
		}
		if err := d.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		events[line.Event]++
	}
	if events["setup"] != 1 || events["progress"] == 0 || events["result"] != 1 {
		t.Errorf("%v", events)
	}
}

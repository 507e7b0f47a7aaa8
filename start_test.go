package baton_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/cluster/memory"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

func TestMain(m *testing.M) { batontest.VerifyTestMain(m) }

// TestStart_nval: the founder says how many copies of a key there are.
func TestStart_nval(t *testing.T) {
	for given, want := range map[int]int{0: baton.DefaultNVal, 3: 3} {
		n, err := baton.Start(t.Context(), baton.Options{Name: "a", Record: memory.New(), Bootstrap: true, NVal: given})
		if err != nil {
			t.Fatal(err)
		}
		if got := n.View().State.NVal(); got != want {
			t.Errorf("NVal %d: the record has %d, want %d", given, got, want)
		}
		if err := n.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// TestStart_refused: what can't start says why and what to do, and leaves
// nothing behind: the same name starts afterwards.
func TestStart_refused(t *testing.T) {
	ctx := t.Context()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	record := memory.New()
	first, err := baton.Start(ctx, baton.Options{Name: "first", Record: record})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Stop(context.Background())
	for _, c := range []struct {
		name string
		opts baton.Options
		want error  // by errors.Is
		text string // in the error
	}{
		{"no name", baton.Options{}, nil, "Name"},
		{"ring size", baton.Options{Name: "x", RingSize: 48}, nil, "power of two"},
		{"a limit of memory on a disk", baton.Options{Name: "x", Engine: baton.EnginePebble, DataDir: "x", MemoryLimit: 1}, nil, "MemoryLimit"},
		{"too many copies", baton.Options{Name: "x", NVal: 17}, nil, "NVal"},
		{"more copies than partitions", baton.Options{Name: "x", RingSize: 8, NVal: 9}, nil, "NVal"},
		{"engine", baton.Options{Name: "x", Engine: "tape"}, nil, "tape"},
		{"no directory", baton.Options{Name: "x", Engine: baton.EnginePebble}, nil, "DataDir"},
		{"port in use", baton.Options{Name: "x", Addr: taken.Addr().String()}, baton.ErrAddrInUse, taken.Addr().String()},
		{"name twice", baton.Options{Name: "first"}, topology.ErrNameTaken, "first"},
		{"other ring size", baton.Options{Name: "x", RingSize: 128}, topology.ErrRingSize, "128"},
		{"job twice", baton.Options{Name: "x", Jobs: []mapreduce.Definition{mapreduce.WordCount(), mapreduce.WordCount()}}, mapreduce.ErrDuplicate, "wordcount"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.opts.Record = record
			n, err := baton.Start(ctx, c.opts)
			if err == nil {
				n.Stop(context.Background())
				t.Fatal("started")
			}
			if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v", err)
			}
		})
	}
	n, err := baton.Start(ctx, baton.Options{Name: "x", Record: record})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// picky fails on one object, by an error or by a panic.
func picky(name string, fail func(key string) error) mapreduce.Job[string, uint64, uint64] {
	return mapreduce.Job[string, uint64, uint64]{
		Name: name,
		Map: func(o kv.Object, emit func(string, uint64)) error {
			emit("objects", 1)
			if o.Key == "13" {
				return fail(o.Key)
			}
			return nil
		},
		Combine: mapreduce.Sum[uint64],
	}
}

// TestRunJob_failures: a map function that fails on one input ends its job with
// an error that names phase, input and cause; other jobs go on.
func TestRunJob_failures(t *testing.T) {
	jobs := map[string]mapreduce.Job[string, uint64, uint64]{
		"panics": picky("panics", func(key string) error { panic("cannot read " + key) }),
		"errors": picky("errors", func(key string) error { return fmt.Errorf("cannot read %s", key) }),
		"counts": picky("counts", func(string) error { return nil }),
	}
	n, err := baton.Start(t.Context(), baton.Options{Name: "a", Bootstrap: true, Jobs: []mapreduce.Definition{jobs["panics"], jobs["errors"], jobs["counts"]}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop(context.Background())
	for i := range 40 {
		if err := n.KV().Put(t.Context(), kv.Object{Bucket: "b", Key: fmt.Sprint(i), Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"panics", "errors", "counts", "panics", "counts"} {
		run, err := baton.RunJob(t.Context(), n, jobs[name], baton.Bucket("b"))
		if err != nil {
			t.Fatal(err)
		}
		var total uint64
		for _, c := range run.All() {
			total += c
		}
		err = run.Err()
		if name == "counts" {
			if err != nil || total != 40 {
				t.Errorf("%s: %d objects, %v", name, total, err)
			}
			continue
		}
		var failed *pipe.WorkerError
		if !errors.Is(err, pipe.ErrWorker) || !errors.As(err, &failed) {
			t.Fatalf("%s: got %v", name, err)
		}
		if failed.Fitting != "map" || !strings.Contains(err.Error(), "cannot read 13") || !strings.Contains(err.Error(), `"b"/"13"`) {
			t.Errorf("%s: the error names too little: fitting %q, %v", name, failed.Fitting, err)
		}
		<-run.Released()
	}
}

// TestRunJob_cancelled: a job whose context ends comes to its end and leaves
// nothing behind, however early that is; one whose context has ended does not
// begin. (A sink that was stopped before it had read the end once left who waits
// for results waiting, in one job of fifty.)
func TestRunJob_cancelled(t *testing.T) {
	n, err := baton.Start(t.Context(), baton.Options{Name: "a", Bootstrap: true, Jobs: []mapreduce.Definition{mapreduce.WordCount()}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop(context.Background())
	if err := n.KV().Put(t.Context(), kv.Object{Bucket: "b", Key: "k", Value: []byte("w")}); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		run, err := baton.RunJob(ctx, n, mapreduce.WordCount(), baton.Bucket("b"))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		for range run.All() {
		}
		<-run.Released()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := baton.RunJob(ctx, n, mapreduce.WordCount(), baton.Bucket("b")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := baton.RunJob(t.Context(), n, mapreduce.Job[string, uint64, uint64]{
		Name: "unknown",
		Map:  func(kv.Object, func(string, uint64)) error { return nil }, Combine: mapreduce.Sum[uint64],
	}, baton.Bucket("b")); !errors.Is(err, mapreduce.ErrUnknown) {
		t.Errorf("unknown job: got %v", err)
	}
}

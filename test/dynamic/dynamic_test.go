package dynamic_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

var (
	seedFlag = flag.Uint64("seed", 0, "seed of the changes; 0 draws one")
	changes  = flag.Int("changes", 8, "how many nodes join or leave")
	logs     = flag.Bool("logs", false, "print what the nodes log")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// index lists the documents of each word: values are collected, not summed, so
// that an input counted twice shows.
var index = mapreduce.Job[string, string, int]{
	Name: "documents",
	Map: func(o kv.Object, emit func(string, string)) error {
		for w := range strings.FieldsSeq(o.Text()) {
			emit(w, o.Key)
		}
		return nil
	},
	Reduce: func(_ string, docs []string) (int, error) { return len(docs), nil },
}

// TestDynamicCluster_jobsStayExact runs two kinds of jobs one after the other
// while nodes join and leave.
func TestDynamicCluster_jobsStayExact(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (repeat with -seed=%d)", seed, seed)
	rnd := rand.New(rand.NewPCG(seed, seed))
	var archived, moved atomic.Int64
	var log *slog.Logger
	if *logs {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	c := batontest.Start(t, batontest.Options{Seed: seed, Log: log, Node: baton.Options{
		Jobs: []mapreduce.Definition{mapreduce.WordCount(), index},
		Events: actors.Events{
			WorkerArchived: func(pipe.ID, ring.Partition) { archived.Add(1) },
			Flipped: func(e actors.FlipEvent) {
				if e.Seal.Items > 0 {
					moved.Add(1)
				}
			},
		},
	}})
	c.Faults(actors.Fault{Duplicate: 0.01})
	want := load(t, c, rnd)

	ctx, stop := context.WithCancel(t.Context())
	var jobs sync.WaitGroup
	var ran atomic.Int64
	jobs.Go(func() {
		for ctx.Err() == nil {
			runJobs(t, c.Node("a"), want)
			ran.Add(2)
		}
	})
	next := 3
	for i := range *changes {
		others := c.Nodes()[1:] // a coordinates the jobs and stays
		if len(others) > 1 && (len(others) > 4 || rnd.IntN(2) == 0) {
			c.Leave(others[rnd.IntN(len(others))].Name())
		} else {
			c.Join(fmt.Sprintf("n%d", next))
			next++
		}
		t.Logf("change %d: %d nodes, %d jobs exact so far", i+1, len(c.Nodes()), ran.Load())
	}
	stop()
	jobs.Wait()
	t.Logf("%d jobs exact, %d partitions moved with data, %d workers archived", ran.Load(), moved.Load(), archived.Load())
	if ran.Load() == 0 || moved.Load() == 0 {
		t.Errorf("nothing was tested: %d jobs, %d moves", ran.Load(), moved.Load())
	}
}

// load stores documents of random words and returns how often each word stands
// in them.
func load(t *testing.T, c *batontest.Cluster, rnd *rand.Rand) map[string]uint64 {
	t.Helper()
	want := map[string]uint64{}
	for i := range 1500 {
		var text strings.Builder
		for range 40 + rnd.IntN(80) {
			w := fmt.Sprintf("w%d", rnd.IntN(700))
			want[w]++
			text.WriteString(w)
			text.WriteByte(' ')
		}
		o := kv.Object{Bucket: "docs", Key: fmt.Sprintf("doc%d", i), Value: []byte(text.String())}
		if err := c.Node("a").KV().Put(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	return want
}

func runJobs(t *testing.T, n *baton.Node, want map[string]uint64) {
	count, err := baton.RunJob(t.Context(), n, mapreduce.WordCount(), baton.Bucket("docs"))
	if err != nil {
		t.Errorf("start wordcount: %v", err)
		return
	}
	compare(t, count, want)
	docs, err := baton.RunJob(t.Context(), n, index, baton.Bucket("docs"))
	if err != nil {
		t.Errorf("start documents: %v", err)
		return
	}
	compare(t, docs, want)
}

func compare[R uint64 | int](t *testing.T, run *baton.JobRun[string, R], want map[string]uint64) {
	got := map[string]uint64{}
	for w, n := range run.All() {
		got[w] = uint64(n)
	}
	if err := run.Err(); err != nil {
		t.Errorf("job %v: %v", run.ID(), err)
		return
	}
	if err := run.Report().Check(); err != nil {
		t.Errorf("job %v: %v", run.ID(), err)
	}
	for w, n := range want {
		if got[w] != n {
			t.Errorf("job %v: %s counted %d times, stands there %d times", run.ID(), w, got[w], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("job %v: %d words, want %d", run.ID(), len(got), len(want))
	}
}

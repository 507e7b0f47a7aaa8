package baton_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

func testLog() *slog.Logger {
	if os.Getenv("BATON_TEST_LOG") == "" {
		return nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func startNodes(t *testing.T, ctx context.Context, names ...string) []*baton.Node {
	t.Helper()
	var nodes []*baton.Node
	for i, name := range names {
		o := baton.Options{Name: name, Bootstrap: i == 0, Jobs: []mapreduce.Definition{mapreduce.WordCount()}, Logger: testLog()}
		if i > 0 {
			o.Join = []string{nodes[0].Addr()}
		}
		n, err := baton.Start(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
		nodes = append(nodes, n)
	}
	if len(names) > 1 {
		if err := nodes[0].Rebalance(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return nodes
}

func TestCluster_putsSurviveJoin(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	nodes := startNodes(t, ctx, "a", "b", "c")
	for i := range 500 {
		o := kv.Object{Bucket: "b", Key: fmt.Sprint(i), Value: []byte(fmt.Sprintf("v%d w w", i))}
		if err := nodes[i%3].KV().Put(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	run, err := baton.RunJob(ctx, nodes[1], mapreduce.WordCount(), baton.Bucket("b"))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]uint64{}
	for w, n := range run.All() {
		counts[w] = n
	}
	if err := run.Err(); err != nil {
		t.Fatal(err)
	}
	if counts["w"] != 1000 || counts["v7"] != 1 || len(counts) != 501 {
		t.Fatalf("counts: w=%d v7=%d distinct=%d", counts["w"], counts["v7"], len(counts))
	}
	if err := run.Report().Check(); err != nil {
		t.Fatal(err)
	}
}

// TestCluster_jobWhileNodeJoins runs jobs over real text while partitions with
// data and running workers move.
func TestCluster_jobWhileNodeJoins(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	nodes := startNodes(t, ctx, "a", "b", "c")
	want := map[string]uint64{}
	for i := range 2000 {
		text := fmt.Sprintf("doc%d ", i)
		for j := range 200 {
			w := fmt.Sprintf("w%d", (i*j)%977)
			want[w]++
			text += w + " "
		}
		want[fmt.Sprintf("doc%d", i)]++
		o := kv.Object{Bucket: "b", Key: fmt.Sprint(i), Value: []byte(text)}
		if err := nodes[i%3].KV().Put(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	joined := make(chan error, 1)
	started := false
	run, err := baton.RunJob(ctx, nodes[1], mapreduce.WordCount(), baton.Bucket("b"), baton.JobOptions{Progress: func(p baton.JobProgress) {
		if p.Inputs[0] < 500 || started {
			return
		}
		started = true
		go func() {
			n, err := baton.Start(ctx, baton.Options{Name: "d", Join: []string{nodes[0].Addr()}, Jobs: []mapreduce.Definition{mapreduce.WordCount()}, Logger: testLog()})
			if err == nil {
				t.Cleanup(func() { n.Stop(context.Background()) })
				err = n.Rebalance(ctx)
			}
			joined <- err
		}()
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for w, n := range run.All() {
		got[w] = n
	}
	if err := run.Err(); err != nil {
		t.Fatal(err)
	}
	if err := <-joined; err != nil {
		t.Fatal(err)
	}
	for w, n := range want {
		if got[w] != n {
			t.Errorf("%s: got %d, want %d", w, got[w], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d words, want %d", len(got), len(want))
	}
	t.Log(run.Report())
}

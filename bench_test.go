package baton_test

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

// onlyNode starts a cluster of one node, which keeps all three copies.
func onlyNode(tb testing.TB) baton.KV {
	n, err := baton.Start(context.Background(), baton.Options{Name: "a", Bootstrap: true, Store: baton.StoreMemory})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := n.Stop(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return n.KV()
}

func tenThousandKeys() []string {
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%06d", i)
	}
	return keys
}

// A put of a new key, or over what was there and with its context as a client
// does that has read it: three copies on one node, memory engine.
func BenchmarkKV_Put(b *testing.B) {
	c, keys, value := onlyNode(b), tenThousandKeys(), make([]byte, 100)
	var at atomic.Uint64
	contexts := make([]atomic.Pointer[kv.Context], len(keys))
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := at.Add(1) % uint64(len(keys))
			o := kv.Object{Bucket: "b", Key: keys[i], Value: value}
			if x := contexts[i].Load(); x != nil {
				o.Context = *x
			}
			w, err := c.Write(context.Background(), kv.Put{Object: o})
			if err != nil {
				b.Error(err)
				return
			}
			contexts[i].Store(&w.Context)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func BenchmarkKV_Get(b *testing.B) {
	c, keys := onlyNode(b), tenThousandKeys()
	for _, key := range keys {
		if err := c.Put(context.Background(), kv.Object{Bucket: "b", Key: key, Value: make([]byte, 100)}); err != nil {
			b.Fatal(err)
		}
	}
	var at atomic.Uint64
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Get(context.Background(), "b", keys[at.Add(1)%uint64(len(keys))]); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// A put costs at most 16 allocations from end to end and a get 12: the client's,
// those of three vnodes and of the store.
func TestKV_allocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c, ctx := onlyNode(t), context.Background()
	put := kv.Put{Object: kv.Object{Bucket: "b", Key: "k", Value: make([]byte, 100)}}
	got := fewestAllocations(func() {
		w, err := c.Write(ctx, put)
		if err != nil {
			t.Fatal(err)
		}
		put.Object.Context = w.Context
	})
	t.Logf("a put costs %v allocations", got)
	if got > 16 {
		t.Errorf("a put costs %v allocations, want at most 16", got)
	}
	got = fewestAllocations(func() {
		if _, err := c.Get(ctx, "b", "k"); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("a get costs %v allocations", got)
	if got > 12 {
		t.Errorf("a get costs %v allocations, want at most 12", got)
	}
}

// fewestAllocations returns what a call allocates. Rounds count what the rest of
// the process does meanwhile too, which is never less than nothing: the fewest of
// several are the call's own.
func fewestAllocations(call func()) float64 {
	fewest := math.Inf(1)
	for range 10 {
		fewest = min(fewest, testing.AllocsPerRun(300, call))
	}
	return fewest
}

// BenchmarkJob_start is a job over an empty bucket, in a cluster of three nodes
// with 64 partitions and 100,000 objects whose copies are equal: what it takes to
// compare the copies of each head, and to find nothing.
func BenchmarkJob_start(b *testing.B) {
	c := batontest.Start(b, batontest.Options{Node: baton.Options{
		RingSize: 64, Jobs: []mapreduce.Definition{mapreduce.WordCount()}, Entropy: baton.EntropyOptions{Interval: -1},
	}})
	ctx := b.Context()
	var writers sync.WaitGroup
	for w := range 16 {
		writers.Go(func() {
			for i := w; i < 100_000; i += 16 {
				o := kv.Object{Bucket: "other", Key: strconv.Itoa(i), Value: make([]byte, 100)}
				if _, err := c.Node("a").KV().Write(ctx, kv.Put{Object: o, Options: kv.WriteOptions{W: bucket.All}}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	b.ResetTimer()
	var before uint64
	for _, n := range c.Nodes() {
		before += n.AntiEntropy().Bytes
	}
	for b.Loop() {
		if counts, err := words(ctx, c.Node("a")); err != nil || len(counts) > 0 {
			b.Fatal(counts, err)
		}
	}
	var after uint64
	for _, n := range c.Nodes() {
		after += n.AntiEntropy().Bytes
	}
	b.ReportMetric(float64(after-before)/float64(b.N), "B-compared/op")
}

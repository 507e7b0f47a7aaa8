package mapreduce_test

import (
	"strings"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

// router is an Output that sorts items by partition, as a worker's outbox does.
type router struct{ to [64]pipe.Builder }

func (r *router) Emit(item []byte) {
	r.to[ring.PartitionOf(mapreduce.KeyHash(item), len(r.to))].Append(item)
}
func (r *router) EmitTo(p ring.Partition, item []byte) { r.to[p].Append(item) }
func (*router) Recurse([]byte)                         {}
func (*router) Last() bool                             { return true }

// BenchmarkWordCount runs word count over the toolchain's source in one
// goroutine: as plain Go with one map, and through the workers of 64
// partitions, encoding and shuffle included.
func BenchmarkWordCount(b *testing.B) {
	objects := goSource(b, ".")
	var size int64
	for _, o := range objects {
		size += int64(len(o.Value))
	}
	b.Run("plain", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			plainWordCount(objects)
		}
	})
	var batches [64][]pipe.Batch
	var builders [64]pipe.Builder
	for _, o := range objects {
		p := kv.Route("", o.Bucket, o.Key, 64)
		builders[p].Append(kv.AppendItem(nil, kv.AppendKey(nil, p, "", o.Bucket, o.Key), kv.AppendStored(nil, o)))
		if builders[p].Size() > 64<<10 {
			batches[p] = append(batches[p], builders[p].Seal())
		}
	}
	for p := range builders {
		batches[p] = append(batches[p], builders[p].Seal())
	}
	reg := newRegistry(b, mapreduce.WordCount())
	b.Run("workers=64", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		var pairs int
		for b.Loop() {
			pairs = runPartitions(b, reg, batches[:])
		}
		b.ReportMetric(float64(pairs), "pairs")
	})
}

func plainWordCount(objects []kv.Object) map[string]*uint64 {
	counts := make(map[string]*uint64)
	for _, o := range objects {
		text, start := o.Text(), -1
		for i := 0; i <= len(text); i++ {
			in := i < len(text) && (text[i] >= 'a' && text[i] <= 'z' || text[i] >= 'A' && text[i] <= 'Z' || text[i] >= '0' && text[i] <= '9' || text[i] == '_')
			switch {
			case in && start < 0:
				start = i
			case !in && start >= 0:
				if n, ok := counts[text[start:i]]; ok {
					*n++
				} else {
					one := uint64(1)
					counts[strings.Clone(text[start:i])] = &one
				}
				start = -1
			}
		}
	}
	return counts
}

func newRegistry(tb testing.TB, jobs ...mapreduce.Definition) *pipe.Registry {
	tb.Helper()
	jobRegistry, err := mapreduce.NewRegistry(jobs...)
	if err != nil {
		tb.Fatal(err)
	}
	reg := pipe.NewRegistry()
	if err := jobRegistry.Bind(reg); err != nil {
		tb.Fatal(err)
	}
	return reg
}

func worker(tb testing.TB, reg *pipe.Registry, name, job string) pipe.BatchWorker {
	tb.Helper()
	f, _ := reg.Worker(name)
	w, err := f.Init(pipe.WorkerContext{Arg: []byte(job)})
	if err != nil {
		tb.Fatal(err)
	}
	return w.(pipe.BatchWorker)
}

// runPartitions maps and reduces the batches of every partition and returns the
// number of pairs that crossed from map to reduce.
func runPartitions(tb testing.TB, reg *pipe.Registry, batches [][]pipe.Batch) (pairs int) {
	var between, results router
	mappers := make([]pipe.BatchWorker, len(batches))
	for p := range mappers {
		mappers[p] = worker(tb, reg, mapreduce.WorkerMap, "wordcount")
	}
	for i, more := 0, true; more; i++ { // as workers that take turns
		more = false
		for p, m := range mappers {
			if i >= len(batches[p]) {
				continue
			}
			more = true
			if err := m.ProcessBatch(batches[p][i], &between); err != nil {
				tb.Fatal(err)
			}
		}
	}
	for _, m := range mappers {
		if err := m.(pipe.Worker).Done(&between); err != nil {
			tb.Fatal(err)
		}
	}
	for p := range between.to {
		pairs += between.to[p].Len()
		r := worker(tb, reg, mapreduce.WorkerReduce, "wordcount")
		if err := r.ProcessBatch(between.to[p].Seal(), &results); err != nil {
			tb.Fatal(err)
		}
		if err := r.(pipe.Worker).Done(&results); err != nil {
			tb.Fatal(err)
		}
	}
	return pairs
}

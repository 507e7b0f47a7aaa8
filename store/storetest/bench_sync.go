package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/store"
)

// BenchmarkSync measures durable writes of one item of 1 KiB, Write and Sync, by
// the writers of as many partitions at a time.
func BenchmarkSync(b *testing.B, engine string, open Factory) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("engine=%s/writers=%d", engine, writers), func(b *testing.B) {
			e := open(b)
			defer closeAll(b, e)
			var writes []func() error
			for w := range writers {
				writes = append(writes, durableWrite(mustOpen(b, e, kv(ring.Partition(w)))))
			}
			MeasureLatency(b, writes)
		})
	}
}

// durableWrite returns a function that overwrites one of a thousand keys.
func durableWrite(p store.Partition) func() error {
	value := randomBytes(benchValue)
	batch, i := new(store.Batch), 0
	return func() error {
		i++
		batch.Reset()
		batch.Put(fmt.Appendf(nil, "%08d", i%1000), value, uint64(i))
		if err := p.Write(batch); err != nil {
			return err
		}
		return p.Sync()
	}
}

// MeasureLatency calls each of the functions in a goroutine of its own, b.N
// times in all, and reports the median and the 99th percentile of their times.
func MeasureLatency(b *testing.B, calls []func() error) {
	b.Helper()
	b.ReportAllocs()
	each := b.N/len(calls) + 1
	failed := make(chan error, len(calls))
	times := make([][]time.Duration, len(calls))
	var m meter
	b.ResetTimer()
	m.start(b)
	for w, call := range calls {
		times[w] = make([]time.Duration, 0, each)
		go func() {
			for range each {
				start := time.Now()
				if err := call(); err != nil {
					failed <- err
					return
				}
				times[w] = append(times[w], time.Since(start))
			}
			failed <- nil
		}()
	}
	for range calls {
		noError(b, "call", <-failed)
	}
	m.report(b)
	all := slices.Concat(times...)
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds()), "p99-ns")
}

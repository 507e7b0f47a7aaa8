package storetest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dee2748c/baton/store"
)

const (
	benchItems = 1 << 17 // items in one generation
	benchValue = 1024    // bytes of a value
)

// BenchmarkWrite measures writes of 1 KiB values into staging generations of
// 131,072 items: new keys in ascending order, as a handoff brings them, new keys
// in random order, and keys that exist. It syncs after each generation.
func BenchmarkWrite(b *testing.B, engine string, open Factory) {
	for _, order := range []string{"ascending", "random", "overwrite"} {
		for _, size := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("engine=%s/keys=%s/batch=%d", engine, order, size), func(b *testing.B) {
				e := open(b)
				defer closeAll(b, e)
				benchmarkWrite(b, e, order, size)
			})
		}
	}
}

func benchmarkWrite(b *testing.B, e store.Engine, order string, size int) {
	keys := benchKeys(order != "ascending")
	value := randomBytes(benchValue)
	b.SetBytes(int64(len(keys[0]) + len(value)))
	b.ReportAllocs()
	var p store.Partition
	var batch store.Batch
	var m meter
	session, at := uint64(0), len(keys)
	m.start(b)
	for i := 0; i < b.N; {
		if at == len(keys) {
			m.stop(b)
			if session == 0 || order != "overwrite" {
				session++
				p = mustStage(b, e, kv(1), session)
			}
			if order == "overwrite" && session == 1 && i == 0 {
				fill(b, p, keys, value)
			}
			at = 0
			m.start(b)
		}
		n := min(size, len(keys)-at)
		for _, key := range keys[at : at+n] {
			batch.Put(key, value, uint64(i))
		}
		noError(b, "write", p.Write(&batch))
		batch.Reset()
		at, i = at+n, i+n
		if at == len(keys) {
			noError(b, "sync", p.Sync())
		}
	}
	m.report(b)
}

// BenchmarkScan measures a scan of a whole snapshot of 1 KiB values.
func BenchmarkScan(b *testing.B, engine string, open Factory) {
	b.Run("engine="+engine, func(b *testing.B) {
		e := open(b)
		defer closeAll(b, e)
		keys, value := benchKeys(true), randomBytes(benchValue)
		p := mustOpen(b, e, kv(1))
		fill(b, p, keys, value)
		b.SetBytes(int64(len(keys[0]) + len(value)))
		b.ReportAllocs()
		var m meter
		b.ResetTimer()
		m.start(b)
		for i := 0; i < b.N; {
			snap := p.Snapshot()
			it := snap.Scan(nil, nil)
			for ; i < b.N && it.Next(); i++ {
				if item := it.Item(); len(item.Value) != len(value) {
					b.Fatalf("value of %d bytes", len(item.Value))
				}
			}
			noError(b, "scan", it.Err())
			closeAll(b, it, snap)
		}
		m.report(b)
	})
}

// BenchmarkGet measures reads of random keys among 131,072.
func BenchmarkGet(b *testing.B, engine string, open Factory) {
	b.Run("engine="+engine, func(b *testing.B) {
		e := open(b)
		defer closeAll(b, e)
		keys, value := benchKeys(true), randomBytes(benchValue)
		p := mustOpen(b, e, kv(1))
		fill(b, p, keys, value)
		b.ReportAllocs()
		var m meter
		b.ResetTimer()
		m.start(b)
		for i := range b.N {
			if _, err := p.Get(keys[i%len(keys)]); err != nil {
				b.Fatal(err)
			}
		}
		m.report(b)
	})
}

// BenchmarkSnapshot measures taking and closing a snapshot after one write, and
// with it the write's first copies.
func BenchmarkSnapshot(b *testing.B, engine string, open Factory) {
	b.Run("engine="+engine, func(b *testing.B) {
		e := open(b)
		defer closeAll(b, e)
		keys, value := benchKeys(true), randomBytes(benchValue)
		p := mustOpen(b, e, kv(1))
		fill(b, p, keys, value)
		var batch store.Batch
		b.ReportAllocs()
		var m meter
		b.ResetTimer()
		m.start(b)
		for i := range b.N {
			batch.Put(keys[i%len(keys)], value, uint64(i))
			noError(b, "write", p.Write(&batch))
			batch.Reset()
			closeAll(b, p.Snapshot())
		}
		m.report(b)
	})
}

// BenchmarkBulkLoad measures a bulk load against what BenchmarkWrite measures.
func BenchmarkBulkLoad(b *testing.B, engine string, open Factory) {
	b.Run("engine="+engine, func(b *testing.B) {
		e := open(b)
		defer closeAll(b, e)
		keys, value := benchKeys(false), randomBytes(benchValue)
		items := make([]store.Item, len(keys))
		for i, key := range keys {
			items[i] = store.Item{Key: key, Value: value, Version: uint64(i)}
		}
		b.SetBytes(int64(len(keys[0]) + len(value)))
		b.ReportAllocs()
		var m meter
		b.ResetTimer()
		m.start(b)
		for i, session := 0, uint64(1); i < b.N; session++ {
			n := min(len(items), b.N-i)
			noError(b, "load", bulk(mustStage(b, e, kv(1), session), &listIterator{items: items[:n]}))
			i += n
		}
		m.report(b)
	})
}

// meter reports what wall time does not show on a machine that others use too.
type meter struct {
	used    time.Duration // CPU time up to the last stop
	started time.Duration
}

// start begins to count, and starts the benchmark's timer.
func (m *meter) start(b *testing.B) {
	m.started = cpuTime()
	b.StartTimer()
}

func (m *meter) stop(b *testing.B) {
	b.StopTimer()
	m.used += cpuTime() - m.started
}

func (m *meter) report(b *testing.B) {
	m.stop(b)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "items/s")
	b.ReportMetric(float64(m.used.Nanoseconds())/float64(b.N), "cpu-ns/op")
}

func fill(b *testing.B, p store.Partition, keys [][]byte, value []byte) {
	var batch store.Batch
	for i, key := range keys {
		batch.Put(key, value, uint64(i))
		if batch.Len() == 256 || i == len(keys)-1 {
			noError(b, "write", p.Write(&batch))
			batch.Reset()
		}
	}
	noError(b, "sync", p.Sync())
}

// benchKeys returns keys of 24 bytes that begin alike, as those of a bucket do.
func benchKeys(shuffled bool) [][]byte {
	keys := make([][]byte, benchItems)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "objects/%016d", i)
	}
	if shuffled {
		r := rand.New(rand.NewPCG(1, 2))
		r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	}
	return keys
}

// randomBytes returns bytes that don't compress.
func randomBytes(n int) []byte {
	r := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

package pebble_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	db "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/pebble"
	"github.com/dee2748c/baton/store/storetest"
)

// BenchmarkRaw_Datasync is the limit of BenchmarkPartition_Sync with one writer:
// 1 KiB is appended to a file, and its data is synced.
func BenchmarkRaw_Datasync(b *testing.B) {
	f, err := vfs.Default.Create(filepath.Join(b.TempDir(), "raw"), vfs.WriteCategoryUnspecified)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1024)
	storetest.MeasureLatency(b, []func() error{func() error {
		if _, err := f.Write(block); err != nil {
			return err
		}
		return f.SyncData()
	}})
}

// BenchmarkRaw_Batch is what BenchmarkPartition_BulkLoad is held against: the
// same items, in ascending order, in Pebble's own batches of 256.
func BenchmarkRaw_Batch(b *testing.B) {
	d, err := db.Open(b.TempDir(), &db.Options{MemTableSize: 64 << 20, FormatMajorVersion: db.FormatTableFormatV6, Logger: quiet{}})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	value := make([]byte, 1024)
	for i := range value {
		value[i] = byte(i * i >> 3)
	}
	b.SetBytes(24 + 1024)
	start := time.Now()
	for i := 0; i < b.N; {
		batch := d.NewBatch()
		for range min(256, b.N-i) {
			if err := batch.Set(fmt.Appendf(nil, "objects/%016d", i), value, nil); err != nil {
				b.Fatal(err)
			}
			i++
		}
		if err := batch.Commit(db.NoSync); err != nil {
			b.Fatal(err)
		}
	}
	if err := d.LogData(nil, db.Sync); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "items/s")
}

// many yields n small items.
type many struct{ at, n int }

func (l *many) Next() bool   { l.at++; return l.at <= l.n }
func (l *many) Err() error   { return nil }
func (l *many) Close() error { return nil }
func (l *many) Item() store.Item {
	return store.Item{Key: fmt.Appendf(nil, "objects/%016d", l.at), Value: make([]byte, 100), Version: 1}
}

// BenchmarkPartition_Memory loads a million keys, reads some of each table, and
// reports how much more of the heap is in use than of an empty engine. The block
// cache is not in the heap of a build with cgo, and is small here in any other.
func BenchmarkPartition_Memory(b *testing.B) {
	const keys = 1 << 20
	inUse := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	for range b.N {
		e, err := pebble.Open(b.TempDir(), pebble.Options{CacheSize: 1 << 20})
		if err != nil {
			b.Fatal(err)
		}
		p, err := e.Open(someID)
		if err != nil {
			b.Fatal(err)
		}
		before := inUse()
		if err := p.(store.BulkLoader).BulkLoad(&many{n: keys}); err != nil {
			b.Fatal(err)
		}
		for i := 1; i <= keys; i += 101 {
			if _, err := p.Get(fmt.Appendf(nil, "objects/%016d", i)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric((inUse()-before)/keys, "B/key")
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

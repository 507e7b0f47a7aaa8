package pebble_test

import (
	"testing"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/pebble"
	"github.com/dee2748c/baton/store/storetest"
)

// onDisk opens an engine with its default options on the machine's disk.
func onDisk(tb testing.TB) store.Engine {
	tb.Helper()
	e, err := pebble.Open(tb.TempDir(), pebble.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func BenchmarkPartition_Write(b *testing.B)    { storetest.BenchmarkWrite(b, "pebble", onDisk) }
func BenchmarkPartition_Get(b *testing.B)      { storetest.BenchmarkGet(b, "pebble", onDisk) }
func BenchmarkPartition_Snapshot(b *testing.B) { storetest.BenchmarkSnapshot(b, "pebble", onDisk) }
func BenchmarkPartition_Sync(b *testing.B)     { storetest.BenchmarkSync(b, "pebble", onDisk) }
func BenchmarkPartition_BulkLoad(b *testing.B) { storetest.BenchmarkBulkLoad(b, "pebble", onDisk) }
func BenchmarkSnapshot_Scan(b *testing.B)      { storetest.BenchmarkScan(b, "pebble", onDisk) }

// BenchmarkEngine_Memory leaves the block cache out.
func BenchmarkEngine_Memory(b *testing.B) {
	storetest.BenchmarkMemory(b, "pebble", func(tb testing.TB) store.Engine {
		e, err := pebble.Open(tb.TempDir(), pebble.Options{CacheSize: 1 << 20})
		if err != nil {
			tb.Fatal(err)
		}
		return e
	})
}

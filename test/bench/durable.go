package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	db "github.com/cockroachdb/pebble/v2"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/memory"
	"github.com/dee2748c/baton/store/pebble"
)

// durableBenches measure the durable engine: one put at a time beside a bare
// fdatasync, the puts of 64 writers, loading in bulk, and listing.
func durableBenches() []Bench {
	return []Bench{
		{
			ID: "B14/put", FloorRatio: 0.5, Limit: &limitDatasync,
			Case: Case{Name: "kv/durable-put/p50/n=1/pebble", Unit: "us", Lower: true, Run: benchDurablePut(1)},
		},
		{
			ID: "B14/put/n3", Limit: &limitDatasync,
			Case: Case{Name: "kv/durable-put/p50/n=3/pebble", Unit: "us", Lower: true, Run: benchDurablePut(3)},
		},
		{
			ID: "B14/64", Floor: 40_000, Peer: 8_059, PeerName: "etcd, 16 clients",
			Case: Case{Name: "kv/durable-put/64-writers/n=1/pebble", Unit: "ops/s", Run: benchWriters(1)},
		},
		{
			ID: "B14/64/n3", Peer: 8_059, PeerName: "etcd, 16 clients",
			Case: Case{Name: "kv/durable-put/64-writers/n=3/pebble", Unit: "ops/s", Run: benchWriters(3)},
		},
		{
			ID: "B14/bulk", FloorRatio: 0.6, Limit: &limitBatches,
			Case: Case{Name: "store/bulk-load/pebble", Unit: "items/s", Run: benchBulkLoad},
		},
		{
			ID: "B8/list", Limit: &limitScan,
			Case: Case{Name: "kv/list-keys/n=3/memory", Unit: "keys/s", Run: benchListKeys},
		},
	}
}

func benchDurablePut(n int) func(*Meter) error {
	return func(m *Meter) error {
		return withNode(baton.EnginePebble, n, func(node *baton.Node) error {
			names, value, client := kvNames(m.Count(5000)), kvBytes(), node.KV()
			return m.latency(len(names), func(i int) error {
				return client.Put(context.Background(), kv.Object{Bucket: kvBucket, Key: names[i], Value: value})
			})
		})
	}
}

// latency does n operations one after the other and reports their median.
func (m *Meter) latency(n int, f func(i int) error) error {
	took := make([]time.Duration, n)
	m.Start()
	for i := range took {
		began := time.Now()
		if err := f(i); err != nil {
			return err
		}
		took[i] = time.Since(began)
	}
	m.Stop(float64(n))
	slices.Sort(took)
	m.Report(float64(took[n/2].Nanoseconds()) / 1e3)
	return nil
}

// syncP99 is the 99th percentile of n syncs of a file to which 1 KiB was appended.
func syncP99(n int) (p99 time.Duration, err error) {
	err = withDir(func(dir string) error {
		f, err := os.Create(filepath.Join(dir, "raw"))
		if err != nil {
			return err
		}
		block, took := kvBytes(), make([]time.Duration, n)
		for i := range took {
			began := time.Now()
			if _, err = f.Write(block); err == nil {
				err = syscall.Fdatasync(int(f.Fd()))
			}
			if err != nil {
				break
			}
			took[i] = time.Since(began)
		}
		slices.Sort(took)
		p99 = percentile(took, 99)
		return errors.Join(err, f.Close())
	})
	return p99, err
}

// limitDatasync appends 1 KiB to a file and syncs its data.
var limitDatasync = Limit{Case: Case{Name: "fdatasync/1KiB-append", Unit: "us", Lower: true, Run: func(m *Meter) error {
	return withDir(func(dir string) error {
		f, err := os.Create(filepath.Join(dir, "raw"))
		if err != nil {
			return err
		}
		block := kvBytes()
		err = m.latency(m.Count(5000), func(int) error {
			if _, err := f.Write(block); err != nil {
				return err
			}
			return syscall.Fdatasync(int(f.Fd()))
		})
		return errors.Join(err, f.Close())
	})
}}}

func withDir(f func(dir string) error) error {
	dir, err := os.MkdirTemp("", "baton-bench-")
	if err != nil {
		return err
	}
	return errors.Join(f(dir), os.RemoveAll(dir))
}

func benchWriters(n int) func(*Meter) error {
	return func(m *Meter) error {
		return withNode(baton.EnginePebble, n, func(node *baton.Node) error {
			names, value, client := kvNames(m.Count(kvKeys)), kvBytes(), node.KV()
			m.Start()
			err := concurrently(64, len(names), func(i int) error {
				return client.Put(context.Background(), kv.Object{Bucket: kvBucket, Key: names[i], Value: value})
			})
			m.Stop(float64(len(names)))
			return err
		})
	}
}

// ascending yields items with ascending keys.
type ascending struct {
	at, n int
	value []byte
}

func (l *ascending) Next() bool   { l.at++; return l.at <= l.n }
func (l *ascending) Err() error   { return nil }
func (l *ascending) Close() error { return nil }
func (l *ascending) Item() store.Item {
	return store.Item{Key: fmt.Appendf(nil, "objects/%016d", l.at), Value: l.value, Version: uint64(l.at)}
}

const bulkItems = 300_000

func benchBulkLoad(m *Meter) error {
	return withDir(func(dir string) error {
		e, err := pebble.Open(dir, pebble.Options{})
		if err != nil {
			return err
		}
		err = func() error {
			p, err := e.Stage(store.ID{Kind: "bench"}, 1)
			if err != nil {
				return err
			}
			l := &ascending{n: m.Count(bulkItems), value: kvBytes()}
			m.Start()
			err = p.(store.BulkLoader).BulkLoad(l)
			m.Stop(float64(l.n))
			return err
		}()
		return errors.Join(err, e.Close())
	})
}

// limitBatches writes the same items in Pebble's own batches and syncs once.
var limitBatches = Limit{Case: Case{Name: "pebble/batches-of-256", Unit: "items/s", Run: func(m *Meter) error {
	return withDir(func(dir string) error {
		d, err := db.Open(dir, &db.Options{MemTableSize: 64 << 20, FormatMajorVersion: db.FormatTableFormatV6, Logger: silent{}})
		if err != nil {
			return err
		}
		l := &ascending{n: m.Count(bulkItems), value: kvBytes()}
		m.Start()
		err = writeBatches(d, l)
		m.Stop(float64(l.n))
		return errors.Join(err, d.Close())
	})
}}}

func writeBatches(d *db.DB, l *ascending) error {
	for more := l.Next(); more; {
		b := d.NewBatch()
		for i := 0; i < 256 && more; i++ {
			item := l.Item()
			if err := b.Set(item.Key, item.Value, nil); err != nil {
				return err
			}
			more = l.Next()
		}
		if err := b.Commit(db.NoSync); err != nil {
			return err
		}
	}
	return d.LogData(nil, db.Sync)
}

// silent is Pebble's logger; it says nothing.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(f string, args ...any) {
	panic(fmt.Sprintf(f, args...))
}

// limitScan walks over the same number of items in one partition's store.
var limitScan = Limit{Case: Case{Name: "store/scan/memory", Unit: "keys/s", Run: func(m *Meter) error {
	e := memory.New()
	defer e.Close()
	p, err := e.Open(store.ID{Kind: "bench"})
	if err != nil {
		return err
	}
	n := m.Count(kvKeys)
	var b store.Batch
	for l := (&ascending{n: n, value: kvBytes()}); l.Next(); {
		item := l.Item()
		b.Put(item.Key, item.Value, item.Version)
	}
	if err := p.Write(&b); err != nil {
		return err
	}
	snapshot := p.Snapshot()
	defer snapshot.Close()
	m.Start()
	got, walks := 0, 10
	for range walks {
		it := snapshot.Scan(nil, nil)
		for it.Next() {
			got++
		}
		if err := errors.Join(it.Err(), it.Close()); err != nil {
			return err
		}
	}
	m.Stop(float64(got))
	if got != walks*n {
		return fmt.Errorf("%d items in %d scans of %d", got, walks, n)
	}
	return nil
}}}

func benchListKeys(m *Meter) error {
	return withNode(baton.EngineMemory, 3, func(node *baton.Node) error {
		names := kvNames(m.Count(kvKeys))
		if err := filled(node, names); err != nil {
			return err
		}
		m.Start()
		got := 0
		for _, err := range node.KV().Keys(context.Background(), kvBucket) {
			if err != nil {
				return err
			}
			got++
		}
		m.Stop(float64(got))
		if got != len(names) {
			return fmt.Errorf("%d keys were listed, want %d", got, len(names))
		}
		return nil
	})
}

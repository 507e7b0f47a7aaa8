package pebble_test

import (
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	db "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/store/pebble"
)

var someID = store.ID{Kind: "kv", Partition: 1}

func mustOpen(t *testing.T, o pebble.Options) *pebble.Engine {
	t.Helper()
	e, err := pebble.Open("store", o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func closeAll(t *testing.T, closers ...io.Closer) {
	t.Helper()
	for _, c := range closers {
		if err := c.Close(); err != nil {
			t.Errorf("close %T: %v", c, err)
		}
	}
}

func batch(key, value string, version uint64) *store.Batch {
	b := new(store.Batch)
	b.Put([]byte(key), []byte(value), version)
	return b
}

// A failed fsync of the log means that nobody knows what is on disk: I4.
func TestEngine_failedSync(t *testing.T) {
	for _, test := range []struct {
		name string
		call func(e *pebble.Engine, p store.Partition) error
	}{
		{"Sync", func(_ *pebble.Engine, p store.Partition) error { return p.Sync() }},
		{"SetRecord", func(e *pebble.Engine, _ store.Partition) error { return e.SetRecord(someID, store.Record{Epoch: 2}) }},
		{"Promote", func(e *pebble.Engine, _ store.Partition) error { return e.Promote(someID, 5) }},
		{"Drop", func(e *pebble.Engine, _ store.Partition) error { return e.Drop(someID) }},
		{"Stage", func(e *pebble.Engine, _ store.Partition) error { _, err := e.Stage(someID, 6); return err }},
	} {
		t.Run(test.name, func(t *testing.T) {
			var failing atomic.Bool
			fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
				syncs := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
				if failing.Load() && syncs && strings.HasSuffix(op.Path, ".log") {
					return errorfs.ErrInjected
				}
				return nil
			}))
			o := small(t, fs)
			var mu sync.Mutex
			var fatal []error
			o.Fatal = func(err error) {
				mu.Lock()
				defer mu.Unlock()
				fatal = append(fatal, err)
			}
			e := mustOpen(t, o)
			p, err := e.Open(someID)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.Stage(someID, 5); err != nil {
				t.Fatal(err)
			}
			if err := p.Write(batch("a", "1", 1)); err != nil {
				t.Fatal(err)
			}
			failing.Store(true)
			if err := test.call(e, p); !errors.Is(err, store.ErrBroken) {
				t.Errorf("with a failed fsync: %v, want ErrBroken", err)
			}
			failing.Store(false)
			mu.Lock()
			if len(fatal) != 1 || !errors.Is(fatal[0], store.ErrBroken) {
				t.Errorf("fatal was told %v, want ErrBroken once", fatal)
			}
			mu.Unlock()
			if err := p.Sync(); !errors.Is(err, store.ErrBroken) {
				t.Errorf("the next sync: %v, want ErrBroken", err)
			}
			if _, err := p.Get([]byte("a")); !errors.Is(err, store.ErrBroken) {
				t.Errorf("the next get: %v, want ErrBroken", err)
			}
			if err := e.Close(); !errors.Is(err, store.ErrBroken) {
				t.Errorf("close: %v, want ErrBroken", err)
			}
		})
	}
}

func TestOpen_refused(t *testing.T) {
	fs := vfs.NewMem()
	e := mustOpen(t, small(t, fs))
	if again, err := pebble.Open("store", small(t, fs)); err == nil {
		t.Error("a directory was opened twice")
		closeAll(t, again)
	}
	closeAll(t, e)

	for name, o := range map[string]pebble.Options{
		"negative cache":     {CacheSize: -1},
		"one memtable":       {MemTables: 1},
		"tiny memtable":      {MemTableSize: 100},
		"many compactions":   {Compactions: 1000},
		"a table of a block": {LoadSize: 1},
	} {
		o.FS = fs
		if _, err := pebble.Open("store", o); err == nil || !strings.Contains(err.Error(), "options") {
			t.Errorf("%s: %v, want an error about the options", name, err)
		}
	}
}

// quiet logs nothing but the end.
type quiet struct{ t *testing.T }

func (quiet) Infof(string, ...any)                {}
func (quiet) Errorf(string, ...any)               {}
func (q quiet) Fatalf(format string, args ...any) { q.t.Errorf(format, args...) }

// raw changes the database under the engine.
func raw(t *testing.T, fs vfs.FS, change func(d *db.DB) error) {
	t.Helper()
	d, err := db.Open("store", &db.Options{FS: fs, FormatMajorVersion: db.FormatTableFormatV6, Logger: quiet{t}})
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, d)
	if err := change(d); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_corrupt(t *testing.T) {
	id := "\x02kv\x00\x00\x00\x01"
	for name, pair := range map[string][2]string{
		"a later format":           {"f", "\x02"},
		"no format":                {"f", ""},
		"numbers cut short":        {"n", "\x00"},
		"a later pointer":          {"p" + id, "\x02\x01\x00\x00\x00"},
		"a pointer cut short":      {"p" + id, "\x01\x01\x00"},
		"a pointer with a tail":    {"p" + id, "\x01\x01\x00\x00\x00\x00"},
		"an empty pointer":         {"p" + id, ""},
		"a pointer to no ID":       {"p\x09kv", "\x01\x01\x00\x00\x00"},
		"a pointer to nothing":     {"p", "\x01\x01\x00\x00\x00"},
		"a generation with no end": {"g\xff\xff\xff\xff\xff\xff\xff\xff\x00", ""},
		"a generation cut short":   {"g\x00\x00", ""},
		"a generation with no tag": {"g\x00\x00\x00\x00\x00\x00\x00\x01", ""},
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			e := mustOpen(t, small(t, fs))
			p, err := e.Open(someID)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Write(batch("a", "1", 1)); err != nil {
				t.Fatal(err)
			}
			closeAll(t, e)
			raw(t, fs, func(d *db.DB) error { return d.Set([]byte(pair[0]), []byte(pair[1]), db.Sync) })
			if e, err := pebble.Open("store", small(t, fs)); !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("open: %v, want ErrCorrupt", err)
				if err == nil {
					closeAll(t, e)
				}
			}
		})
	}
}

// A summary that is damaged is counted again.
func TestOpen_corruptSummary(t *testing.T) {
	fs := vfs.NewMem()
	e := mustOpen(t, small(t, fs))
	p, err := e.Open(someID)
	if err := errors.Join(err, p.Write(batch("a", "1", 1))); err != nil {
		t.Fatal(err)
	}
	closeAll(t, e)
	raw(t, fs, func(d *db.DB) error {
		return d.Set([]byte("g\x00\x00\x00\x00\x00\x00\x00\x01\x01"), []byte("\x00"), db.Sync)
	})
	for range 2 {
		e = mustOpen(t, small(t, fs))
		p, err = e.Open(someID)
		if n := recount(t, p, err); n != 1 {
			t.Errorf("%d items", n)
		}
		closeAll(t, e)
	}
}

func TestEngine_corruptItem(t *testing.T) {
	fs := vfs.NewMem()
	e := mustOpen(t, small(t, fs))
	p, err := e.Open(someID)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		if err := p.Write(batch(key, "1", 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.SetRecord(someID, store.Record{Epoch: 3}); err != nil {
		t.Fatal(err)
	}
	closeAll(t, e)
	raw(t, fs, func(d *db.DB) error {
		return errors.Join(
			d.Set([]byte("g\x00\x00\x00\x00\x00\x00\x00\x01\x00b"), []byte("short"), db.Sync),
			d.Set([]byte("r\x02kv\x00\x00\x00\x01"), []byte("\x01"), db.Sync))
	})
	e = mustOpen(t, small(t, fs))
	defer closeAll(t, e)
	p, err = e.Open(someID)
	if err != nil {
		t.Fatal(err)
	}
	corrupt := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", what, err)
		}
	}
	_, err = p.Get([]byte("b"))
	corrupt("get", err)
	corrupt("overwrite", p.Write(batch("b", "2", 2)))
	_, err = e.Record(someID)
	corrupt("record", err)
	corrupt("set record", e.SetRecord(someID, store.Record{Epoch: 9}))
	snap := p.Snapshot()
	it := snap.Scan(nil, nil)
	seen := 0
	for it.Next() {
		seen++
	}
	corrupt("scan", it.Err())
	closeAll(t, it, snap)
	if seen != 1 {
		t.Errorf("%d items before the corrupt one, want 1", seen)
	}
	if _, err = p.Get([]byte("a")); err != nil {
		t.Errorf("get of a sound item: %v", err)
	}
}

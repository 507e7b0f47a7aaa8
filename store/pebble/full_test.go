package pebble_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/dee2748c/baton/store"
)

// bounded is a disk of some bytes. What is removed gives no room; the test does.
type bounded struct {
	vfs.FS
	free atomic.Int64
}

func newBounded(fs vfs.FS, free int64) *bounded {
	b := &bounded{}
	b.free.Store(free)
	b.FS = errorfs.Wrap(fs, errorfs.InjectorFunc(func(errorfs.Op) error { return nil }))
	return b
}

func (b *bounded) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: uint64(max(b.free.Load(), 0))}, nil
}

func (b *bounded) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &boundedFile{f, b}, nil
}

func (b *bounded) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return b.wrap(b.FS.Create(name, c))
}

func (b *bounded) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return b.wrap(b.FS.ReuseForWrite(from, to, c))
}

type boundedFile struct {
	vfs.File
	disk *bounded
}

func (f *boundedFile) Write(p []byte) (int, error) {
	if f.disk.free.Add(-int64(len(p))) < 0 {
		f.disk.free.Add(int64(len(p)))
		return 0, syscall.ENOSPC
	}
	return f.File.Write(p)
}

// fillUp writes until a write is refused, and returns how many were not.
func fillUp(t *testing.T, p store.Partition, from int) int {
	t.Helper()
	value := strings.Repeat("x", 4096)
	for i := from; ; i++ {
		switch err := p.Write(batch(fmt.Sprintf("%08d", i), value, 1)); {
		case errors.Is(err, store.ErrDiskFull):
			return i
		case err != nil:
			t.Fatalf("write %d: %v", i, err)
		case i == from+100_000:
			t.Fatal("the disk is never full")
		}
		if err := p.Sync(); err != nil {
			t.Fatalf("sync %d: %v", i, err)
		}
	}
}

// A full disk refuses what would store more, and nothing else. With room again
// all goes on, and nothing that was acknowledged is lost.
func TestEngine_diskFull(t *testing.T) {
	memory := vfs.NewCrashableMem()
	disk := newBounded(memory, 40<<20)
	e := mustOpen(t, small(t, disk))
	p, err := e.Open(someID)
	other, stageErr := e.Stage(store.ID{Kind: "kv", Partition: 2}, 3)
	if err := errors.Join(err, stageErr); err != nil {
		t.Fatal(err)
	}
	n := fillUp(t, p, 0)
	if n < 1000 {
		t.Errorf("full after %d writes of 4 KiB", n)
	}
	staged := store.ID{Kind: "kv", Partition: 9}
	for name, call := range map[string]func() error{
		"bulk load": func() error { return other.(store.BulkLoader).BulkLoad(new(pairs)) },
		"stage":     func() error { _, err := e.Stage(staged, 1); return err },
		"open anew": func() error { _, err := e.Open(staged); return err },
	} {
		if err := call(); !errors.Is(err, store.ErrDiskFull) {
			t.Errorf("%s: %v, want ErrDiskFull", name, err)
		}
	}
	if got := recount(t, p, nil); got != uint64(n) {
		t.Errorf("%d items can be read, want %d", got, n)
	}
	if err := errors.Join(p.Sync(), e.SetRecord(someID, store.Record{Epoch: 4}), e.Promote(store.ID{Kind: "kv", Partition: 2}, 3)); err != nil {
		t.Errorf("on a full disk: %v", err)
	}
	after := memory.CrashClone(vfs.CrashCloneCfg{})

	disk.free.Add(16 << 20)
	more := fillUp(t, p, n)
	if more < n+100 {
		t.Errorf("with room again only %d writes", more-n)
	}
	if got := recount(t, p, nil); got != uint64(more) {
		t.Errorf("%d items, want %d", got, more)
	}
	if err := e.Drop(someID); err != nil {
		t.Errorf("drop on a full disk: %v", err)
	}
	closeAll(t, e)

	e = mustOpen(t, small(t, after))
	defer closeAll(t, e)
	p, err = e.Open(someID)
	if got := recount(t, p, err); got != uint64(n) {
		t.Errorf("%d items after a crash on the full disk, want %d", got, n)
	}
}

// Should others use up the reserve too, the log can't be written: then the
// engine is broken, and says why. What was acknowledged is there after a restart.
func TestEngine_diskFullToTheLast(t *testing.T) {
	memory := vfs.NewCrashableMem()
	disk := newBounded(memory, 40<<20)
	o := small(t, disk)
	told := make(chan error, 10)
	o.Fatal = func(err error) { told <- err }
	e := mustOpen(t, o)
	p, err := e.Open(someID)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Write(batch("a", "1", 1)), p.Sync()); err != nil {
		t.Fatal(err)
	}
	disk.free.Store(0)
	if err := e.SetRecord(someID, store.Record{Epoch: 1}); !errors.Is(err, store.ErrBroken) || !errors.Is(err, store.ErrDiskFull) {
		t.Errorf("set record: %v, want ErrBroken for ErrDiskFull", err)
	}
	if err := <-told; !errors.Is(err, store.ErrDiskFull) {
		t.Errorf("fatal: %v, want ErrDiskFull", err)
	}
	after := memory.CrashClone(vfs.CrashCloneCfg{})
	if err := e.Close(); !errors.Is(err, store.ErrBroken) {
		t.Errorf("close: %v, want ErrBroken", err)
	}
	if len(told) != 0 {
		t.Error("fatal was told more than once")
	}
	e = mustOpen(t, small(t, after))
	defer closeAll(t, e)
	p, err = e.Open(someID)
	if got := recount(t, p, err); got != 1 {
		t.Errorf("%d items after the restart, want 1", got)
	}
}

// A sync that fails on any file breaks the engine for good, also one that a
// flush or a load does: nothing is acknowledged after it, and what was
// acknowledged before is there after the restart.
func TestEngine_failedSyncOfAnyFile(t *testing.T) {
	for _, suffix := range []string{".log", ".load", ".sst", "MANIFEST", "store"} {
		t.Run(suffix, func(t *testing.T) {
			memory := vfs.NewCrashableMem()
			var failing atomic.Bool
			var failed atomic.Int32
			o := small(t, errorfs.Wrap(memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
				syncs := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
				if syncs && failing.Load() && (strings.HasSuffix(op.Path, suffix) || strings.Contains(op.Path, "/"+suffix)) {
					failed.Add(1)
					return errorfs.ErrInjected
				}
				return nil
			})))
			fatal := make(chan error, 10)
			o.Fatal = func(err error) { fatal <- err }
			e := mustOpen(t, o)
			p, err := e.Open(someID)
			staged, stageErr := e.Stage(someID, 5)
			if err := errors.Join(err, stageErr, p.Write(batch("acknowledged", "1", 1)), p.Sync()); err != nil {
				t.Fatal(err)
			}
			failing.Store(true)
			if suffix == ".log" {
				err = errors.Join(p.Write(batch("b", "2", 2)), p.Sync())
			} else {
				err = staged.(store.BulkLoader).BulkLoad(new(pairs))
				for i := 0; err == nil && i < 1000; i++ { // until the memtable is flushed
					err = errors.Join(p.Write(batch(fmt.Sprint(i), strings.Repeat("x", 16<<10), 1)), p.Sync())
				}
			}
			if !errors.Is(err, store.ErrBroken) {
				t.Errorf("with a failed sync: %v, want ErrBroken", err)
			}
			after := memory.CrashClone(vfs.CrashCloneCfg{})
			for name, err := range map[string]error{
				"write": p.Write(batch("later", "1", 1)), "sync": p.Sync(),
				"record": e.SetRecord(someID, store.Record{Epoch: 1}), "close": e.Close(),
			} {
				if !errors.Is(err, store.ErrBroken) {
					t.Errorf("%s afterwards: %v, want ErrBroken", name, err)
				}
			}
			if err := <-fatal; !errors.Is(err, store.ErrBroken) || len(fatal) != 0 {
				t.Errorf("fatal was told %v, and %d more", err, len(fatal))
			}
			e = mustOpen(t, small(t, after))
			defer closeAll(t, e)
			p, err = e.Open(someID)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Get([]byte("acknowledged")); err != nil {
				t.Errorf("after the restart: %v", err)
			}
		})
	}
}

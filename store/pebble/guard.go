package pebble

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/dee2748c/baton/store"
)

// guard is the file system that the database sees. Whatever file a sync fails
// on, and whenever the log or the manifest can't be written, the database is
// failed before Pebble hears of it: so no call that is running can succeed, and
// nothing is tried again. It also refuses to fill the disk with tables, which
// leaves the log room to the last.
type guard struct {
	vfs.FS
	d *database
}

// Unwrap returns the file system below, as Pebble asks for it.
func (g guard) Unwrap() vfs.FS { return g.FS }

func (g guard) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	base := filepath.Base(name)
	suffix := filepath.Ext(base)
	return &guardedFile{
		File:  f,
		d:     g.d,
		name:  name,
		vital: suffix == ".log" || strings.HasPrefix(base, "MANIFEST"),
		table: suffix == ".sst" || suffix == ".blob" || suffix == loadSuffix,
	}, nil
}

func (g guard) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.Create(name, category)
	return g.wrap(name, f, err)
}

func (g guard) OpenReadWrite(name string, category vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := g.FS.OpenReadWrite(name, category, o...)
	return g.wrap(name, f, err)
}

func (g guard) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	return g.wrap(name, f, err)
}

func (g guard) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.ReuseForWrite(from, to, category)
	return g.wrap(to, f, err)
}

type guardedFile struct {
	vfs.File
	d     *database
	name  string
	vital bool // what is on disk is unknown after a failed write
	table bool // can be written again, elsewhere and later
}

func (f *guardedFile) Write(b []byte) (int, error) {
	if f.table {
		if err := f.d.space.admitTable(len(b)); err != nil {
			return 0, err
		}
	}
	n, err := f.File.Write(b)
	if f.vital {
		err = f.check("write", err)
	}
	return n, err
}

func (f *guardedFile) Sync() error     { return f.check("sync", f.File.Sync()) }
func (f *guardedFile) SyncData() error { return f.check("sync", f.File.SyncData()) }

func (f *guardedFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.check("sync", err)
}

func (f *guardedFile) check(what string, err error) error {
	if err != nil {
		f.d.fail(fmt.Errorf("%s %s: %w", what, f.name, translate(err)))
	}
	return err
}

// space watches how much room the disk has. The reserve is for what goes on
// when writes are refused: flushes take its first half, the log and the manifest
// may take all of it.
type space struct {
	o     Options
	dir   string
	free  atomic.Int64 // as of the last look, less what was admitted since
	since atomic.Int64 // bytes admitted since the last look
	last  atomic.Int64 // when that was, in nanoseconds since started
	full  atomic.Bool  // writes are refused

	started time.Time
}

const (
	lookEvery = 100 * time.Millisecond // others fill disks too
	lookShare = 64                     // of the reserve, admitted between two looks
	fullPause = 50 * time.Millisecond  // before a flush or compaction is refused, as Pebble retries at once
)

func newSpace(dir string, o Options) *space {
	s := &space{o: o, dir: dir, started: time.Now()}
	s.look()
	return s
}

// look asks the disk. One that doesn't know its size has room.
func (s *space) look() int64 {
	free := int64(1) << 62
	if usage, err := s.o.FS.GetDiskUsage(s.dir); err == nil {
		free = int64(min(usage.AvailBytes, 1<<62))
	}
	s.since.Store(0)
	s.last.Store(int64(time.Since(s.started)))
	s.free.Store(free)
	return free
}

// take returns how much room is left once n bytes are written. It is exact
// where that is little.
func (s *space) take(n int) int64 {
	free := s.free.Add(-int64(n))
	if free < int64(s.o.Reserve) ||
		s.since.Add(int64(n)) >= int64(s.o.Reserve/lookShare) ||
		int64(time.Since(s.started))-s.last.Load() >= int64(lookEvery) {
		free = s.look() - int64(n)
	}
	return free
}

// admit returns ErrDiskFull if n bytes more would use the reserve.
func (s *space) admit(n int) error {
	free := s.take(n)
	if free >= int64(s.o.Reserve) {
		if s.full.CompareAndSwap(true, false) {
			s.o.Logger.Info("disk has room again: writes go on", "dir", s.dir)
		}
		return nil
	}
	err := fmt.Errorf("%w: %d bytes would leave %d in %s, of a reserve of %d: free some, and writes go on",
		store.ErrDiskFull, n, max(free, 0), s.dir, s.o.Reserve)
	if s.full.CompareAndSwap(false, true) {
		s.o.Logger.Error("disk full: writes are refused", "err", err)
	}
	return err
}

// admitTable is admit for flushes, compactions and loads.
func (s *space) admitTable(n int) error {
	if s.take(n) >= int64(s.o.Reserve/2) {
		return nil
	}
	<-time.After(fullPause)
	return fmt.Errorf("%w: a table needs more than half of the reserve in %s", store.ErrDiskFull, s.dir)
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

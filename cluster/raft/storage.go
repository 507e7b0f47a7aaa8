package raft

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	hraft "github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/metrics"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

// Names in a server's directory; the library adds "snapshots".
const (
	identityFile = "server"
	walDir       = "wal"
	snapshotDir  = "snapshots"
)

const wayOut = "restore the directory from a backup, or wipe it and let the node join as new"

// A storage is what a server keeps: log, term and vote, snapshots.
type storage struct {
	logs      hraft.LogStore
	stable    hraft.StableStore
	snapshots hraft.SnapshotStore
	counts    *metrics.AtomicCollector // nil in memory
	book      *book                    // with what snapshot and log say
	last      uint64                   // entry of the log
	close     func() error
}

// openStorage opens the directory of a server, or one that is empty, and reads back all that raft will
// read, because raft panics on what it cannot read.
func openStorage(o *Options) (st *storage, err error) {
	if o.Dir == "" {
		mem := hraft.NewInmemStore()
		return &storage{logs: mem, stable: mem, snapshots: hraft.NewInmemSnapshotStore(), book: newBook(), close: func() error { return nil }}, nil
	}
	id := ServerID(o.Node, o.Nonce)
	if err := checkIdentity(o.Dir, id); err != nil {
		return nil, err
	}
	walPath := filepath.Join(o.Dir, walDir)
	if err := os.MkdirAll(walPath, 0o755); err != nil {
		return nil, &DirError{walPath, err, "make it writable"}
	}
	log := logger{o.Logger.With("server", id)}
	st = &storage{book: newBook(), counts: metrics.NewAtomicCollector(wal.MetricDefinitions)}
	meta := &metadb.BoltMetaDB{}
	w, err := wal.Open(walPath, wal.WithLogger(log), wal.WithMetricsCollector(st.counts), wal.WithMetaStore(meta))
	if err != nil {
		return nil, errors.Join(damaged(walPath, err), meta.Close()) // which the library leaves open
	}
	st.logs, st.stable, st.close = w, w, w.Close
	st.snapshots, err = hraft.NewFileSnapshotStoreWithLogger(o.Dir, 2, log)
	if err != nil {
		return nil, errors.Join(&DirError{filepath.Join(o.Dir, snapshotDir), err, "make it writable"}, st.close())
	}
	if err := st.check(o.Dir); err != nil {
		return nil, errors.Join(err, st.close())
	}
	return st, nil
}

// begin counts a start of the server and returns which it is.
func (st *storage) begin() (uint64, error) {
	key := []byte("BatonStarts")
	n, err := st.stable.GetUint64(key)
	if err == nil {
		err = st.stable.SetUint64(key, n+1)
	}
	if err != nil {
		return 0, fmt.Errorf("count the start of the server: %w", err)
	}
	return n + 1, nil
}

func damaged(path string, err error) error {
	return &DirError{path, fmt.Errorf("%w: %w", ErrDamaged, err), wayOut}
}

// checkIdentity compares the directory's server with this one, and claims an empty directory.
func checkIdentity(dir, id string) error {
	path := filepath.Join(dir, identityFile)
	want := "baton raft 1 " + id + "\n"
	found, err := os.ReadFile(path)
	switch {
	case err == nil && string(found) == want:
		return nil
	case err == nil:
		return &DirError{path, fmt.Errorf("%w: it says %q, this is %q", ErrForeign, found, want), "use that server's node name and identity, or another directory"}
	case !errors.Is(err, fs.ErrNotExist):
		return &DirError{path, err, "make it readable"}
	}
	if _, err := os.Stat(filepath.Join(dir, walDir)); err == nil {
		return &DirError{path, fmt.Errorf("%w: there is a log and no name of a server", ErrForeign), wayOut}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return &DirError{dir, err, "make it writable"}
	}
	if err := writeSynced(path, want); err != nil {
		return &DirError{path, err, "make it writable"}
	}
	return nil
}

// writeSynced makes a file appear with all its content or not at all.
func writeSynced(path, text string) (err error) {
	tmp := path + ".new"
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// check reads the newest good snapshot and the log behind it, which must begin where the snapshot
// ends: else a part of the history is lost, and the record would silently be another one.
func (st *storage) check(dir string) error {
	from, err := st.checkSnapshots(filepath.Join(dir, snapshotDir))
	if err != nil {
		return err
	}
	path := filepath.Join(dir, walDir)
	first, err := st.logs.FirstIndex()
	if err != nil {
		return damaged(path, err)
	}
	last, err := st.logs.LastIndex()
	if err != nil {
		return damaged(path, err)
	}
	if first > from+1 {
		return damaged(path, fmt.Errorf("the log begins at entry %d, the newest good snapshot ends at %d", first, from))
	}
	for i := max(first, 1); i <= last; i++ {
		if err := st.checkEntry(i, i > from); err != nil {
			return damaged(path, err)
		}
	}
	st.last = max(from, last)
	return nil
}

// checkSnapshots returns the index that the newest good snapshot ends at, 0 without snapshots.
func (st *storage) checkSnapshots(path string) (uint64, error) {
	list, err := st.snapshots.List()
	if err != nil {
		return 0, damaged(path, err)
	}
	var bad error
	for _, meta := range list {
		_, r, err := st.snapshots.Open(meta.ID)
		if err == nil {
			var state topology.State
			state, _, err = readSnapshot(r)
			if err = errors.Join(err, r.Close()); err == nil {
				st.book.record(state, false)
			}
		}
		if err == nil {
			return meta.Index, nil
		}
		bad = errors.Join(bad, damaged(filepath.Join(path, meta.ID), err))
	}
	return 0, bad
}

// checkEntry reads an entry; one that comes after the snapshot goes into the book.
func (st *storage) checkEntry(index uint64, after bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("log entry %d: %v", index, r)
		}
	}()
	var l hraft.Log
	if err := st.logs.GetLog(index, &l); err != nil {
		return fmt.Errorf("log entry %d: %w", index, err)
	}
	switch {
	case l.Index != index || l.Type > hraft.LogConfiguration:
		return fmt.Errorf("log entry %d says it is entry %d of type %d", index, l.Index, l.Type)
	case l.Type == hraft.LogCommand:
		cmds, err := cluster.DecodeBatch(l.Data)
		if err != nil {
			return fmt.Errorf("log entry %d: %w", index, err)
		}
		for _, c := range cmds {
			if after {
				st.book.command(c.Op)
			}
		}
	case l.Type == hraft.LogConfiguration:
		hraft.DecodeConfiguration(l.Data) // panics on what it cannot read
	}
	return nil
}

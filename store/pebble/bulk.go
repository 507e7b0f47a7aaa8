package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/dee2748c/baton/store"
)

var _ store.BulkLoader = (*generation)(nil)

// loadSuffix ends the names of tables that are not the database's yet.
const loadSuffix = ".load"

// loader writes sorted items to tables beside the database. No lock is held
// between two of its calls, which may take for ever: Drop and Close don't wait
// for more, and Close of the engine takes the tables away from under a load.
type loader struct {
	g      *generation
	number uint64 // no other load of this process has it

	mu      sync.Mutex // after the generation's locks
	paths   []string
	table   *sstable.Writer // nil between two tables
	size    int             // bytes of items in table
	summary store.Summary
	key     []byte // of the last item, with its prefix
	value   []byte // room

	one [1]store.Op // room of BulkLoad
}

var _ store.Load = (*loader)(nil)

// BulkLoad implements store.BulkLoader.
func (g *generation) BulkLoad(it store.Iterator) (err error) {
	l, err := g.begin()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for it.Next() {
		item := it.Item()
		l.one[0] = store.Op{Key: item.Key, Value: item.Value, Version: item.Version}
		if err := l.add(l.one[:], len(item.Key)+len(item.Value)); err != nil {
			return err
		}
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("bulk load: %w", err)
	}
	return l.Finish()
}

// BeginLoad implements store.BulkLoader. The items go to tables of their own,
// which the database takes over as they are at the end, without the log and, if
// nothing overlaps them, without ever being compacted. The summary goes with
// the last table, so both are there or neither is.
func (g *generation) BeginLoad() (store.Load, error) { return g.begin() }

// begin refuses what can't succeed, and lets Close of the engine know of the load.
func (g *generation) begin() (*loader, error) {
	l := &loader{g: g, number: g.engine.database.loads.Add(1)}
	err := g.enter("begin")
	if err == nil {
		defer g.leave()
		err = g.empty()
	}
	if err != nil {
		return nil, l.failed(err)
	}
	g.engine.register(l)
	return l, nil
}

// failed gives an error of a load its type and context.
func (l *loader) failed(err error) error {
	return fmt.Errorf("bulk load: %w", errors.Join(translate(err), l.g.engine.database.broken()))
}

// empty returns ErrNotEmpty if the generation holds items.
func (g *generation) empty() error {
	if n := g.Summary().Items; n != 0 {
		return fmt.Errorf("%v: %d items: %w", g.id, n, store.ErrNotEmpty)
	}
	return nil
}

// Finish implements store.Load: the database takes the tables over.
func (l *loader) Finish() error {
	if err := l.finish(); err != nil {
		return l.failed(err)
	}
	return nil
}

func (l *loader) finish() error {
	g := l.g
	if err := g.enter("finish"); err != nil {
		return err
	}
	defer g.leave()
	g.writer.Lock()
	defer g.writer.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := g.empty(); err != nil || l.summary.Items == 0 {
		return err
	}
	// The summary sorts after all items.
	if err := l.table.Set(g.summaryKey(), appendSummary(nil, l.summary)); err != nil {
		return err
	}
	if err := l.closeTable(); err != nil {
		return err
	}
	d := g.engine.database
	// The pointer that names this generation may not be durable yet, but the
	// tables are as soon as they are taken over.
	if err := d.sync(); err != nil {
		return err
	}
	if err := d.Ingest(context.Background(), l.paths); err != nil {
		return err
	}
	if err := d.broken(); err != nil {
		return err
	}
	l.paths = nil
	g.last, g.sorted = append(g.last[:0], l.key[prefixSize+1:]...), true
	g.setSummary(l.summary)
	return nil
}

// Add implements store.Load.
func (l *loader) Add(b *store.Batch) error { return l.add(b.Ops(), b.Size()) }

func (l *loader) add(ops []store.Op, size int) error {
	if err := l.put(ops, size); err != nil {
		return l.failed(err)
	}
	return nil
}

func (l *loader) put(ops []store.Op, size int) error {
	if err := l.g.enter("add"); err != nil {
		return err
	}
	defer l.g.leave()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.g.engine.database.space.admit(size); err != nil {
		return err
	}
	for i := range ops {
		if err := l.set(&ops[i]); err != nil {
			return err
		}
	}
	return nil
}

// set writes one item, to another table if this one is large enough. The caller
// holds mu.
func (l *loader) set(op *store.Op) error {
	if op.Delete {
		return fmt.Errorf("delete of %q: %w", op.Key, store.ErrOrder)
	}
	if l.summary.Items > 0 && bytes.Compare(op.Key, l.key[prefixSize+1:]) <= 0 {
		return fmt.Errorf("%q after %q: %w", op.Key, l.key[prefixSize+1:], store.ErrOrder)
	}
	if l.table != nil && l.size >= l.g.engine.database.options.LoadSize {
		if err := l.closeTable(); err != nil {
			return err
		}
	}
	if l.table == nil {
		if err := l.openTable(); err != nil {
			return err
		}
	}
	l.key = l.g.appendItemKey(l.key[:0], op.Key)
	l.value = append(binary.BigEndian.AppendUint64(l.value[:0], op.Version), op.Value...)
	if err := l.table.Set(l.key, l.value); err != nil {
		return err
	}
	l.size += len(l.key) + len(l.value)
	l.summary.Add(store.HashItem(op.Key, op.Version, op.Value), len(op.Key)+len(op.Value))
	return nil
}

func (l *loader) openTable() error {
	d := l.g.engine.database
	path := d.options.FS.PathJoin(l.g.engine.dir, fmt.Sprintf("%d-%d-%d%s", l.g.number, l.number, len(l.paths), loadSuffix))
	f, err := d.settings.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	l.paths = append(l.paths, path)
	// The lowest level is where tables that overlap nothing go.
	level := len(d.settings.Levels) - 1
	format := d.FormatMajorVersion().MaxTableFormat()
	l.table = sstable.NewWriter(objstorageprovider.NewFileWritable(f), d.settings.MakeWriterOptions(level, format))
	l.size = 0
	return nil
}

// closeTable ends a table and syncs it.
func (l *loader) closeTable() error {
	table := l.table
	l.table = nil
	return table.Close()
}

// Close implements store.Load.
func (l *loader) Close() error {
	defer l.g.engine.forget(l)
	return l.revoke()
}

// revoke removes what was not taken over.
func (l *loader) revoke() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	if l.table != nil {
		errs = append(errs, l.closeTable())
	}
	for _, path := range l.paths {
		errs = append(errs, l.g.engine.database.options.FS.Remove(path))
	}
	l.paths = nil
	return errors.Join(errs...)
}

// clearLoads removes the tables of loads that a crash interrupted.
func (e *Engine) clearLoads() error {
	fs := e.database.options.FS
	names, err := fs.List(e.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, loadSuffix) {
			if err := fs.Remove(fs.PathJoin(e.dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

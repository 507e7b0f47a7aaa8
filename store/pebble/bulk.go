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
// while its source is asked, which may take for ever: Drop and Close don't wait
// for a source, and Close takes the tables away from under a load.
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
}

// BulkLoad implements store.BulkLoader: it writes the items to tables of their
// own, which the database then takes over as they are, without the log and, if
// nothing overlaps them, without ever being compacted. The summary goes with
// the last table, so both are there or neither is.
func (g *generation) BulkLoad(it store.Iterator) error {
	if err := g.bulkLoad(it); err != nil {
		return fmt.Errorf("bulk load: %w", err)
	}
	return nil
}

func (g *generation) bulkLoad(it store.Iterator) (err error) {
	l := &loader{g: g, number: g.engine.database.loads.Add(1)}
	if err := l.begin(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(translate(err), g.engine.database.broken())
		}
		err = errors.Join(err, l.revoke())
		g.engine.forget(l)
	}()
	for it.Next() {
		if err := l.add(it.Item()); err != nil {
			return err
		}
	}
	if err := it.Err(); err != nil {
		return err
	}
	return l.finish()
}

// begin refuses what can't succeed, and lets Close know of the load.
func (l *loader) begin() error {
	if err := l.g.enter("begin"); err != nil {
		return err
	}
	defer l.g.leave()
	if err := l.g.empty(); err != nil {
		return err
	}
	l.g.engine.register(l)
	return nil
}

// empty returns ErrNotEmpty if the generation holds items.
func (g *generation) empty() error {
	if n := g.Summary().Items; n != 0 {
		return fmt.Errorf("%v: %d items: %w", g.id, n, store.ErrNotEmpty)
	}
	return nil
}

// finish lets the database take the tables over.
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

// add writes one item, to another table if this one is large enough.
func (l *loader) add(item store.Item) error {
	if err := l.g.enter("add"); err != nil {
		return err
	}
	defer l.g.leave()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.g.engine.database.space.admit(len(item.Key) + len(item.Value)); err != nil {
		return err
	}
	if l.summary.Items > 0 && bytes.Compare(item.Key, l.key[prefixSize+1:]) <= 0 {
		return fmt.Errorf("%q after %q: %w", item.Key, l.key[prefixSize+1:], store.ErrOrder)
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
	l.key = l.g.appendItemKey(l.key[:0], item.Key)
	l.value = append(binary.BigEndian.AppendUint64(l.value[:0], item.Version), item.Value...)
	if err := l.table.Set(l.key, l.value); err != nil {
		return err
	}
	l.size += len(l.key) + len(l.value)
	l.summary.Add(item.Hash(), len(item.Key)+len(item.Value))
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

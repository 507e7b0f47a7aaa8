package pebble

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	db "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/dee2748c/baton/store"
)

var _ store.Verifier = (*Engine)(nil)

// Verify implements store.Verifier. What is only in the log and in memory is not read: the log is read when
// the store is opened, and then it is in tables.
func (e *Engine) Verify(ctx context.Context, await func(bytes uint64) error) ([]*store.CorruptError, error) {
	tables, err := e.tables()
	if err != nil {
		return nil, fmt.Errorf("verify the store in %s: %w", e.dir, err)
	}
	var found []*store.CorruptError
	for _, t := range tables {
		err := await(t.Size)
		if err == nil {
			err = ctx.Err()
		}
		var damaged []*store.CorruptError
		if err == nil {
			damaged, err = e.verifyTable(ctx, t)
		}
		if err != nil {
			return found, fmt.Errorf("verify the store in %s: %w", e.dir, err)
		}
		if len(damaged) > 0 {
			err = e.forgetBlocks()
		}
		if err != nil {
			return found, fmt.Errorf("verify the store in %s: %w", e.dir, err)
		}
		for _, d := range damaged {
			e.database.report.damage(d)
		}
		found = append(found, damaged...)
	}
	return found, nil
}

// tables returns those of which the store consists.
func (e *Engine) tables() (all []db.SSTableInfo, err error) {
	e.whole.Lock() // and so it is not closed meanwhile
	defer e.whole.Unlock()
	if err := e.alive(); err != nil {
		return nil, err
	}
	levels, err := e.database.SSTables()
	for _, level := range levels {
		all = append(all, level...)
	}
	return all, translate(err)
}

// forgetBlocks empties the cache: whoever mends reads through it, and would find the damaged blocks sound.
func (e *Engine) forgetBlocks() error {
	e.whole.Lock() // and so it is not closed meanwhile
	defer e.whole.Unlock()
	if err := e.alive(); err != nil {
		return err
	}
	e.database.cache.Reserve(int(e.database.cache.MaxSize()))()
	return nil
}

// verifyTable reads one table as it is on the disk, and returns what is damaged of each partition. One that
// is gone was written anew elsewhere, from what could be read of it.
func (e *Engine) verifyTable(ctx context.Context, t db.SSTableInfo) ([]*store.CorruptError, error) {
	name := t.BackingSSTNum.String() + ".sst"
	bounds := span{t.Smallest.UserKey, t.Largest.UserKey}
	if !t.Largest.IsExclusiveSentinel() {
		bounds.upper = store.After(bounds.upper)
	}
	damaged, err := e.readTable(ctx, name, bounds, t.Virtual)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if !db.IsCorruptionError(err) {
		return nil, translate(err)
	}
	var found []*store.CorruptError
	for _, h := range e.shares(damaged) {
		found = append(found, &store.CorruptError{ID: h.g.id, From: h.from, To: h.to, Err: fmt.Errorf("table %s: %w", name, store.ErrCorrupt)})
	}
	if damaged.lower[0] != tagGeneration || damaged.upper[0] != tagGeneration {
		return found, &store.DamageError{Dir: e.dir, File: name, Err: err}
	}
	return found, nil
}

// readTable reads the part of a table that is in use, and returns the span that can't be read with the error.
func (e *Engine) readTable(ctx context.Context, name string, bounds span, part bool) (damaged span, err error) {
	from := e.database.options.FS
	f, err := from.Open(from.PathJoin(e.dir, name))
	if err != nil {
		return bounds, err
	}
	file, err := sstable.NewSimpleReadable(f)
	if err != nil {
		return bounds, errors.Join(err, f.Close())
	}
	var o db.Options
	o.EnsureDefaults()
	r, err := sstable.NewReader(ctx, file, o.MakeReaderOptions()) // it has no cache, and closes the file
	if err != nil {
		return bounds, errors.Join(err, file.Close())
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if !part {
		if err = r.ValidateBlockChecksums(); err == nil {
			return span{}, nil
		}
	}
	last, forward := walkTable(r, bounds, false)
	if forward == nil {
		return bounds, err // of a part: all is well; else it is no block of items
	}
	damaged = bounds
	if last != nil {
		damaged.lower = last
	}
	if first, backward := walkTable(r, bounds, true); backward != nil && first != nil {
		damaged.upper = first
	}
	return damaged, forward
}

// walkTable reads a table until its end or an error, and returns the last key read.
func walkTable(r *sstable.Reader, bounds span, backward bool) (last []byte, err error) {
	it, err := r.NewIter(sstable.NoTransforms, bounds.lower, bounds.upper, sstable.AssertNoBlobHandles)
	if err != nil {
		return nil, err
	}
	kv := it.SeekGE(bounds.lower, 0)
	if backward {
		kv = it.SeekLT(bounds.upper, 0)
	}
	for kv != nil {
		if _, _, err = kv.Value(nil); err != nil {
			break
		}
		last = append(last[:0], kv.K.UserKey...)
		if backward {
			kv = it.Prev()
		} else {
			kv = it.Next()
		}
	}
	return last, errors.Join(err, it.Error(), it.Close())
}

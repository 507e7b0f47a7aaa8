package pebble

import (
	"context"
	"errors"
	"fmt"

	db "github.com/cockroachdb/pebble/v2"

	"github.com/dee2748c/baton/store"
)

var _ store.Checkpointer = (*Engine)(nil)

// Checkpoint implements store.Checkpointer. Tables are linked where the file
// system can, so it costs little at first; what the store drops later stays on
// the disk for as long as the copy does.
func (e *Engine) Checkpoint(dir string) error {
	e.whole.Lock()
	defer e.whole.Unlock()
	err := e.alive()
	if err == nil {
		err = e.database.space.admit(0)
	}
	if err == nil {
		err = errors.Join(translate(e.database.Checkpoint(dir, db.WithFlushedWAL())), e.database.broken())
	}
	if err != nil {
		return fmt.Errorf("checkpoint of the store in %s to %s: %w", e.dir, dir, err)
	}
	return nil
}

// Inspect says what a store that no process uses holds, without changing it. With
// recount it reads every item, and returns an error that is store.ErrCorrupt if a
// summary does not match. Only FS and Logger of the options are used.
func Inspect(ctx context.Context, dir string, o Options, recount bool) (c store.Contents, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("inspect store in %s: %w", dir, err)
		}
	}()
	o = o.withDefaults()
	if err := inspect(dir, o); err != nil {
		return c, err
	}
	o.Fatal = func(error) {} // nothing depends on what is only read
	d := &database{options: o}
	d.DB, err = db.Open(dir, &db.Options{
		FS: o.FS, ReadOnly: true, ErrorIfNotExists: true, FormatMajorVersion: db.FormatTableFormatV6,
		Logger: logger{d}, EventListener: d.listener(),
	})
	if err != nil {
		return c, damaged(dir, o.FS, translate(err))
	}
	defer func() { err = errors.Join(err, d.DB.Close()) }()
	identity, err := d.read(d.DB, []byte{tagIdentity})
	if err != nil {
		return c, err
	}
	copy(c.Identity[:], identity)
	e := &Engine{database: d, dir: dir, slots: make(map[store.ID]*slot), readers: make(map[revoker]struct{})}
	if err := e.readPointers(); err != nil {
		return c, err
	}
	for _, s := range e.all() {
		h := store.Held{ID: s.id}
		if h.Record, err = e.readRecord(s.id); err != nil {
			return c, err
		}
		if s.active == nil {
			continue
		}
		h.Summary = s.active.summary
		if recount {
			if err := s.active.verify(ctx); err != nil {
				return c, err
			}
		}
		c.Held = append(c.Held, h)
	}
	return c, nil
}

// verify compares the items with the summary.
func (g *generation) verify(ctx context.Context) error {
	snap := g.Snapshot()
	it := snap.Scan(nil, nil)
	var sum store.Summary
	for ctx.Err() == nil && it.Next() {
		item := it.Item()
		sum.Add(item.Hash(), len(item.Key)+len(item.Value))
	}
	if err := errors.Join(ctx.Err(), it.Err(), it.Close(), snap.Close()); err != nil {
		return err
	}
	if sum != g.summary || g.doubt {
		return fmt.Errorf("%v: %+v of items that should be %+v: %w", g.id, sum, g.summary, store.ErrCorrupt)
	}
	return nil
}

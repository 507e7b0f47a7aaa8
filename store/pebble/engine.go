package pebble

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	db "github.com/cockroachdb/pebble/v2"

	"github.com/dee2748c/baton/store"
)

// Engine is a durable store.Engine in one directory. It is safe for concurrent
// use. One process may have a directory open at a time.
type Engine struct {
	database *database
	dir      string
	closing  sync.Once
	closed   atomic.Bool // set before the database is closed
	closeErr error

	whole sync.Mutex // before all other locks: one Excise or Checkpoint at a time

	mu      sync.Mutex
	slots   map[store.ID]*slot
	readers map[revoker]struct{} // open snapshots and iterators
}

var _ store.Engine = (*Engine)(nil)

// revoker is a snapshot or an iterator: it can be closed under its user.
type revoker interface{ revoke() error }

// Open opens the database in dir, which is created if it does not exist. What
// can't be opened because it is damaged is a *store.DamageError.
func Open(dir string, o Options) (*Engine, error) {
	e, err := open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("open store in %s: %w", dir, err)
	}
	return e, nil
}

func open(dir string, o Options) (*Engine, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	err := inspect(dir, o)
	if err != nil {
		return nil, err
	}
	d, err := openDatabase(dir, o)
	if err != nil {
		return nil, damaged(dir, o.FS, err)
	}
	e := &Engine{database: d, dir: dir, slots: make(map[store.ID]*slot), readers: make(map[revoker]struct{})}
	if err := e.restore(); err != nil {
		return nil, errors.Join(damaged(dir, o.FS, err), d.Close())
	}
	return e, nil
}

// Identity implements store.Engine. It is durable before Open returns.
func (e *Engine) Identity() (id [16]byte, fresh bool) {
	return e.database.identity, e.database.fresh
}

// restore reads all pointers and removes what none of them names.
func (e *Engine) restore() error {
	if err := e.readPointers(); err != nil {
		return err
	}
	named := make(map[uint64]bool)
	for _, s := range e.slots {
		named[s.active.name()], named[s.staged.name()] = true, true
	}
	delete(named, 0)
	if err := e.sweep(named); err != nil {
		return err
	}
	if err := e.clearLoads(); err != nil {
		return err
	}
	return e.settle()
}

// readPointers makes the slots of all stored pointers.
func (e *Engine) readPointers() error {
	it, err := e.database.NewIter(&db.IterOptions{LowerBound: []byte{tagPointer}, UpperBound: []byte{tagPointer + 1}})
	if err != nil {
		return translate(err)
	}
	for valid := it.First(); valid && err == nil; valid = it.Next() {
		var s *slot
		if s, err = e.load(it.Key(), it.Value()); err == nil {
			e.slots[s.id] = s
		}
	}
	return errors.Join(err, translate(it.Close()))
}

// settle counts what an Excise that was cut short left to be counted. Where
// that meets damage, reads will too, and whoever reads has it cut out.
func (e *Engine) settle() error {
	for _, s := range e.all() {
		for _, g := range []*generation{s.active, s.staged} {
			if g == nil || !g.doubt {
				continue
			}
			if err := g.recount(); errors.Is(err, store.ErrCorrupt) {
				e.database.options.Logger.Error("summary not counted", "partition", s.id.String(), "err", err)
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

// load makes the slot of a stored pointer.
func (e *Engine) load(key, value []byte) (*slot, error) {
	id, err := parseIDKey(key)
	if err != nil {
		return nil, err
	}
	p, err := decodePointer(value)
	if err != nil {
		return nil, err
	}
	s := &slot{id: id, session: p.session, promoted: p.promoted}
	if s.active, err = e.loadGeneration(id, p.active); err != nil {
		return nil, err
	}
	s.staged, err = e.loadGeneration(id, p.staged)
	return s, err
}

// sweep removes the generations that are not named. It looks at one key of
// each generation only. Where that key is damaged it ends: what is left is
// removed by a later Open, when a reader has met the damage and had it cut out.
func (e *Engine) sweep(named map[uint64]bool) error {
	it, err := e.database.NewIter(&db.IterOptions{LowerBound: []byte{tagGeneration}, UpperBound: []byte{tagGeneration + 1}})
	if err != nil {
		return translate(err)
	}
	b := e.database.NewBatch()
	for valid := it.First(); valid && err == nil; {
		var number uint64
		if number, err = parsePrefix(it.Key()); err != nil {
			break
		}
		if !named[number] {
			err = deleteGeneration(b, number)
		}
		valid = it.SeekGE(appendPrefix(nil, number+1))
	}
	damage := translate(it.Close())
	if errors.Is(damage, store.ErrCorrupt) {
		e.database.options.Logger.Error("unused generations not removed", "err", damage)
		damage = nil
	}
	if err := errors.Join(err, damage); err != nil || b.Empty() {
		return errors.Join(err, b.Close())
	}
	return e.database.commit(b, db.Sync)
}

// alive returns why the engine can't be used, if it can't.
func (e *Engine) alive() error {
	if e.closed.Load() {
		return store.ErrClosed
	}
	return e.database.broken()
}

// with runs do on the slot of id, which it locks; in the slot's lock the engine
// stays open.
func (e *Engine) with(op string, id store.ID, do func(*slot) error) error {
	s, err := e.slot(id)
	if err != nil {
		return fmt.Errorf("%s %v: %w", op, id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = e.alive(); err == nil {
		err = do(s)
	}
	if err != nil {
		return fmt.Errorf("%s %v: %w", op, id, err)
	}
	return nil
}

func (e *Engine) slot(id store.ID) (*slot, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.alive(); err != nil {
		return nil, err
	}
	s := e.slots[id]
	if s == nil {
		s = &slot{id: id}
		e.slots[id] = s
	}
	return s, nil
}

// all returns the slots in the order of their IDs.
func (e *Engine) all() []*slot {
	e.mu.Lock()
	defer e.mu.Unlock()
	slots := make([]*slot, 0, len(e.slots))
	for _, s := range e.slots {
		slots = append(slots, s)
	}
	slices.SortFunc(slots, func(a, b *slot) int { return a.id.Compare(b.id) })
	return slots
}

// Partitions implements store.Engine.
func (e *Engine) Partitions() ([]store.ID, error) {
	if err := e.alive(); err != nil {
		return nil, fmt.Errorf("partitions: %w", err)
	}
	var ids []store.ID
	for _, s := range e.all() {
		s.mu.Lock()
		if s.active != nil {
			ids = append(ids, s.id)
		}
		s.mu.Unlock()
	}
	return ids, nil
}

// Record implements store.Records.
func (e *Engine) Record(id store.ID) (store.Record, error) {
	var r store.Record
	err := e.with("record", id, func(*slot) (err error) {
		r, err = e.readRecord(id)
		return err
	})
	return r, err
}

func (e *Engine) readRecord(id store.ID) (store.Record, error) {
	b, err := e.database.read(e.database, appendIDKey(nil, tagRecord, id))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Record{}, nil
	case err != nil:
		return store.Record{}, err
	default:
		return store.DecodeRecord(b)
	}
}

// SetRecord implements store.Records. It costs one fsync, which the records of
// other IDs that are set at the same time share.
func (e *Engine) SetRecord(id store.ID, r store.Record) error {
	return e.with("set record", id, func(*slot) error {
		stored, err := e.readRecord(id)
		if err != nil {
			return err
		}
		if err := stored.Succeed(r); err != nil {
			return err
		}
		b, err := r.AppendBinary(nil)
		if err != nil {
			return err
		}
		return e.database.set(appendIDKey(nil, tagRecord, id), b)
	})
}

// register notes an open reader, so that Close finds it. The caller keeps the
// engine from closing meanwhile.
func (e *Engine) register(r revoker) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.readers[r] = struct{}{}
}

func (e *Engine) forget(r revoker) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.readers, r)
}

// SharedLog implements store.SharedLog: there is one database.
func (e *Engine) SharedLog() {}

// Close implements store.Engine. What was written without a Sync is made durable
// too, as the log is closed in order.
func (e *Engine) Close() error {
	e.closing.Do(func() {
		// From here on no call passes alive; those that did are waited for.
		e.closed.Store(true)
		for _, s := range e.all() {
			s.drain()
		}
		e.whole.Lock()
		defer e.whole.Unlock()
		var errs []error
		for readers := e.takeReaders(); len(readers) > 0; readers = e.takeReaders() {
			// A snapshot that is not revoked yet may still add iterators.
			for r := range readers {
				errs = append(errs, r.revoke())
			}
		}
		errs = append(errs, e.database.Close())
		if err := errors.Join(errs...); err != nil {
			e.closeErr = fmt.Errorf("close store in %s: %w", e.dir, err)
		}
	})
	return e.closeErr
}

func (e *Engine) takeReaders() map[revoker]struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	readers := e.readers
	e.readers = make(map[revoker]struct{})
	return readers
}

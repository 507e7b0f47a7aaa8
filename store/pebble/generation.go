package pebble

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	db "github.com/cockroachdb/pebble/v2"

	"github.com/dee2748c/baton/store"
)

// generation is one generation and the handle to it.
type generation struct {
	engine *Engine
	id     store.ID
	number uint64

	mu      sync.RWMutex // read-held by every call, held to drop and to close
	dropped atomic.Bool  // set before mu is taken to drop

	writer sync.Mutex // after mu: held to change the fields below and the items
	last   []byte     // no key is above it, if sorted
	sorted bool       // last is known
	order  []int      // room for a batch's order
	key    []byte     // room for a key
	doubt  bool       // the summary is to be counted

	summaryMu sync.Mutex // after writer
	summary   store.Summary
}

var _ store.Partition = (*generation)(nil)

// newGeneration returns an empty generation, which no pointer names yet.
func (e *Engine) newGeneration(id store.ID) (*generation, error) {
	number, err := e.database.number()
	if err != nil {
		return nil, err
	}
	return &generation{engine: e, id: id, number: number, sorted: true}, nil
}

// loadGeneration returns id's stored generation of that number, nil for 0.
func (e *Engine) loadGeneration(id store.ID, number uint64) (*generation, error) {
	if number == 0 {
		return nil, nil
	}
	g := &generation{engine: e, id: id, number: number}
	var err error
	g.summary, err = g.readSummary(e.database)
	if err == nil {
		_, err = e.database.read(e.database, g.doubtKey())
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return g, nil
	case err == nil || errors.Is(err, store.ErrCorrupt):
		g.doubt = true
		return g, nil
	default:
		return nil, err
	}
}

// name returns the number of a generation, 0 if there is none.
func (g *generation) name() uint64 {
	if g == nil {
		return 0
	}
	return g.number
}

func (g *generation) appendItemKey(dst, key []byte) []byte {
	return append(append(appendPrefix(dst, g.number), tagItem), key...)
}

func (g *generation) summaryKey() []byte {
	return append(appendPrefix(make([]byte, 0, prefixSize+1), g.number), tagSummary)
}

func (g *generation) doubtKey() []byte {
	return append(appendPrefix(make([]byte, 0, prefixSize+1), g.number), tagDoubt)
}

// readSummary returns the stored summary; that of nothing if none is stored.
func (g *generation) readSummary(from db.Reader) (store.Summary, error) {
	b, err := g.engine.database.read(from, g.summaryKey())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Summary{}, nil
	case err != nil:
		return store.Summary{}, err
	default:
		return decodeSummary(b)
	}
}

// enter admits a call, which then must leave. Until it leaves, the generation is
// not dropped and the engine not closed.
func (g *generation) enter(op string) error {
	g.mu.RLock()
	if err := g.usable(); err != nil {
		g.mu.RUnlock()
		return fmt.Errorf("%s %v: %w", op, g.id, err)
	}
	return nil
}

// usable returns why the generation can't be used, if it can't.
func (g *generation) usable() error {
	err := g.engine.alive()
	if err == nil && g.dropped.Load() {
		err = store.ErrDropped
	}
	return err
}

// damaged translates err, and names and reports the items if it is that they are
// corrupt: those from from on in the table that is damaged, but none from to on.
func (g *generation) damaged(err error, from, to []byte) error {
	info := db.ExtractDataCorruptionInfo(err)
	if err = translate(err); !errors.Is(err, store.ErrCorrupt) {
		return err
	}
	if info != nil && len(info.Bounds.Start) > 0 {
		upper, first := boundsOf(info).upper, g.appendItemKey(nil, from)
		if bytes.Compare(upper, first) > 0 && bytes.Compare(upper, g.summaryKey()) < 0 {
			if upper = upper[prefixSize+1:]; to == nil || bytes.Compare(upper, to) < 0 {
				to = upper
			}
		}
	}
	damage := &store.CorruptError{ID: g.id, From: bytes.Clone(from), To: bytes.Clone(to), Err: err}
	g.engine.database.report.damage(damage)
	return damage
}

func (g *generation) leave() { g.mu.RUnlock() }

// drain waits for the calls that were admitted.
func (g *generation) drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
}

// drop refuses all further calls and waits for those that were admitted.
func (g *generation) drop() {
	g.dropped.Store(true)
	g.drain()
}

// Get implements store.Partition. It copies the item.
func (g *generation) Get(key []byte) (store.Item, error) {
	if err := g.enter("get"); err != nil {
		return store.Item{}, err
	}
	defer g.leave()
	value, closer, err := g.engine.database.Get(g.appendItemKey(make([]byte, 0, prefixSize+1+len(key)), key))
	if errors.Is(err, db.ErrNotFound) {
		return store.Item{}, store.ErrNotFound
	}
	if err != nil {
		return store.Item{}, fmt.Errorf("get: %w", g.damaged(err, key, store.After(key)))
	}
	version, value, err := splitValue(value)
	if err != nil {
		err = fmt.Errorf("get: %w", g.damaged(err, key, store.After(key)))
		return store.Item{}, errors.Join(err, closer.Close())
	}
	own := append(append(make([]byte, 0, len(key)+len(value)), key...), value...)
	item := store.Item{Key: own[:len(key):len(key)], Value: own[len(key):], Version: version}
	return item, closer.Close()
}

// Write implements store.Partition. It looks up what it overwrites, except for
// keys above all others.
func (g *generation) Write(b *store.Batch) error {
	if err := g.enter("write"); err != nil {
		return err
	}
	defer g.leave()
	g.writer.Lock()
	defer g.writer.Unlock()
	if err := g.write(b.Ops(), b.Size()); err != nil {
		return fmt.Errorf("write %v: %w", g.id, err)
	}
	return nil
}

func (g *generation) write(ops []store.Op, size int) error {
	const perItem = prefixSize + 1 + versionSize + 8 // and what Pebble adds
	room := size + (len(ops)+1)*perItem + summarySize
	if err := g.engine.database.space.admit(room); err != nil {
		return err
	}
	if err := g.findLast(); err != nil {
		return err
	}
	d, summary, last := g.engine.database, g.summary, g.last
	batch := d.NewBatchWithSize(room)
	for _, i := range g.net(ops) {
		op := &ops[i]
		if err := g.replace(batch, op, &summary, &last); err != nil {
			return errors.Join(err, batch.Close())
		}
	}
	if batch.Empty() {
		return batch.Close()
	}
	if err := batch.Set(g.summaryKey(), appendSummary(nil, summary), nil); err != nil {
		return errors.Join(err, batch.Close())
	}
	if err := d.commit(batch, db.NoSync); err != nil {
		return err
	}
	g.last = append(g.last[:0], last...)
	g.setSummary(summary)
	return nil
}

// replace adds op to the batch and accounts for it. last is the upper bound of
// all keys so far; it points into the ops.
func (g *generation) replace(batch *db.Batch, op *store.Op, summary *store.Summary, last *[]byte) error {
	g.key = g.appendItemKey(g.key[:0], op.Key)
	found := false
	if above := (summary.Items == 0 && !g.doubt) || bytes.Compare(op.Key, *last) > 0; !above {
		var err error
		if found, err = g.subtract(op.Key, summary); err != nil {
			return err
		}
	} else if !op.Delete {
		*last = op.Key
	}
	switch {
	case !op.Delete:
		summary.Add(store.HashItem(op.Key, op.Version, op.Value), len(op.Key)+len(op.Value))
		set := batch.SetDeferred(len(g.key), versionSize+len(op.Value))
		copy(set.Key, g.key)
		binary.BigEndian.PutUint64(set.Value, op.Version)
		copy(set.Value[versionSize:], op.Value)
		return set.Finish()
	case found:
		return batch.Delete(g.key, nil)
	default:
		return nil
	}
}

// subtract takes the stored item under g.key out of the summary, if there is one.
func (g *generation) subtract(key []byte, summary *store.Summary) (bool, error) {
	stored, closer, err := g.engine.database.Get(g.key)
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, g.damaged(err, key, store.After(key))
	}
	version, value, err := splitValue(stored)
	if err != nil {
		return false, errors.Join(g.damaged(err, key, store.After(key)), closer.Close())
	}
	summary.Remove(store.HashItem(key, version, value), len(key)+len(value))
	return true, closer.Close()
}

// net returns the indices of the ops that count: in ascending order of their
// keys, of equal keys the last.
func (g *generation) net(ops []store.Op) []int {
	g.order = g.order[:0]
	ascending := true
	for i := range ops {
		g.order = append(g.order, i)
		ascending = ascending && (i == 0 || bytes.Compare(ops[i-1].Key, ops[i].Key) < 0)
	}
	if ascending {
		return g.order
	}
	slices.SortStableFunc(g.order, func(i, j int) int { return bytes.Compare(ops[i].Key, ops[j].Key) })
	kept := g.order[:0]
	for n, i := range g.order {
		if n+1 == len(g.order) || !bytes.Equal(ops[i].Key, ops[g.order[n+1]].Key) {
			kept = append(kept, i)
		}
	}
	return kept
}

// findLast makes sure that the upper bound of all keys is known.
func (g *generation) findLast() error {
	if g.sorted {
		return nil
	}
	lower := g.appendItemKey(nil, nil)
	it, err := g.engine.database.NewIter(&db.IterOptions{LowerBound: lower, UpperBound: g.summaryKey()})
	if err != nil {
		return g.damaged(err, nil, nil)
	}
	if it.Last() {
		g.last = append(g.last[:0], it.Key()[len(lower):]...)
	}
	if err := it.Close(); err != nil {
		return g.damaged(err, nil, nil)
	}
	g.sorted = true
	return nil
}

func (g *generation) setSummary(s store.Summary) {
	g.summaryMu.Lock()
	defer g.summaryMu.Unlock()
	g.summary = s
}

// Summary implements store.Partition.
func (g *generation) Summary() store.Summary {
	g.summaryMu.Lock()
	defer g.summaryMu.Unlock()
	return g.summary
}

// Sync implements store.Partition. It makes the writes of all partitions of the
// engine durable, and costs nothing if they are.
func (g *generation) Sync() error {
	if err := g.enter("sync"); err != nil {
		return err
	}
	defer g.leave()
	if err := g.engine.database.sync(); err != nil {
		return fmt.Errorf("sync %v: %w", g.id, err)
	}
	return nil
}

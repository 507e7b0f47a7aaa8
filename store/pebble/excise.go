package pebble

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	db "github.com/cockroachdb/pebble/v2"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
)

var _ store.Exciser = (*Engine)(nil)

// span is a range of the database's keys, lower <= key < upper.
type span struct{ lower, upper []byte }

func (s span) String() string { return fmt.Sprintf("%q to %q", s.lower, s.upper) }

// share is what a span holds of one generation.
type share struct {
	g        *generation
	from, to []byte // as of its items
}

// maxCuts bounds how often one Excise cuts: each cut takes away what the one
// before could not read, so no more are needed than there are tables.
const maxCuts = 1 << 10

// tableError is damage of a table that was met by whoever knows no partition.
type tableError struct {
	span
	path string
}

func (t *tableError) Error() string { return fmt.Sprintf("table %s with keys from %v", t.path, t.span) }

// report tells of damage, or keeps it until somebody listens.
type report struct {
	mu    sync.Mutex
	to    func(*store.CorruptError)
	early []*store.CorruptError
}

// maxEarly is how much damage is kept for a listener; reads will meet the rest.
const maxEarly = 100

func (r *report) damage(err *store.CorruptError) {
	r.mu.Lock()
	to := r.to
	if to == nil && len(r.early) < maxEarly {
		r.early = append(r.early, err)
	}
	r.mu.Unlock()
	if to != nil {
		to(err)
	}
}

// OnDamage implements store.Exciser.
func (e *Engine) OnDamage(f func(*store.CorruptError)) {
	r := &e.database.report
	r.mu.Lock()
	early := r.early
	r.to, r.early = f, nil
	r.mu.Unlock()
	for _, err := range early {
		f(err)
	}
}

// Excise implements store.Exciser. The damage is located by reading; the database
// then forgets the span, which leaves the rest of a table in place. The summary
// can't be corrected for items that nobody can read, so it is counted anew, while
// reads and writes go on; a mark on the disk has a crash before its end go on
// with it at the next open.
func (e *Engine) Excise(damage *store.CorruptError, announce func([]store.Excised) error) error {
	e.whole.Lock()
	defer e.whole.Unlock()
	err := e.alive()
	x := excision{engine: e, announce: announce}
	for _, h := range e.doubtful(damage) {
		if err == nil {
			err = x.cut(h.g, h.from, h.to)
		}
		if errors.Is(err, store.ErrDropped) {
			err = nil
		}
	}
	for err == nil && len(x.uncounted) > 0 {
		next := x.uncounted[0]
		err = next.recount()
		counted := err == nil
		var more *store.CorruptError
		if errors.As(err, &more) {
			err = x.cut(next, more.From, more.To)
		}
		if counted || errors.Is(err, store.ErrDropped) {
			err, x.uncounted = nil, x.uncounted[1:]
		}
	}
	if err != nil {
		return fmt.Errorf("excise: %w: %w", damage, err)
	}
	return nil
}

// doubtful returns what damage may be of.
func (e *Engine) doubtful(damage *store.CorruptError) []share {
	var table *tableError
	if errors.As(damage.Err, &table) {
		return e.shares(table.span)
	}
	var shares []share
	for _, h := range e.shares(span{[]byte{tagGeneration}, []byte{tagGeneration + 1}}) {
		if h.g.id == damage.ID {
			shares = append(shares, share{h.g, damage.From, damage.To})
		}
	}
	return shares
}

// excision is an Excise under way.
type excision struct {
	engine    *Engine
	of        *generation // the present cut is of; locked, it keeps the engine open
	announce  func([]store.Excised) error
	uncounted []*generation // have lost items, and their summaries don't say so yet
	cuts      int
}

// cut gives up all damage between two keys of g.
func (x *excision) cut(g *generation, from, to []byte) error {
	x.of = g
	for {
		s, table, err := g.locate(from, to)
		if err != nil || table == nil {
			return err
		}
		if s, err = g.widen(s, *table); err != nil {
			return err
		}
		err = x.giveUp(s)
		if errors.Is(err, store.ErrCorrupt) {
			// The rest of the table can't be read either.
			err = x.giveUp(*table)
		}
		if err != nil {
			return err
		}
	}
}

// locate finds the first damage between two keys: the span that can't be read of
// a table, and the whole table; nil if all can be read.
func (g *generation) locate(from, to []byte) (damaged span, table *span, err error) {
	if err := g.enter("locate"); err != nil {
		return span{}, nil, err
	}
	defer g.leave()
	doubt := span{g.appendItemKey(nil, from), g.doubtKey()}
	if to != nil {
		doubt.upper = g.appendItemKey(nil, to)
	}
	_, err = g.walk(doubt, (*db.Iterator).First, (*db.Iterator).Next)
	if err == nil {
		// A scan does not use the filter of a table.
		_, err = g.engine.database.read(g.engine.database, doubt.lower)
	}
	if !db.IsCorruptionError(err) {
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return span{}, nil, err
	}
	if table, err = g.engine.tableOf(err); err != nil {
		return span{}, nil, err
	}
	// What is good at both ends of the table stays. The last good key before the
	// damage goes: to seek what is below a key above it would touch the damage.
	inside := span{g.appendItemKey(nil, nil), g.doubtKey()}
	inside.lower = slices.MaxFunc([][]byte{inside.lower, table.lower}, bytes.Compare)
	inside.upper = slices.MinFunc([][]byte{inside.upper, table.upper}, bytes.Compare)
	last, forward := g.walk(inside, (*db.Iterator).First, (*db.Iterator).Next)
	first, backward := g.walk(inside, (*db.Iterator).Last, (*db.Iterator).Prev)
	for _, err := range []error{forward, backward} {
		if err != nil && !db.IsCorruptionError(err) {
			return span{}, nil, err
		}
	}
	if forward == nil || backward == nil {
		return *table, table, nil
	}
	if last != nil {
		inside.lower = last
	}
	if first != nil {
		inside.upper = first
	}
	return inside, table, nil
}

// widen moves the ends of a span to where the rest of its table can be read: the
// database looks there for what stays of the table, and takes an error for an
// empty rest. So damage that reaches into a neighbour is given up, and announced,
// as what it is.
func (g *generation) widen(s, table span) (span, error) {
	if bytes.Compare(s.upper, table.upper) < 0 {
		rest := span{s.upper, table.upper}
		if damaged, err := g.begins(rest, (*db.Iterator).First); err != nil {
			return s, err
		} else if damaged {
			first, err := g.walk(rest, (*db.Iterator).Last, (*db.Iterator).Prev)
			if err != nil && !db.IsCorruptionError(err) {
				return s, err
			}
			if s.upper = table.upper; first != nil {
				s.upper = first
			}
		}
	}
	if bytes.Compare(table.lower, s.lower) < 0 {
		rest := span{table.lower, s.lower}
		if damaged, err := g.begins(rest, (*db.Iterator).Last); err != nil {
			return s, err
		} else if damaged {
			last, err := g.walk(rest, (*db.Iterator).First, (*db.Iterator).Next)
			if err != nil && !db.IsCorruptionError(err) {
				return s, err
			}
			if s.lower = table.lower; last != nil {
				s.lower = last
			}
		}
	}
	return s, nil
}

// begins reports whether the first step into a span meets damage.
func (g *generation) begins(s span, step func(*db.Iterator) bool) (damaged bool, err error) {
	once := func(*db.Iterator) bool { return false }
	if _, err = g.walk(s, step, once); db.IsCorruptionError(err) {
		return true, nil
	}
	return false, err
}

// walk reads a span until its end or an error, and returns the last key read.
func (g *generation) walk(s span, begin, next func(*db.Iterator) bool) (last []byte, err error) {
	it, err := g.engine.database.NewIter(&db.IterOptions{LowerBound: s.lower, UpperBound: s.upper})
	if err != nil {
		return nil, err
	}
	for valid := begin(it); valid; valid = next(it) {
		// Close and Drop wait for this call.
		if err = g.usable(); err == nil {
			_, err = it.ValueAndErr()
		}
		if err != nil {
			break
		}
		last = append(last[:0], it.Key()...)
	}
	if closeErr := it.Close(); err == nil {
		err = closeErr
	}
	return last, err
}

// tableOf returns the bounds of the table that an error of the database is about.
func (e *Engine) tableOf(err error) (*span, error) {
	if info := db.ExtractDataCorruptionInfo(err); info != nil && len(info.Bounds.Start) > 0 {
		return boundsOf(info), nil
	}
	return nil, &store.DamageError{Dir: e.dir, Err: err}
}

func boundsOf(info *db.DataCorruptionInfo) *span {
	table := &span{bytes.Clone(info.Bounds.Start), bytes.Clone(info.Bounds.End.Key)}
	// The end is inclusive, unless it comes from a range delete.
	if !info.Bounds.End.IsUpperBoundFor(bytes.Compare, table.upper) {
		return table
	}
	table.upper = store.After(table.upper)
	return table
}

// giveUp makes the database forget a span. The generations in it have their
// summaries to be counted.
func (x *excision) giveUp(s span) error {
	e := x.engine
	if x.cuts++; x.cuts > maxCuts {
		return &store.DamageError{Dir: e.dir, Err: fmt.Errorf("still damaged after %d cuts, the next from %v", maxCuts, s)}
	}
	if s.lower[0] != tagGeneration || s.upper[0] != tagGeneration {
		return &store.DamageError{Dir: e.dir, Err: fmt.Errorf("a table from %v holds pointers and records", s)}
	}
	shares := e.shares(s)
	lost := make([]store.Excised, len(shares))
	for i, h := range shares {
		lost[i] = store.Excised{ID: h.g.id, From: h.from, To: h.to}
	}
	if err := x.announce(lost); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	// What is in memory would have to be flushed while everybody waits.
	if err := x.of.flush(); err != nil {
		return err
	}
	for _, h := range shares {
		h.g.mu.Lock()
		defer h.g.mu.Unlock()
	}
	if err := x.of.usable(); err != nil {
		return err
	}
	var err error
	marks := e.database.NewBatch()
	for _, h := range shares {
		if !h.g.dropped.Load() {
			err = errors.Join(err, marks.Set(h.g.doubtKey(), nil, nil))
		}
	}
	if err != nil {
		return errors.Join(err, marks.Close())
	}
	if err := e.database.commit(marks, db.Sync); err != nil {
		return err
	}
	for _, h := range shares {
		// The database takes the span from its snapshots too.
		e.endSnapshots(h.g, &store.CorruptError{ID: h.g.id, From: h.from, To: h.to, Err: store.ErrCorrupt})
		h.g.doubt = true
		if !slices.Contains(x.uncounted, h.g) {
			x.uncounted = append(x.uncounted, h.g)
		}
	}
	if err := e.database.excise(s); err != nil {
		return err
	}
	e.database.options.Logger.Error("damaged items given up", "span", s.String(), "partitions", fmt.Sprint(lost))
	return nil
}

func (g *generation) flush() error {
	if err := g.enter("flush"); err != nil {
		return err
	}
	defer g.leave()
	return translate(g.engine.database.Flush())
}

// shares returns what a span holds of each generation, in the order of their
// numbers.
func (e *Engine) shares(s span) []share {
	var shares []share
	for _, slot := range e.all() {
		slot.mu.Lock()
		for _, g := range []*generation{slot.active, slot.staged} {
			if g == nil {
				continue
			}
			h := share{g: g}
			first, end := g.appendItemKey(nil, nil), appendPrefix(nil, g.number+1)
			if bytes.Compare(s.lower, end) >= 0 || bytes.Compare(s.upper, first) <= 0 {
				continue
			}
			if bytes.Compare(s.lower, first) > 0 {
				h.from = bytes.Clone(s.lower[len(first):])
			}
			if bytes.Compare(s.upper, g.summaryKey()) < 0 {
				h.to = bytes.Clone(s.upper[len(first):])
			}
			shares = append(shares, h)
		}
		slot.mu.Unlock()
	}
	slices.SortFunc(shares, func(a, b share) int { return cmp.Compare(a.g.number, b.g.number) })
	return shares
}

// endSnapshots ends the open snapshots of g.
func (e *Engine) endSnapshots(g *generation, reason error) {
	e.mu.Lock()
	var open []*snapshot
	for r := range e.readers {
		if s, ok := r.(*snapshot); ok && s.g == g {
			open = append(open, s)
		}
	}
	e.mu.Unlock()
	for _, s := range open {
		if err := s.end(fmt.Errorf("scan: %w", reason)); err != nil {
			e.database.options.Logger.Warn("snapshot not closed", "err", err)
		}
	}
}

// excise makes the database forget a span at once. Not by way of the log, as it
// does when that saves a flush: should it fail later, it would fail for ever.
func (d *database) excise(s span) error {
	d.excising.Store(true)
	defer d.excising.Store(false)
	return translate(d.Excise(context.Background(), db.KeyRange{Start: s.lower, End: s.upper}))
}

// recount corrects the summary by what a snapshot holds, whatever is written
// meanwhile: sums can be subtracted.
func (g *generation) recount() error {
	if err := g.enter("recount"); err != nil {
		return err
	}
	g.writer.Lock()
	was, snap := g.summary, g.cut()
	g.writer.Unlock()
	g.leave()
	counted, err := count(snap.Scan(nil, nil))
	if err := errors.Join(err, snap.Close()); err != nil {
		return err
	}
	if err := g.enter("recount"); err != nil {
		return err
	}
	defer g.leave()
	g.writer.Lock()
	defer g.writer.Unlock()
	b := g.engine.database.NewBatch()
	summary := shifted(g.summary, was, counted)
	err = errors.Join(b.Set(g.summaryKey(), appendSummary(nil, summary), nil), b.Delete(g.doubtKey(), nil))
	if err != nil {
		return errors.Join(err, b.Close())
	}
	if err := g.engine.database.commit(b, db.NoSync); err != nil {
		return err
	}
	g.doubt = false
	g.setSummary(summary)
	return nil
}

// shifted returns s as it would be had it been "to" where it was "from".
func shifted(s, from, to store.Summary) store.Summary {
	gone := topology.ItemHash{Hi: binary.BigEndian.Uint64(from.Digest[:8]), Lo: binary.BigEndian.Uint64(from.Digest[8:])}
	return store.Summary{
		Items:  s.Items - from.Items + to.Items,
		Bytes:  s.Bytes - from.Bytes + to.Bytes,
		Digest: s.Digest.Merge(to.Digest).Sub(gone),
	}
}

// count adds the items of it up, and closes it.
func count(it store.Iterator) (store.Summary, error) {
	var sum store.Summary
	for it.Next() {
		item := it.Item()
		sum.Add(item.Hash(), len(item.Key)+len(item.Value))
	}
	return sum, errors.Join(it.Err(), it.Close())
}

package storetest

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
)

// generation is the model of one generation.
type generation struct {
	items   contents
	dropped bool
}

// slot is what the model knows of one ID.
type slot struct {
	active, staged *generation // nil: none
	session        uint64      // names staged
	promoted       uint64
	record         store.Record
}

func (s *slot) clone() slot {
	c := *s
	c.active, c.staged, c.record = s.active.clone(), s.staged.clone(), s.record.Clone()
	return c
}

func (g *generation) clone() *generation {
	if g == nil {
		return nil
	}
	return &generation{items: maps.Clone(g.items), dropped: g.dropped}
}

// handle is a partition that the walk has opened.
type handle struct {
	id  store.ID
	p   store.Partition
	gen *generation
}

type cutting struct {
	snap store.Snapshot
	want contents
}

// walk drives an engine and its model together.
type walk struct {
	engine store.Engine
	slots  map[store.ID]*slot
	live   []*handle
	cuts   []cutting
	wrote  func(store.ID) // told of each change, if set
	synced func(store.ID) // told when all changes so far are durable, if set
}

var modelIDs = []store.ID{{Kind: "kv", Partition: 0}, {Kind: "kv", Partition: 1}, {Kind: "pipe", Partition: 1}}

func newWalk(e store.Engine) *walk {
	w := &walk{engine: e, slots: map[store.ID]*slot{}}
	for _, id := range modelIDs {
		w.slots[id] = &slot{}
	}
	return w
}

func (w *walk) pick(t *rapid.T) (store.ID, *slot) {
	id := rapid.SampledFrom(modelIDs).Draw(t, "id")
	return id, w.slots[id]
}

// changed is called after each change of the model.
func (w *walk) changed(id store.ID, durable bool) {
	if w.wrote != nil {
		w.wrote(id)
	}
	if durable && w.synced != nil {
		w.synced(id)
	}
}

func testModel(t *testing.T, open Factory) {
	rapid.Check(t, func(rt *rapid.T) {
		e := open(t)
		defer closeAll(t, e)
		w := newWalk(e)
		defer w.release(rt)
		rt.Repeat(w.actions())
	})
}

func (w *walk) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"":            w.check,
		"open":        w.open,
		"write":       w.write,
		"write more":  w.write,
		"bulk load":   w.bulkLoad,
		"read":        w.read,
		"sync":        w.sync,
		"snapshot":    w.snapshot,
		"look back":   w.lookBack,
		"stage":       w.stage,
		"promote":     w.promote,
		"dropStaging": w.dropStaging,
		"drop":        w.drop,
		"setRecord":   w.setRecord,
	}
}

// retire marks a generation that is gone, if there was one.
func retire(g *generation) {
	if g != nil {
		g.dropped = true
	}
}

func (w *walk) open(t *rapid.T) {
	id, s := w.pick(t)
	p, err := w.engine.Open(id)
	noError(t, "open", err)
	if s.active == nil {
		s.active = &generation{items: contents{}}
		w.changed(id, false)
	}
	w.live = append(w.live, &handle{id: id, p: p, gen: s.active})
}

func drawKey(t *rapid.T) string {
	return rapid.StringOfN(rapid.SampledFrom([]rune("ab\x00")), 0, 3, -1).Draw(t, "key")
}

func (w *walk) write(t *rapid.T) {
	if len(w.live) == 0 {
		return
	}
	h := rapid.SampledFrom(w.live).Draw(t, "handle")
	next, b := maps.Clone(h.gen.items), new(store.Batch)
	for range rapid.IntRange(0, 6).Draw(t, "operations") {
		key := drawKey(t)
		if rapid.Bool().Draw(t, "delete") {
			b.Delete([]byte(key))
			delete(next, key)
			continue
		}
		value, version := rapid.StringN(0, 9, -1).Draw(t, "value"), rapid.Uint64().Draw(t, "version")
		b.Put([]byte(key), []byte(value), version)
		next[key] = held{value, version}
	}
	err := h.p.Write(b)
	if h.gen.dropped {
		wantError(t, "write to a dropped generation", err, store.ErrDropped)
		return
	}
	noError(t, "write", err)
	h.gen.items = next
	w.changed(h.id, false)
}

func (w *walk) bulkLoad(t *rapid.T) {
	if len(w.live) == 0 {
		return
	}
	h := rapid.SampledFrom(w.live).Draw(t, "handle")
	p, ok := h.p.(store.BulkLoader)
	if !ok {
		return
	}
	keys := rapid.SliceOfDistinct(rapid.StringN(0, 3, -1), rapid.ID).Draw(t, "keys")
	slices.Sort(keys)
	err := p.BulkLoad(listOf(keys...))
	switch {
	case h.gen.dropped:
		wantError(t, "load into a dropped generation", err, store.ErrDropped)
	case len(h.gen.items) > 0:
		wantError(t, "load into a generation with items", err, store.ErrNotEmpty)
	default:
		noError(t, "load", err)
		items := contents{}
		for _, key := range keys {
			items[key] = held{key, 1}
		}
		h.gen.items = items
		w.changed(h.id, len(keys) > 0)
	}
}

func (w *walk) read(t *rapid.T) {
	if len(w.live) == 0 {
		return
	}
	h := rapid.SampledFrom(w.live).Draw(t, "handle")
	key := drawKey(t)
	item, err := h.p.Get([]byte(key))
	want, ok := h.gen.items[key]
	switch {
	case h.gen.dropped:
		wantError(t, "get from a dropped generation", err, store.ErrDropped)
	case !ok:
		wantError(t, "get of an absent key", err, store.ErrNotFound)
	case err != nil || string(item.Value) != want.Value || item.Version != want.Version:
		t.Fatalf("get %q: %q@%d (%v), want %q@%d", key, item.Value, item.Version, err, want.Value, want.Version)
	}
}

func (w *walk) sync(t *rapid.T) {
	if len(w.live) == 0 {
		return
	}
	h := rapid.SampledFrom(w.live).Draw(t, "handle")
	if err := h.p.Sync(); h.gen.dropped {
		wantError(t, "sync of a dropped generation", err, store.ErrDropped)
	} else {
		noError(t, "sync", err)
		w.changed(h.id, true)
	}
}

func (w *walk) snapshot(t *rapid.T) {
	if len(w.live) == 0 {
		return
	}
	h := rapid.SampledFrom(w.live).Draw(t, "handle")
	if !h.gen.dropped {
		w.cuts = append(w.cuts, cutting{h.p.Snapshot(), maps.Clone(h.gen.items)})
	}
}

// lookBack checks and closes one of the snapshots taken.
func (w *walk) lookBack(t *rapid.T) {
	if len(w.cuts) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.cuts)-1).Draw(t, "snapshot")
	holds(t, w.cuts[i].snap, w.cuts[i].want)
	closeAll(t, w.cuts[i].snap)
	w.cuts = slices.Delete(w.cuts, i, i+1)
}

func (w *walk) stage(t *rapid.T) {
	id, s := w.pick(t)
	session := rapid.Uint64Range(0, 12).Draw(t, "session")
	p, err := w.engine.Stage(id, session)
	if session <= s.promoted || session < s.session {
		wantError(t, "stage", err, store.ErrStaleSession)
		return
	}
	noError(t, "stage", err)
	retire(s.staged)
	s.staged, s.session = &generation{items: contents{}}, session
	w.live = append(w.live, &handle{id: id, p: p, gen: s.staged})
	w.changed(id, true)
}

func (w *walk) promote(t *rapid.T) {
	id, s := w.pick(t)
	session := rapid.Uint64Range(max(s.session, 1)-1, s.session+1).Draw(t, "session")
	err := w.engine.Promote(id, session)
	switch {
	case s.active != nil && session == s.promoted && session != 0:
		noError(t, "promote again", err)
	case session <= s.promoted || session < s.session:
		wantError(t, "promote", err, store.ErrStaleSession)
	case s.staged == nil || session != s.session:
		wantError(t, "promote", err, store.ErrNotStaged)
	default:
		noError(t, "promote", err)
		retire(s.active)
		s.active, s.promoted = s.staged, session
		s.staged, s.session = nil, 0
		w.changed(id, true)
	}
}

func (w *walk) dropStaging(t *rapid.T) {
	id, s := w.pick(t)
	session := rapid.Uint64Range(max(s.session, 1)-1, s.session+1).Draw(t, "session")
	noError(t, "drop staging", w.engine.DropStaging(id, session))
	if s.staged != nil && s.session == session {
		retire(s.staged)
		s.staged, s.session = nil, 0
		w.changed(id, true)
	}
}

func (w *walk) drop(t *rapid.T) {
	id, s := w.pick(t)
	noError(t, "drop", w.engine.Drop(id))
	if s.active != nil {
		retire(s.active)
		s.active = nil
		w.changed(id, true)
	}
}

func (w *walk) setRecord(t *rapid.T) {
	id, s := w.pick(t)
	small := rapid.Uint64Range(0, 3)
	next := store.Record{
		Epoch: small.Draw(t, "epoch"), RingVersion: small.Draw(t, "ring version"), MaxSession: small.Draw(t, "max session"),
		Frozen: small.Draw(t, "frozen"), Sealed: small.Draw(t, "sealed"), Tombstone: ring.NodeID(rapid.StringN(0, 4, -1).Draw(t, "tombstone")),
	}
	if rapid.Bool().Draw(t, "with seal") {
		next.Seal = &topology.Seal{LastSeq: small.Draw(t, "last seq"), Items: rapid.Uint64().Draw(t, "items")}
	}
	err := w.engine.SetRecord(id, next)
	if want := s.record.Succeed(next); want != nil {
		wantError(t, "set record", err, store.ErrFenceLowered)
		return
	}
	noError(t, "set record", err)
	s.record = next.Clone()
	w.changed(id, true)
}

// check compares everything that can be seen without changing it.
func (w *walk) check(t *rapid.T) {
	var active []store.ID
	for _, id := range modelIDs {
		s := w.slots[id]
		if s.active != nil {
			active = append(active, id)
		}
		wantStaged(t, w.engine, id, s.session)
		wantRecord(t, w.engine, id, s.record)
	}
	ids, err := w.engine.Partitions()
	noError(t, "partitions", err)
	if !slices.Equal(ids, active) {
		t.Fatalf("partitions %v, want %v", ids, active)
	}
	for _, h := range w.live {
		if h.gen.dropped {
			if _, err := h.p.Get(nil); !errors.Is(err, store.ErrDropped) {
				t.Fatalf("get from a dropped generation: %v", err)
			}
			continue
		}
		mustHold(t, h.p, h.gen.items)
	}
}

func (w *walk) release(t *rapid.T) {
	for _, c := range w.cuts {
		closeAll(t, c.snap)
	}
	w.cuts = nil
}

package actors

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// foldRequested is FOLD_REQ at the vnode: the machine decides whether the fold
// begins, and if it does BeginFold has made this shell ready for it.
func (a *vnodeActor) foldRequested(r *foldRequest) {
	a.step(vnode.FoldRequested{Session: r.session})
	if !a.moving || a.handoff.Session != r.session {
		r.reply <- foldReply{err: fmt.Errorf("fold %v for session %d in state %v: %w", a.id, r.session, a.life.State(), errNotNow)}
		return
	}
	r.reply <- a.foldReply()
}

// foldAgain serves a second stream of the same session: a new snapshot, and
// every exported item counts as changed again.
func (a *vnodeActor) foldAgain(r *foldRequest) {
	if a.handoff.Session != r.session {
		r.reply <- foldReply{err: fmt.Errorf("fold %v again for session %d: %w", a.id, r.session, errNotNow)}
		return
	}
	a.dirty.Reset()
	for key := range a.exported.sizes {
		a.dirty.Mark([]byte(key))
	}
	r.reply <- a.foldReply()
}

func (a *vnodeActor) foldReply() foldReply {
	switch {
	case a.isEmpty():
		return foldReply{empty: true}
	case a.export != nil:
		return foldReply{}
	}
	return foldReply{snapshot: a.part.Snapshot(), encode: a.encoder()}
}

func (a *vnodeActor) encoder() handoff.Encode {
	if e, ok := a.kind.kind.(vnode.ItemCodec); ok {
		return e.EncodeHandoffItem
	}
	return nil
}

// beginFold notes changes from here on. A module that exports its state is told
// only if it has any.
func (a *vnodeActor) beginFold(h vnode.Handoff) {
	a.moving, a.handoff = true, h
	a.dirty.Reset()
	a.exported.reset()
	a.tellFold()
}

// tellFold gives FOLD_REQ to a module that exports its state, once it has any.
func (a *vnodeActor) tellFold() {
	if a.export == nil || !a.moving || a.told || a.isEmpty() {
		return
	}
	a.told = true
	a.guard(func() { a.export.FoldRequested(a.handoff, a.markDirty) })
}

func (a *vnodeActor) markDirty(key []byte) {
	if a.moving {
		a.dirty.Mark(key)
	}
}

func (a *vnodeActor) isEmpty() bool {
	if e, ok := a.module.(vnode.EmptyChecker); ok {
		return e.IsEmpty(a.context())
	}
	return a.part.Summary().Items == 0
}

// readDirty answers the source task with changed items. With nothing to say to
// a task that waits for the module's workers, the answer waits too.
func (a *vnodeActor) readDirty(r *dirtyRequest) {
	if a.dirty.Len() == 0 && !a.exportReady() {
		a.asked = r
		return
	}
	var final *store.Summary
	if a.final {
		s := a.summary()
		final = &s
	}
	get := a.part.Get
	if a.export != nil {
		get = a.exportItem
	}
	e := a.dirty.ReadDirty(r.maxItems, r.maxBytes, get, a.encoder(), final)
	if d, ok := e.(handoff.DirtyRead); ok {
		if !a.exportReady() {
			d.Left += notReady
			e = d
		}
		if a.export != nil && d.Final != nil {
			s := a.summary() // of the items as just read
			d.Final = &s
			e = d
		}
	}
	r.reply <- e
}

// notReady keeps a sender from sealing while the module's workers are busy.
const notReady = 1 << 20

func (a *vnodeActor) exportReady() bool {
	return a.export == nil || !a.told || a.export.ExportReady()
}

// answerDirty takes up a waiting request when something may have changed.
func (a *vnodeActor) answerDirty() {
	if r := a.asked; r != nil {
		a.asked = nil
		a.readDirty(r)
	}
}

// trySeal ends the fold once the machine asked for it and the module's workers
// are archived: what is dirty from here on is the last of it.
func (a *vnodeActor) trySeal() {
	if a.moving {
		a.tellFold()
		a.answerDirty()
	}
	if !a.seal || a.final || !a.exportReady() {
		return
	}
	if a.export != nil && a.told {
		a.guard(a.export.Seal)
	}
	a.final = true
	if a.source != nil {
		a.source.nowFrozen()
	}
	a.answerDirty()
}

// exportItem reads an item of the module's state as the store would.
func (a *vnodeActor) exportItem(key []byte) (store.Item, error) {
	value, ok := a.export.ExportItem(key)
	if !ok {
		a.exported.remove(key)
		return store.Item{}, store.ErrNotFound
	}
	a.exported.put(key, value)
	return store.Item{Key: key, Value: value}, nil
}

// summary is what the target must hold.
func (a *vnodeActor) summary() store.Summary {
	if a.export != nil {
		return a.exported.summary
	}
	return a.part.Summary()
}

// sent is the seal of what moved.
func (a *vnodeActor) sent() topology.Seal { return a.summary().Seal(0) }

// exports keeps the running summary of a module's exported items.
type exports struct {
	summary store.Summary
	sizes   map[string]exportedItem
}

type exportedItem struct {
	hash topology.ItemHash
	size int
}

func (x *exports) reset() { *x = exports{sizes: make(map[string]exportedItem)} }

func (x *exports) put(key, value []byte) {
	x.remove(key)
	item := exportedItem{hash: store.HashItem(key, 0, value), size: len(key) + len(value)}
	x.sizes[string(key)] = item
	x.summary.Add(item.hash, item.size)
}

func (x *exports) remove(key []byte) {
	if old, ok := x.sizes[string(key)]; ok {
		x.summary.Remove(old.hash, old.size)
		delete(x.sizes, string(key))
	}
}

// stopSource ends the sending task of a session; SourceGone follows when no
// guard of the session is held any more.
func (a *vnodeActor) stopSource(x vnode.StopSource) {
	if a.source == nil || a.source.transfer.Session != x.Session {
		a.step(vnode.SourceGone{Session: x.Session})
		return
	}
	a.source.stop(x.Reason)
}

// sourceEnded hears that the task is gone. A task that finished its copy ends
// by itself; the machine asks for SourceGone only when the session is over.
func (a *vnodeActor) sourceEnded(e ended) {
	if a.source != nil && a.source.transfer.Session == e.session {
		a.source = nil
	}
	a.step(vnode.SourceGone{Session: e.session})
}

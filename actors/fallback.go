package actors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// pageBytes bounds the items of a page that goes back to the owner, beside the
// last of them.
const pageBytes = 1 << 20

// pageWait bounds how long the owner may take for a page before it is sent again.
const pageWait = 10 * time.Second

// errNoFallback refuses commands for fallbacks of kinds that have none.
var errNoFallback = errors.New("the kind's vnodes have no fallbacks")

// fallbackActor is the shell of a vnode that stands in for a primary.
type fallbackActor struct {
	server
	of     store.ID // the primary
	pid    *actor.PID
	life   *vnode.Fallback
	shown  *fallback // for Host.Fallbacks
	seen   uint64    // version of the record that the machine has
	parked []*letter

	commands int    // since the last tick
	page     *page  // on its way to the owner
	after    []byte // the last key of the page before
	sent     pages  // of the session
	items    uint64 // in them
	since    time.Time
	err      error // the last one
}

// page is a run of items on its way to the owner.
type page struct {
	session uint64
	items   []store.Item
	merge   vnode.Mergeable
	command []byte
	body    []byte // the owner's answer
	err     error
}

// Messages to a fallback, beside letters, views and pages.
type (
	fallbackTick struct{}
	fallbackStep struct{ event vnode.FallbackEvent }
)

// fallback returns the actor of a fallback of this node, started if need be; nil
// if there can be none.
func (h *Host) fallback(id store.ID) *inbox {
	e, ok := h.kinds[id.Kind]
	if !ok || e.volatile || int(id.Partition) >= len(e.vnodes) {
		return nil
	}
	e.mu.RLock()
	f := e.fallbacks[id.Partition]
	e.mu.RUnlock()
	if f != nil {
		return &f.inbox
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if f := e.fallbacks[id.Partition]; f != nil {
		return &f.inbox
	}
	if h.ctx.Err() != nil {
		return nil
	}
	self := h.opts.Self
	a := &fallbackActor{
		of: id, shown: new(fallback), life: vnode.NewFallback(id, self.Node, self.Incarnation, 0),
		server: server{
			host: h, kind: e, id: vnode.FallbackStore(id),
			log: h.log.With("kind", id.Kind, "partition", uint32(id.Partition), "fallback", true),
		},
	}
	a.failed = a.reopen
	props := actor.PropsFromProducer(func() actor.Actor { return a }, actor.WithSupervisor(stopOnPanic), actor.WithDispatcher(h.dispatch))
	pid, err := h.system.Root.SpawnNamed(props, fmt.Sprintf("fallback/%s/%d/%d", id.Kind, id.Partition, self.Incarnation))
	if err != nil {
		a.log.Error("fallback not started", "err", err)
		return nil
	}
	a.shown.pid = pid
	if e.fallbacks == nil {
		e.fallbacks = make(map[ring.Partition]*fallback)
	}
	e.fallbacks[id.Partition] = a.shown
	return &a.shown.inbox
}

// recoverFallbacks goes on with what a former process kept for others, and with
// the hints that it left in the record.
func (h *Host) recoverFallbacks() error {
	stored, err := h.opts.Engine.Partitions()
	if err != nil {
		return fmt.Errorf("fallbacks of node %s: %w", h.opts.Self.Node, err)
	}
	for _, id := range stored {
		if of, ok := vnode.OfFallback(id); ok {
			h.fallback(of)
		}
	}
	for _, hint := range h.View().HintsOf(h.opts.Self.Node) {
		h.fallback(store.ID{Kind: hint.Kind, Partition: hint.Partition})
	}
	return nil
}

// tellFallbacks sends a message to the fallbacks of a kind.
func (h *Host) tellFallbacks(e *kindEntry, m any) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, f := range e.fallbacks {
		h.system.Root.Send(f.pid, m)
	}
}

// Receive turns messages into the machine's events.
func (a *fallbackActor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		a.pid = ctx.Self()
		a.recover()
	case *letter:
		a.admit(m)
		m.leave()
	case *View:
		a.viewed(m)
	case fallbackTick:
		v := a.host.View()
		owner, _ := v.Owner(a.of.Kind, a.of.Partition)
		may := owner != "" && a.host.up(v, owner) && v.Sends(a.host.opts.Self.Node, a.of.Kind) && v.Receives(owner, a.of.Kind)
		a.step(vnode.FallbackTick{Up: may, Idle: a.commands == 0})
		a.commands = 0
	case fallbackStep:
		if refused, ok := m.event.(vnode.HintRefused); ok {
			a.note(fmt.Errorf("hint for %v: %w", a.of, refused.Err))
		}
		a.step(m.event)
	case *page:
		a.returned(m)
	case info:
		a.inform(m.msg)
	case *actor.Stopping:
		for _, f := range a.parked {
			a.host.refuse(f, messages.CodeClosed, "node stops")
		}
		a.parked = nil
		a.end(nil)
	}
}

// recover looks for what a former process has left.
func (a *fallbackActor) recover() {
	part, err := a.kind.engine.Open(a.id)
	if err != nil {
		a.note(fmt.Errorf("store of the fallback for %v: %w", a.of, err))
		return // what is there stays, commands wait
	}
	a.part = part
	data := part.Summary().Items > 0
	if !data {
		if err := a.kind.engine.Drop(a.id); err != nil {
			a.note(err)
		}
	}
	a.viewed(a.host.View())
	a.step(vnode.FallbackRecovered{Data: data})
}

func (a *fallbackActor) viewed(v *View) {
	if v.Version() <= a.seen {
		return
	}
	a.seen = v.Version()
	part := v.Part(a.of.Kind, a.of.Partition)
	e := vnode.FallbackApplied{Grace: v.Grace(), Epoch: part.Epoch}
	if t, self := part.Transfer, a.host.opts.Self; t != nil && t.Type == topology.Merge && t.Source == self.Node && t.SourceIncarnation == self.Incarnation {
		e.Merge = t.Session
	}
	for _, hint := range v.Hints(a.of.Kind, a.of.Partition) {
		if hint.Node == a.host.opts.Self.Node {
			e.Opened = hint.Opened
		}
	}
	a.step(e)
}

// admit serves a command, or has it wait for the hint.
func (a *fallbackActor) admit(f *letter) {
	a.commands++
	if v := a.host.View(); f.RingVersion < v.Fence() { // F16
		a.host.respondError(f, &messages.Error{
			Code: uint32(messages.CodeStaleRing), Op: f.Type.String(), Operand: a.id.String(), RingVersion: v.Version(),
		})
		return
	}
	switch a.life.Admit() {
	case vnode.Serve:
		if d, isNew := a.handle(f, false); isNew {
			a.finish(f, d)
		}
	case vnode.Park:
		a.parked = append(a.parked, f)
		a.step(vnode.FallbackAsked{})
	default:
		a.host.refuse(f, messages.CodeOverloaded, "too many commands wait for the fallback to be registered")
	}
}

// step feeds the machine and performs what it asks for. Actions feed it again
// only as their last deed.
func (a *fallbackActor) step(e vnode.FallbackEvent) {
	before := a.life.State()
	for _, action := range a.life.Step(e) {
		a.do(action)
	}
	if a.life.State() != before || a.shown.progress.Load() == nil {
		a.show()
	}
}

func (a *fallbackActor) do(action vnode.Action) {
	switch x := action.(type) {
	case vnode.Propose:
		a.propose(x.Op)
	case vnode.OpenFallback:
		a.version, a.after, a.page, a.since = 0, nil, nil, time.Now()
		a.open(x.Opened)
	case vnode.Close:
		a.end(nil)
	case vnode.ReplayParked:
		parked := a.parked
		a.parked = nil
		for _, f := range parked {
			a.admit(f)
		}
	case vnode.RefuseParked:
		parked := a.parked
		a.parked = nil
		for _, f := range parked {
			a.fail(f, fmt.Errorf("%w: the record does not take the hint: %w", messages.ErrRefused, x.Err))
		}
	case vnode.ReturnPage:
		a.returnPage(x.Session)
	case vnode.DropFallback:
		a.host.syncer.settle()
		if err := a.kind.engine.Drop(a.id); err != nil {
			a.note(err)
			return
		}
		a.err = nil
		a.step(vnode.FallbackDropped{})
	}
}

// propose adds to the end of a merge what both sides have counted.
func (a *fallbackActor) propose(op topology.Op) {
	root, pid := a.host.system.Root, a.pid
	if end, ok := op.(topology.CloseHint); ok && end.Session != 0 && end.Session == a.sent.session {
		end.Sent = a.sent.seal(a.items)
		end.Taken = end.Sent // it was compared after each page
		op = end
	}
	a.host.proposer.add(op, func(err error) {
		switch op.(type) {
		case topology.OpenHint:
			if err != nil {
				root.Send(pid, fallbackStep{vnode.HintRefused{Err: err}})
			}
		case topology.OpenSession:
			root.Send(pid, fallbackStep{vnode.MergeAnswered{Err: err}})
		}
	})
}

// open makes the module ready under a hint, which is its epoch: writes of
// another hint are told from those of this one. Under the same one the versions
// go on: what has gone back to the owner has left no trace here.
func (a *fallbackActor) open(opened uint64) {
	part, err := a.kind.engine.Open(a.id)
	if err != nil {
		a.note(err)
		part = a.part
	}
	self := a.host.opts.Self
	a.begin(vnode.Partition{
		Kind: a.of.Kind, ID: a.of.Partition, Size: a.host.View().RingSize(), Node: self.Node,
		Epoch: opened, Incarnation: self.Incarnation, Lineage: a.host.opts.Lineage, Fallback: true,
	}, part, a)
	if _, ok := a.module.(vnode.Mergeable); !ok {
		a.module = brokenVnode{fmt.Errorf("fallback for %v: %w: %w", a.of, messages.ErrRefused, errNoFallback)}
	}
}

func (a *fallbackActor) reopen(reason error) {
	a.log.Error("fallback failed and is opened anew", "err", reason)
	opened := a.cx.Partition().Epoch
	a.end(reason)
	a.open(opened)
}

// returnPage sends items to the owner, from where the last page ended.
func (a *fallbackActor) returnPage(session uint64) {
	merge, ok := a.module.(vnode.Mergeable)
	p := &page{session: session, merge: merge}
	a.page = p
	if a.sent.session != session {
		a.sent, a.items = pages{session: session}, 0
	}
	grace := a.host.View().Grace() // of before the items are read
	if ok {
		p.items, p.err = a.readPage()
	}
	if p.err == nil && len(p.items) > 0 {
		var damaged [][]byte
		if p.command, damaged, p.err = merge.MergeCommand(grace, p.items); len(damaged) > 0 {
			a.host.undecoded(a.id, damaged)
			p.err = fmt.Errorf("%d of its items can't be decoded and are given up, the first is %q: %w", len(damaged), damaged[0], store.ErrCorrupt)
		}
	}
	if p.err != nil || len(p.items) == 0 {
		a.host.system.Root.Send(a.pid, p)
		return
	}
	h, of, root, pid := a.host, a.of, a.host.system.Root, a.pid
	h.own(func() {
		ctx, cancel := context.WithTimeout(h.ctx, pageWait)
		defer cancel()
		p.body, p.err = h.requestUnder(ctx, session, of.Kind, of.Partition, p.command)
		root.Send(pid, p)
	})
}

// readPage returns the next items, none if the store is empty.
func (a *fallbackActor) readPage() ([]store.Item, error) {
	snapshot := a.part.Snapshot()
	defer snapshot.Close()
	items, err := readItems(snapshot, a.after)
	if len(items) == 0 && err == nil && a.after != nil {
		items, err = readItems(snapshot, nil) // what has changed meanwhile
	}
	if len(items) > 0 {
		a.after = store.After(items[len(items)-1].Key)
	}
	return items, err
}

func readItems(snapshot store.Snapshot, from []byte) ([]store.Item, error) {
	it := snapshot.Scan(from, nil)
	defer it.Close()
	var items []store.Item
	for size := 0; size < pageBytes && it.Next(); {
		item := it.Item().Clone()
		items = append(items, item)
		size += len(item.Key) + len(item.Value)
	}
	return items, it.Err()
}

// returned removes what the owner has now.
func (a *fallbackActor) returned(p *page) {
	if p != a.page {
		return // of a former hint or session
	}
	a.page = nil
	err := p.err
	if err == nil && len(p.items) > 0 {
		var items []store.Item
		if items, err = a.acknowledged(p); len(items) > 0 {
			err = errors.Join(err, a.remove(items))
		}
	}
	left := a.part.Summary().Items > 0
	if err == nil && !left {
		// The removal must not be forgotten once the hint is: the items would come
		// back when those who wait for the hint have reaped what superseded them.
		err = a.part.Sync()
	}
	if err != nil {
		a.note(fmt.Errorf("hand back %v: %w", a.of, err))
	}
	a.step(vnode.PageReturned{Left: left, Err: err})
}

// acknowledged returns which items of the page the owner has. Without an error
// that is all of them.
func (a *fallbackActor) acknowledged(p *page) ([]store.Item, error) {
	taken, body, err := cutPages(p.session, p.body)
	if err != nil {
		return nil, err
	}
	left, why := p.merge.MergeReply(body)
	if why != nil && len(left) == 0 {
		return nil, why
	}
	a.sent.add(p.command)
	a.items += uint64(len(p.items) - len(left))
	if taken != a.sent {
		return nil, fmt.Errorf("pages %+v were taken of %+v: %w", taken, a.sent, messages.ErrMismatch)
	}
	return slices.DeleteFunc(p.items, func(item store.Item) bool {
		return slices.ContainsFunc(left, func(key []byte) bool { return bytes.Equal(key, item.Key) })
	}), why
}

// remove deletes the items that are as they were sent.
func (a *fallbackActor) remove(items []store.Item) error {
	var b store.Batch
	for _, sent := range items {
		item, err := a.part.Get(sent.Key)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return err
		case item.Version == sent.Version:
			b.Delete(sent.Key)
		}
	}
	return a.part.Write(&b)
}

// note keeps an error for people to see.
func (a *fallbackActor) note(err error) {
	a.err = err
	a.log.Warn("fallback", "err", err)
	a.show()
}

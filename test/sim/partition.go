package sim

import (
	"errors"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// A partition is the shell of one vnode: it turns what happens into events of the Lifecycle and performs
// its actions, one at a time. While its record is being stored all that comes waits.
type partition struct {
	server
	kind   int
	spec   topology.KindSpec
	life   *vnode.Lifecycle
	record store.Record

	parked []*request // waiting for the end of the session, or a newer record

	moving  bool // changes are noted in dirty
	seal    bool // the machine asked to seal
	final   bool // no item changes any more
	dirty   handoff.DirtySet
	handoff vnode.Handoff
	source  *sourceTask

	waits   bool // for the disk
	running bool
	inbox   []any
	events  []vnode.Event // of actions that completed
	todo    []vnode.Action
}

// Requests of the tasks of a transfer to their vnode.
type (
	foldRequest struct {
		session uint64
		reply   func(handoff.SenderEvent, store.Snapshot)
	}
	dirtyRequest struct {
		maxItems, maxBytes int
		reply              func(handoff.SenderEvent)
	}
	sealCopy struct {
		session uint64
		seal    topology.Seal
		reply   func(error)
	}
)

func newPartition(n *Node, kind int, p ring.Partition) *partition {
	spec := n.c.kinds[kind]
	x := &partition{kind: kind, spec: spec, life: vnode.NewLifecycle(n.ID, n.incarnation, 0)}
	x.server = server{n: n, id: store.ID{Kind: spec.Name, Partition: p}, vault: n.vault, at: slot{kind, int(p)}}
	if spec.Volatile {
		x.vault = n.volatile
	}
	n.parts[kind][p] = x
	r, err := x.vault.Record(x.id)
	if err != nil {
		n.c.W.Failf("%s: record of %v: %v", n.ID, x.id, err)
	}
	x.record = r
	staged, _ := x.vault.Staged(x.id)
	e := vnode.Recovered{Epoch: r.Epoch, Fence: r.RingVersion, Frozen: r.Frozen, Staged: staged, Tombstone: r.Tombstone != ""}
	if r.Sealed != 0 && (staged == r.Sealed || staged == 0) {
		e.Staged, e.Seal = r.Sealed, r.Seal
	}
	x.take(e)
	return x
}

// take lets something happen, or wait for the disk and for what came before.
func (x *partition) take(what any) {
	x.inbox = append(x.inbox, what)
	x.run()
}

func (x *partition) run() {
	if x.running {
		return // further up the stack
	}
	x.running = true
	for x.n.up && !x.waits {
		switch {
		case len(x.todo) > 0:
			a := x.todo[0]
			x.todo = x.todo[1:]
			x.do(a)
		case len(x.events) > 0:
			e := x.events[0]
			x.events = x.events[1:]
			x.step(e)
		case len(x.inbox) > 0:
			what := x.inbox[0]
			x.inbox = x.inbox[1:]
			x.receive(what)
		default:
			x.inbox, x.running = nil, false
			return
		}
	}
	x.running = false
}

func (x *partition) receive(what any) {
	switch m := what.(type) {
	case vnode.Event:
		x.step(m)
	case *request:
		x.admit(m)
	case *foldRequest:
		x.foldRequested(m)
	case *dirtyRequest:
		x.readDirty(m)
	case *sealCopy:
		x.sealCopy(m)
	}
}

func (x *partition) step(e vnode.Event) {
	before := x.life.State()
	actions := x.life.Step(e)
	if after := x.life.State(); after != before {
		x.n.c.W.Note("%s %v: %v -> %v", x.n.ID, x.id, before, after)
	}
	x.n.c.check.serving(x)
	x.n.c.hooks.stepped(x)
	x.todo = append(x.todo, actions...)
}

// then adds what follows from an action, before all that waits.
func (x *partition) then(e vnode.Event) {
	x.events = append(x.events, e)
	x.run()
}

// keep changes the record of the partition and goes on when that is durable.
func (x *partition) keep(change func(*store.Record), then func()) {
	change(&x.record)
	x.record.RingVersion = max(x.record.RingVersion, x.life.Fence())
	if err := x.vault.SetRecord(x.id, x.record); err != nil {
		x.n.c.W.Failf("%s: record of %v: %v", x.n.ID, x.id, err)
		return
	}
	if x.spec.Volatile {
		then()
		return
	}
	x.waits = true
	x.n.flush(func() {
		x.waits = false
		then()
		x.run()
	})
}

func (x *partition) do(action vnode.Action) {
	switch a := action.(type) {
	case vnode.Open:
		x.open()
	case vnode.Close:
		x.close()
	case vnode.AskStarting:
		var err error
		if x.n.c.W.Chance(x.n.c.refuse) {
			err = errors.New("not now")
		}
		x.then(vnode.StartAnswered{Session: a.Handoff.Session, Err: err})
	case vnode.Propose:
		x.n.report(a.Op)
	case vnode.StartSource:
		x.source = x.n.startSource(x, a.Transfer)
	case vnode.BeginFold:
		x.moving, x.handoff = true, a.Handoff
		x.dirty.Reset()
	case vnode.StoreFreeze:
		x.keep(func(r *store.Record) { r.Frozen = a.Session }, func() { x.then(vnode.FreezeStored{Session: a.Session}) })
	case vnode.SealSource:
		x.seal = true
		x.trySeal()
	case vnode.StopSource:
		x.stopSource(a)
	case vnode.LiftFreeze:
		x.keep(func(r *store.Record) { r.Frozen = 0 }, func() {})
	case vnode.Cancelled, vnode.Finished:
		x.endFold()
	case vnode.ReplayParked:
		parked := x.parked
		x.parked = nil
		for _, r := range parked {
			x.admit(r)
		}
	case vnode.ForwardParked:
		parked := x.parked
		x.parked = nil
		for _, r := range parked {
			if !x.twice(r) {
				x.forward(r, a.Owner)
			}
		}
	case vnode.CreateStaging:
		x.createStaging(a.Transfer)
	case vnode.DropStaging:
		x.dropStaging(a.Session)
	case vnode.Promote:
		x.promote(a)
	case vnode.DeleteData:
		x.deleteData(a)
	}
}

func (x *partition) endFold() {
	x.moving, x.seal, x.final = false, false, false
	x.dirty.Reset()
	x.handoff = vnode.Handoff{}
}

// trySeal tells the sending task that what is dirty from here on is the last of it.
func (x *partition) trySeal() {
	if !x.seal || x.final {
		return
	}
	x.final = true
	x.n.c.check.froze(x)
	if x.source != nil {
		x.source.nowFrozen()
	}
}

func (x *partition) stopSource(a vnode.StopSource) {
	if x.source == nil || x.source.transfer.Session != a.Session {
		x.then(vnode.SourceGone{Session: a.Session})
		return
	}
	x.source.cancel(a.Reason)
}

// sourceEnded hears that no guard of the session is held any more.
func (x *partition) sourceEnded(session uint64) {
	if x.source != nil && x.source.transfer.Session == session {
		x.source = nil
	}
	x.take(vnode.SourceGone{Session: session})
}

// foldRequested is FOLD_REQ, of the first stream of a session or of a later one.
func (x *partition) foldRequested(r *foldRequest) {
	if _, owner := x.life.State().(vnode.Owner); owner {
		x.step(vnode.FoldRequested{Session: r.session})
		x.drain()
	} else {
		x.dirty.Reset()
	}
	if !x.moving || x.handoff.Session != r.session {
		r.reply(handoff.Cancelled{Reason: fmt.Sprintf("fold in state %v", x.life.State())}, nil)
		return
	}
	if x.part.Summary().Items == 0 {
		r.reply(handoff.FoldBegun{Empty: true}, nil)
		return
	}
	r.reply(handoff.FoldBegun{}, x.part.Snapshot())
}

// drain performs the actions of a step at once: none of them waits.
func (x *partition) drain() {
	for len(x.todo) > 0 {
		a := x.todo[0]
		x.todo = x.todo[1:]
		x.do(a)
	}
}

func (x *partition) readDirty(r *dirtyRequest) {
	if !x.moving {
		r.reply(handoff.Cancelled{Reason: fmt.Sprintf("in state %v", x.life.State())})
		return
	}
	var final *store.Summary
	if x.final {
		s := x.part.Summary()
		final = &s
	}
	r.reply(x.dirty.ReadDirty(r.maxItems, r.maxBytes, x.part.Get, nil, final))
}

// sealCopy makes the seal of a verified copy durable.
func (x *partition) sealCopy(m *sealCopy) {
	if s, ok := x.life.State().(vnode.Staging); !ok || s.Session != m.session {
		m.reply(fmt.Errorf("seal %v for session %d in state %v: %w", x.id, m.session, x.life.State(), messages.ErrUnknownSession))
		return
	}
	x.keep(func(r *store.Record) { r.Sealed, r.Seal = m.session, &m.seal }, func() { m.reply(nil) })
}

func (x *partition) createStaging(t topology.Transfer) {
	if t.Session < x.record.MaxSession { // F4
		x.then(vnode.StagingCreated{Session: t.Session, Err: fmt.Errorf("session %d below %d", t.Session, x.record.MaxSession)})
		return
	}
	x.keep(func(r *store.Record) { r.MaxSession = t.Session }, func() {
		_, err := x.vault.Stage(x.id, t.Session)
		x.n.c.check.staged(x, t.Session)
		x.then(vnode.StagingCreated{Session: t.Session, Err: err})
	})
}

// dropStaging waits for admitted writes of the session, and does not hold up the vnode.
func (x *partition) dropStaging(session uint64) {
	drop := func() {
		x.n.drain(session, func() {
			x.n.c.check.ended(x.n, session)
			if err := x.vault.DropStaging(x.id, session); err != nil {
				x.n.c.W.Failf("%s: drop staging %d of %v: %v", x.n.ID, session, x.id, err)
			}
		})
	}
	if x.record.Sealed != session {
		drop()
		return
	}
	x.keep(func(r *store.Record) { r.Sealed, r.Seal = 0, nil }, drop)
}

func (x *partition) promote(a vnode.Promote) {
	if err := x.vault.Promote(x.id, a.Session); err != nil {
		x.n.c.W.Failf("%s: promote session %d of %v: %v", x.n.ID, a.Session, x.id, err)
		return
	}
	x.n.c.check.promoted(x, a.Session)
	x.keep(func(r *store.Record) { r.Epoch, r.Sealed, r.Seal, r.Tombstone = a.Epoch, 0, nil, "" }, func() {
		x.then(vnode.CopyPromoted{Session: a.Session})
	})
}

func (x *partition) deleteData(a vnode.DeleteData) {
	x.n.c.check.deletes(x, a.Session)
	x.close()
	x.keep(func(r *store.Record) { r.Epoch, r.Frozen, r.Tombstone = a.Epoch, 0, a.Owner }, func() {
		if err := x.vault.Drop(x.id); err != nil {
			x.n.c.W.Failf("%s: drop %v: %v", x.n.ID, x.id, err)
			return
		}
		x.then(vnode.DataDeleted{Session: a.Session})
	})
}

package actors

import (
	"errors"
	"fmt"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/inject"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/vnode"
)

// do performs one action of the lifecycle machine.
func (a *vnodeActor) do(action vnode.Action) {
	switch x := action.(type) {
	case vnode.Open:
		a.open(x.Import)
	case vnode.Close:
		a.terminate(nil)
	case vnode.AskStarting:
		a.askStarting(x)
	case vnode.Propose:
		a.propose(x.Op)
	case vnode.StartSource:
		a.source = a.host.startSource(a, x.Transfer)
	case vnode.BeginFold:
		a.beginFold(x.Handoff)
	case vnode.StoreFreeze:
		a.storeFreeze(x.Session)
	case vnode.SealSource:
		a.seal = true
		a.trySeal()
	case vnode.StopSource:
		a.stopSource(x)
	case vnode.LiftFreeze:
		a.keep(func() { a.record.Frozen = 0 })
	case vnode.Cancelled:
		a.cancelled(x.Handoff)
	case vnode.Finished:
		a.finished(x.Handoff)
	case vnode.ReplayParked:
		a.replayParked()
	case vnode.ForwardParked:
		parked := a.parked
		a.parked = nil
		for _, f := range parked {
			switch {
			case f.Type == messages.TypeFence:
				a.refuseOwner(f, messages.CodeWrongOwner)
			case f.Type == messages.TypeRequest && f.Session != 0:
				a.refuseSession(f)
			case !a.twice(f):
				a.forward(f, x.Owner)
			}
		}
	case vnode.CreateStaging:
		a.createStaging(x.Transfer)
	case vnode.DropStaging:
		a.dropStaging(x.Session)
	case vnode.Promote:
		a.promote(x)
	case vnode.DeleteData:
		a.deleteData(x)
	}
}

// open makes the module ready on the active generation.
func (a *vnodeActor) open(imported bool) {
	part, err := a.kind.engine.Open(a.id)
	if err != nil {
		a.log.Error("partition not opened", "err", err)
		return
	}
	self := a.host.opts.Self
	_, epoch := a.life.Owner()
	p := vnode.Partition{
		Kind: a.id.Kind, ID: a.id.Partition, Size: a.host.View().RingSize(),
		Node: self.Node, Epoch: epoch, Incarnation: self.Incarnation, Lineage: a.host.opts.Lineage,
	}
	a.begin(p, part, a)
	a.publish()
	a.export, _ = a.module.(vnode.StateExporter)
	if a.export == nil {
		return
	}
	if imported {
		a.importItems()
	}
	a.guard(func() { a.export.Opened(a.context(), epoch) })
}

// importItems gives a moved module the items of its former owner; they live on
// in the module.
func (a *vnodeActor) importItems() {
	s := a.part.Snapshot()
	defer s.Close()
	it := s.Scan(nil, nil)
	defer it.Close()
	for it.Next() {
		item := it.Item().Clone()
		if err := a.export.ImportItem(item.Key, item.Value); err != nil {
			a.log.Error("item not imported", "key", fmt.Sprintf("%x", item.Key), "err", err)
		}
	}
	if err := errors.Join(it.Err(), a.kind.engine.Drop(a.id)); err != nil {
		a.log.Error("items not imported", "err", err)
	}
	part, err := a.kind.engine.Open(a.id)
	if err != nil {
		a.log.Error("partition not opened", "err", err)
		return
	}
	a.part = part
}

func (a *vnodeActor) askStarting(x vnode.AskStarting) {
	var err error
	if s, ok := a.module.(vnode.HandoffStarter); ok {
		err = s.HandoffStarting(x.Handoff)
	}
	a.step(vnode.StartAnswered{Session: x.Handoff.Session, Err: err})
}

// propose adds to a report what only the shell knows.
func (a *vnodeActor) propose(op topology.Op) {
	switch x := op.(type) {
	case topology.SourceDrained:
		x.FreezeMicros, x.Fenced = uint64(a.freeze.Microseconds()), a.fencedSince(x.Session)
		op = x
	case topology.TargetActivated:
		x.Fenced = a.fencedSince(x.Session)
		op = x
	}
	a.host.proposer.add(op, nil)
}

// keep changes the partition's durable record and returns when it is stored. A
// node that can't keep its promises must not go on with the partition: when it is
// not stored, the record stays what it was, so that nothing counts as promised
// that a restart would forget.
func (a *vnodeActor) keep(change func()) bool {
	before := a.record
	change()
	a.record.RingVersion = max(a.record.RingVersion, a.life.Fence())
	if err := a.kind.engine.SetRecord(a.id, a.record); err != nil {
		a.log.Error("record not stored", "err", err)
		a.record = before
		return false
	}
	return true
}

func (a *vnodeActor) storeFreeze(session uint64) {
	a.frozenAt = time.Now()
	if a.keep(func() { a.record.Frozen = session }) {
		inject.At(inject.FrozenAfter)
		a.step(vnode.FreezeStored{Session: session})
	}
}

// cancelled: the vnode owns the partition as before the move.
func (a *vnodeActor) cancelled(h vnode.Handoff) {
	a.endFold()
	a.log.Info("handoff cancelled", "session", h.Session, "target", string(h.Target), "reason", string(a.whyCancelled(h.Session)))
	if c, ok := a.module.(vnode.HandoffCanceler); ok {
		a.guard(func() { c.HandoffCancelled(h) })
	}
}

// whyCancelled is what the record says of an aborted session.
func (a *vnodeActor) whyCancelled(session uint64) topology.Reason {
	x := a.host.View().Part(a.id.Kind, a.id.Partition)
	if t := x.Transfer; t != nil && t.Session == session {
		return t.Reason
	}
	return x.LastReason
}

// finished: the target owns the partition.
func (a *vnodeActor) finished(h vnode.Handoff) {
	if a.freeze = 0; !a.frozenAt.IsZero() {
		a.freeze, a.frozenAt = time.Since(a.frozenAt), time.Time{}
	}
	summary := a.sent()
	a.endFold()
	if f, ok := a.module.(vnode.HandoffFinisher); ok {
		a.guard(func() { f.HandoffFinished(h) })
	}
	a.log.Info("handoff finished", "session", h.Session, "target", string(h.Target),
		"items", summary.Items, "bytes", summary.Bytes, "freeze", a.freeze)
	if e := a.host.opts.Events.Flipped; e != nil {
		e(FlipEvent{
			Kind: a.id.Kind, Partition: a.id.Partition, Session: h.Session, Source: a.host.opts.Self.Node,
			Target: h.Target, Seal: summary, Freeze: a.freeze,
		})
	}
}

func (a *vnodeActor) endFold() {
	a.moving, a.told, a.seal, a.final = false, false, false, false
	a.dirty.Reset()
	a.exported.reset()
	a.handoff = vnode.Handoff{}
	if r := a.asked; r != nil {
		a.asked = nil
		r.reply <- handoff.Cancelled{Reason: "handoff ended"}
	}
}

// replayParked serves what waited, in order, as the present state decides.
func (a *vnodeActor) replayParked() {
	parked := a.parked
	a.parked = nil
	for _, f := range parked {
		a.admit(f)
	}
}

func (a *vnodeActor) createStaging(t topology.Transfer) {
	err := func() error {
		if err := inject.Err(inject.StagingBefore); err != nil {
			return err
		}
		if t.Session < a.record.MaxSession {
			return fmt.Errorf("session %d below %d", t.Session, a.record.MaxSession) // F4
		}
		if !a.keep(func() { a.record.MaxSession = t.Session }) {
			return errors.New("session not stored")
		}
		_, err := a.kind.engine.Stage(a.id, t.Session)
		return err
	}()
	a.step(vnode.StagingCreated{Session: t.Session, Err: err})
}

// dropStaging waits for admitted writes of the session in a goroutine of its own.
func (a *vnodeActor) dropStaging(session uint64) {
	if a.record.Sealed == session && !a.keep(func() { a.record.Sealed, a.record.Seal = 0, nil }) {
		return // a record that says sealed needs its copy; the next life drops both
	}
	engine, id, h, log, late := a.kind.engine, a.id, a.host, a.log, a.late()
	h.own(func() {
		h.sessions.Close(session)
		if err := h.sessions.Drain(h.ctx, session); err != nil {
			log.Warn("session not drained", "session", session, "err", err)
			return
		}
		late.drain(session)
		if err := engine.DropStaging(id, session); err != nil {
			log.Warn("staging not dropped", "session", session, "err", err)
		}
	})
}

func (a *vnodeActor) promote(x vnode.Promote) {
	inject.At(inject.PromoteBefore)
	if err := a.kind.engine.Promote(a.id, x.Session); err != nil {
		a.log.Error("copy not promoted", "session", x.Session, "err", err)
		return
	}
	a.late().drain(x.Session)
	inject.At(inject.PromoteAfter)
	if !a.keep(func() {
		a.record.Epoch, a.record.Sealed, a.record.Seal, a.record.Tombstone = x.Epoch, 0, nil, ""
	}) {
		return // the next life promotes it again, which changes nothing
	}
	a.step(vnode.CopyPromoted{Session: x.Session})
}

func (a *vnodeActor) deleteData(x vnode.DeleteData) {
	inject.At(inject.DeleteBefore)
	if d, ok := a.module.(vnode.Deleter); ok {
		a.guard(d.Delete)
	}
	a.terminate(nil)
	if !a.keep(func() { a.record.Epoch, a.record.Frozen, a.record.Tombstone = x.Epoch, 0, x.Owner }) {
		return // no deletion before the tombstone
	}
	a.host.syncer.settle()
	if err := a.kind.engine.Drop(a.id); err != nil {
		a.log.Error("data not dropped", "err", err)
		return
	}
	inject.At(inject.DeleteAfter)
	a.log.Info("handoff deleted", "session", x.Session, "owner", string(x.Owner))
	to := a.pid
	a.cleaned(x.Session, func() { a.host.system.Root.Send(to, stepEvent{vnode.DataDeleted{Session: x.Session}}) })
}

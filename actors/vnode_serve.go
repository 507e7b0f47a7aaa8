package actors

import (
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// admit serves a frame as the lifecycle decides.
func (a *vnodeActor) admit(f *letter) {
	if f.Type == messages.TypeFence {
		a.hold(f)
		return
	}
	if f.Type == messages.TypeRequest && f.Session != 0 {
		a.admitUnder(f)
		return
	}
	if a.servesFrozen(f) {
		a.serve(f, false)
		return
	}
	verdict := a.life.Admit(f.RingVersion, f.Hop)
	if verdict == vnode.Park {
		f.keep()
		a.parked = append(a.parked, f)
		return
	}
	if a.twice(f) {
		return
	}
	switch verdict {
	case vnode.Serve:
		a.serve(f, false)
	case vnode.ServeMoving:
		a.serve(f, true)
	case vnode.ForwardNow:
		owner, _ := a.life.Owner()
		a.forward(f, owner)
	case vnode.WrongOwner:
		a.refuseOwner(f, messages.CodeWrongOwner)
	case vnode.StaleRing:
		a.refuseRing(f)
	case vnode.RefuseFrozen:
		a.refuseOwner(f, messages.CodeFrozen)
	}
}

// hold raises the fence as it is asked to (C8). The answer says that the fence is
// durable and that every request served before is in the store; to be asked the
// same again is answered again.
func (a *vnodeActor) hold(f *letter) {
	switch a.life.AdmitFence(f.RingVersion, f.Epoch) {
	case vnode.Serve:
		a.step(vnode.FenceRaised{Version: f.RingVersion})
		if a.record.RingVersion < f.RingVersion && !a.keep(func() {}) {
			a.host.refuse(f, messages.CodeInternal, "the fence is not stored")
			return
		}
		a.host.respond(f, nil)
	case vnode.Park:
		f.keep()
		a.parked = append(a.parked, f)
	case vnode.StaleRing:
		a.refuseRing(f)
	case vnode.WrongOwner:
		a.refuseOwner(f, messages.CodeWrongOwner)
	default:
		a.refuseOwner(f, messages.CodeFrozen)
	}
}

// servesFrozen reports whether the vnode is frozen and its module answers the
// command all the same.
func (a *vnodeActor) servesFrozen(f *letter) bool {
	if _, frozen := a.life.State().(vnode.Frozen); !frozen || f.Type != messages.TypeRequest || f.RingVersion < a.life.Fence() {
		return false
	}
	m, ok := a.module.(vnode.FrozenServer)
	return ok && m.ServesFrozen(vnode.Command{Body: f.payload})
}

// refuseRing counts and refuses what was sent by a ring below the fence (F16), or
// was sent on and found no owner (F14).
func (a *vnodeActor) refuseRing(f *letter) {
	if f.RingVersion < a.life.Fence() {
		a.late().fenced.Add(1)
	}
	a.refuseOwner(f, messages.CodeStaleRing)
}

// refuseOwner answers that nothing was done here, and who owns the partition.
func (a *vnodeActor) refuseOwner(f *letter, code messages.Code) {
	owner, epoch := a.life.Owner()
	a.host.respondError(f, &messages.Error{
		Code: uint32(code), Op: f.Type.String(), Operand: a.id.String(),
		Owner: string(owner), Epoch: epoch, RingVersion: a.life.Version(),
	})
}

// forward sends a frame on to the owner with its origin, its id and one hop more.
func (a *vnodeActor) forward(f *letter, owner ring.NodeID) {
	f.keep()
	g := *f
	g.Hop++
	g.once, g.gate, g.prepared = false, nil, false
	g.To, g.ToIncarnation, g.RingVersion = string(owner), 0, a.life.Version()
	a.host.send(&g)
}

// serve runs the module's handler and does what it decides.
func (a *vnodeActor) serve(f *letter, moving bool) {
	switch f.Type {
	case messages.TypeFoldOpen:
		a.openFold(f)
		return
	case messages.TypeFoldClose:
		a.closeFold(f)
		return
	}
	d, isNew := a.handle(f, moving)
	if !isNew {
		return
	}
	if fw, ok := d.(vnode.Forward); ok && moving {
		a.deferCommand(f, fw)
	} else {
		a.finish(f, d)
	}
	a.trySeal()
}

// deferCommand keeps a command for whoever owns the partition when the move has
// ended. Nothing is sent before the flip: until then only the source may
// acknowledge.
func (a *vnodeActor) deferCommand(f *letter, d vnode.Forward) {
	if a.life.Defer() == vnode.RefuseFrozen {
		a.refuseOwner(f, messages.CodeFrozen)
		return
	}
	f.keep()
	g := *f
	g.once, g.gate = true, nil
	if d.Body != nil {
		g.payload, g.own = d.Body, false
	}
	a.parked = append(a.parked, &g)
}

// changed notes the keys of a batch that was written while the data moves.
func (a *vnodeActor) changed(b *store.Batch) {
	if a.moving {
		for _, op := range b.Ops() {
			a.dirty.Mark(op.Key)
		}
	}
}

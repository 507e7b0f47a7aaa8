package actors

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/vnode"
)

// admit serves a frame as the lifecycle decides.
func (a *vnodeActor) admit(f *letter) {
	switch a.life.Admit(f.RingVersion, f.Hop) {
	case vnode.Serve:
		a.serve(f, false)
	case vnode.ServeMoving:
		a.serve(f, true)
	case vnode.Park:
		a.parked = append(a.parked, f)
	case vnode.ForwardNow:
		owner, _ := a.life.Owner()
		a.forward(f, owner)
	case vnode.WrongOwner:
		a.refuseOwner(f, messages.CodeWrongOwner)
	case vnode.StaleRing:
		a.refuseOwner(f, messages.CodeStaleRing)
	case vnode.RefuseFrozen:
		a.refuseOwner(f, messages.CodeFrozen)
	}
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
	g := *f
	g.Hop++
	g.To, g.ToIncarnation, g.RingVersion = string(owner), 0, a.life.Version()
	a.host.send(&g)
}

// serve runs the module's handler and does what it decides.
func (a *vnodeActor) serve(f *letter, moving bool) {
	if f.Type == messages.TypeFoldOpen {
		a.openFold(f)
		return
	}
	if f.Type == messages.TypeRequest && !a.recent.Add(vnode.RequestID{Node: ring.NodeID(f.From), Incarnation: f.FromIncarnation, Seq: f.Seq}) {
		return // it came twice; the first one is answered
	}
	a.frame = f
	var d vnode.Disposition
	err := a.guard(func() { d = a.dispatch(a.context(), vnode.Command{Body: f.payload}, moving) })
	a.frame = nil
	if err != nil {
		d = vnode.Fail{Err: err}
	}
	a.finish(f, d, moving)
	a.trySeal()
}

func (a *vnodeActor) dispatch(cx *vnode.Context, cmd vnode.Command, moving bool) vnode.Disposition {
	if m, ok := a.module.(vnode.HandoffCommander); ok && moving {
		return m.HandleHandoffCommand(cx, cmd)
	}
	return a.module.HandleCommand(cx, cmd)
}

// finish commits what the handler wrote and answers.
func (a *vnodeActor) finish(f *letter, d vnode.Disposition, moving bool) {
	switch d := d.(type) {
	case vnode.Reply:
		a.commit(f, func() { a.host.respond(f, d.Body) })
	case vnode.NoReply:
		a.commit(f, func() {})
	case vnode.Async:
		a.commit(f, func() { a.async(f, d) })
	case vnode.Fail:
		a.fail(f, d.Err)
	case vnode.Forward:
		a.deferCommand(f, d, moving)
	case vnode.Drop:
	case vnode.Stop:
		err := fmt.Errorf("vnode %v: %w: %w", a.id, vnode.ErrStopped, d.Reason)
		a.fail(f, err)
		a.reopen(err)
	}
}

// deferCommand keeps a command for whoever owns the partition when the move has
// ended. Nothing is sent before the flip: until then only the source may
// acknowledge.
func (a *vnodeActor) deferCommand(f *letter, d vnode.Forward, moving bool) {
	if !moving {
		a.fail(f, vnode.ErrUnexpectedForward)
		return
	}
	if a.life.Defer() == vnode.RefuseFrozen {
		a.refuseOwner(f, messages.CodeFrozen)
		return
	}
	if d.Body != nil {
		g := *f
		g.payload = d.Body
		f = &g
	}
	a.parked = append(a.parked, f)
}

func (a *vnodeActor) fail(f *letter, err error) {
	e := messages.ErrorOf(err)
	if e.Operand == "" {
		e = &messages.Error{Code: e.Code, Op: f.Type.String(), Operand: a.id.String(), Message: e.Message}
	}
	a.host.respondError(f, e)
}

// commit writes the handler's batch and calls then when it is durable.
func (a *vnodeActor) commit(f *letter, then func()) {
	if a.cx == nil {
		then()
		return
	}
	wrote, err := a.writeChanges()
	switch {
	case err != nil:
		a.fail(f, err)
	case wrote && !a.kind.volatile:
		a.host.syncer.after(a.part, func(err error) {
			if err != nil {
				a.fail(f, err)
				return
			}
			then()
		})
	default:
		then()
	}
}

// commitChanges writes what a handler without a sender wrote.
func (a *vnodeActor) commitChanges() {
	if a.cx == nil {
		return
	}
	if _, err := a.writeChanges(); err != nil {
		a.reopen(err)
	}
}

func (a *vnodeActor) writeChanges() (wrote bool, err error) {
	if err := a.cx.Err(); err != nil {
		return false, err
	}
	batch := a.cx.Batch()
	if batch.Len() == 0 {
		return false, nil
	}
	if err := a.part.Write(batch); err != nil {
		return false, err
	}
	if a.moving {
		for _, op := range batch.Ops() {
			a.dirty.Mark(op.Key)
		}
	}
	return true, nil
}

// async runs the command's work outside of the actor.
func (a *vnodeActor) async(f *letter, d vnode.Async) {
	a.host.own(func() {
		body, err := d.Work(a.host.ctx)
		if err != nil {
			a.fail(f, err)
			return
		}
		a.host.respond(f, body)
	})
}

package actors

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// vnodeActor is the shell of one vnode: it turns messages into events of the
// lifecycle machine and performs the machine's actions. Its behavior follows
// the lifecycle's state one to one.
type vnodeActor struct {
	server

	pid      *actor.PID
	box      *vnodeMailbox // of pid
	behavior actor.Behavior
	life     *vnode.Lifecycle
	events   []vnode.Event // of actions that completed within the present message

	export vnode.StateExporter // module, if it keeps state of its own
	record store.Record
	parked []*letter // waiting for the end of the session, or a newer view
	taken  pages     // of the merge that is under way

	moving   bool // changes are noted in dirty
	told     bool // the module heard FOLD_REQ
	dirty    handoff.DirtySet
	exported exports // what a module that exports its state has given out
	handoff  vnode.Handoff
	asked    *dirtyRequest        // waits for the module's workers
	openings map[foldKey]*opening // folds that Options.BeforeFold works for
	source   *sourceTask
	seal     bool          // the machine asked to seal
	final    bool          // no item changes any more
	frozenAt time.Time     // zero in a process that did not see the freeze
	freeze   time.Duration // from the freeze to the flip, for the certificate only

	recorded topology.Part // as the newest record applied here has it
	present  *seen         // the transfer that is under way, nil if there is none
	noted    uint64        // the newest session whose end is in the history
}

// Messages that a vnode's helpers send to it.
type (
	// stepEvent is the completion of an action that ran outside of the actor.
	stepEvent struct{ event vnode.Event }
	// info is a message for the module.
	info struct{ msg any }
	// ended tells that the sending task of a session has ended.
	ended struct {
		session uint64
		err     error
	}
)

func (h *Host) spawnVnode(e *kindEntry, id store.ID) (*inbox, error) {
	a := &vnodeActor{
		server:   server{host: h, kind: e, id: id, log: h.log.With("kind", id.Kind, "partition", uint32(id.Partition))},
		behavior: actor.NewBehavior(),
		life:     vnode.NewLifecycle(h.opts.Self.Node, h.opts.Self.Incarnation, 0),
	}
	a.noted = h.opts.History.Last(id.Kind, id.Partition)
	a.wrote, a.failed = a.changed, a.reopen
	a.behavior.Become(a.idle)
	box := newVnodeMailbox()
	a.box = box
	props := actor.PropsFromProducer(func() actor.Actor { return a }, actor.WithSupervisor(stopOnPanic), actor.WithDispatcher(h.dispatch),
		actor.WithMailbox(func() actor.Mailbox { return box }))
	name := fmt.Sprintf("vnode/%s/%d/%d", id.Kind, id.Partition, h.opts.Self.Incarnation)
	pid, err := h.system.Root.SpawnNamed(props, name)
	return &inbox{pid: pid}, err
}

// Receive dispatches to the behavior of the lifecycle's state.
func (a *vnodeActor) Receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Started:
		a.pid = ctx.Self()
		a.recover()
	case *actor.Stopping:
		a.stop(nil)
	case *actor.Stopped, *actor.Restarting:
	default:
		a.behavior.Receive(ctx)
	}
}

// idle: Absent, Tombstone, and a target that stages or has sealed.
func (a *vnodeActor) idle(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *sealCopy:
		a.sealCopy(m)
	default:
		a.common(ctx, m)
	}
}

// active: Owner, from before HandoffStarting until FOLD_REQ.
func (a *vnodeActor) active(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *foldRequest:
		a.foldRequested(m)
	default:
		a.common(ctx, m)
	}
}

// handingOff: Folding and Frozen, the only states in which changes follow the data.
func (a *vnodeActor) handingOff(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *dirtyRequest:
		a.readDirty(m)
	case *foldRequest:
		a.foldAgain(m)
	default:
		a.common(ctx, m)
	}
}

// forwarding: Forwarder and Activating.
func (a *vnodeActor) forwarding(ctx actor.Context) { a.common(ctx, ctx.Message()) }

// common are the messages of every state.
func (a *vnodeActor) common(ctx actor.Context, m any) {
	switch m := m.(type) {
	case *letter:
		a.admit(m)
		m.leave()
	case vnode.Applied:
		a.chronicle(m.Part)
		a.step(m)
	case stepEvent:
		a.step(m.event)
	case info:
		a.inform(m.msg)
	case ended:
		a.sourceEnded(m)
	case *opening:
		a.foldPrepared(m)
	case *foldRequest:
		m.reply <- foldReply{err: fmt.Errorf("fold %v in state %v: %w", a.id, a.life.State(), errNotNow)}
	case *dirtyRequest:
		m.reply <- handoff.Cancelled{Reason: fmt.Sprintf("%v is in state %v", a.id, a.life.State())}
	case *sealCopy:
		m.reply <- fmt.Errorf("seal %v in state %v: %w", a.id, a.life.State(), messages.ErrUnknownSession)
	default:
		a.log.Warn("unexpected message", "type", fmt.Sprintf("%T", m), "from", ctx.Sender())
	}
}

// follow makes the behavior that of the lifecycle's state. The only way from
// active to handingOff is the step that received FOLD_REQ.
func (a *vnodeActor) follow() {
	switch a.life.State().(type) {
	case vnode.Owner:
		a.behavior.Become(a.active)
		a.publish()
		return
	case vnode.Folding:
		a.behavior.Become(a.handingOff)
		a.publish()
		return
	case vnode.Frozen:
		a.behavior.Become(a.handingOff)
	case vnode.Forwarder, vnode.Activating:
		a.behavior.Become(a.forwarding)
	default:
		a.behavior.Become(a.idle)
	}
	a.withdraw() // before the state has any effect
}

// step feeds the machine and performs what it asks for, until both are done.
func (a *vnodeActor) step(e vnode.Event) {
	a.events = append(a.events, e)
	if len(a.events) > 1 {
		return // the loop below is running further up the stack
	}
	for len(a.events) > 0 {
		actions := a.life.Step(a.events[0])
		a.follow()
		for _, action := range actions {
			a.do(action)
		}
		a.events = a.events[1:]
	}
	a.events = nil
}

// recover reads what the node must not have forgotten about the partition.
func (a *vnodeActor) recover() {
	r, err := a.kind.engine.Record(a.id)
	if err != nil {
		a.log.Error("record not read", "err", err)
		return
	}
	a.record = r
	staged, _ := a.kind.engine.Staged(a.id)
	a.step(recovered(r, staged))
}

// recovered says what an earlier process left of a vnode: its record, and the
// session of its staging generation. A sealed copy without one was promoted, and
// the process ended before its record said so: promoting it again is no error.
func recovered(r store.Record, staged uint64) vnode.Recovered {
	e := vnode.Recovered{Epoch: r.Epoch, Fence: r.RingVersion, Frozen: r.Frozen, Staged: staged, Tombstone: r.Tombstone != ""}
	if r.Sealed != 0 && (staged == r.Sealed || staged == 0) {
		e.Staged, e.Seal = r.Sealed, r.Seal
	}
	return e
}

// inform gives a message of a helper to the module.
func (a *vnodeActor) inform(msg any) {
	a.server.inform(msg)
	a.trySeal()
}

func (a *vnodeActor) reopen(reason error) {
	a.log.Error("vnode failed and is opened anew", "err", reason)
	a.terminate(reason)
	a.open(false)
}

func (a *vnodeActor) terminate(reason error) {
	a.withdraw()
	a.export = nil
	a.end(reason)
}

// stop answers whoever still waits and ends the module.
func (a *vnodeActor) stop(reason error) {
	if a.source != nil {
		a.source.stop("node stops")
	}
	for _, f := range a.parked {
		a.host.refuse(f, messages.CodeClosed, "node stops")
	}
	a.parked = nil
	a.terminate(reason)
}

package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// follow applies the record as it changes. Nothing here runs on a timer: each
// step of a transfer is caused by the step before it.
func (h *Host) follow() {
	for update := range h.opts.Agreement.Watch(h.ctx) {
		h.applyState(update.State)
	}
}

// applyState makes a newer record the node's view: sessions first, so that no
// vnode sees a stage whose session is unknown here, then the vnodes concerned,
// then whoever waits for a view.
func (h *Host) applyState(s topology.State) {
	h.applying.Lock()
	defer h.applying.Unlock()
	old := h.view.Load()
	if old != nil && s.Version() <= old.Version() {
		return
	}
	var open []uint64
	for _, t := range s.Transfers() {
		if t.Stage <= topology.StageSeal {
			open = append(open, t.Session)
		}
	}
	h.sessions.Apply(s.Version(), open)
	v := newView(s)
	h.view.Store(v)
	h.progress.setRate(s.TransferRate(h.opts.Self.Node))
	h.progress.follow(s)
	for _, e := range h.kinds {
		h.applyKind(e, old, v)
		h.tellFallbacks(e, v)
	}
	if old != nil {
		close(old.changed)
	}
	h.ends.each(func(d endpoint) { d.viewed(v) })
	h.pipes.viewed(old, v)
}

// applyKind tells the vnodes whose entry changed. A vnode is started for what
// this node owns, sends or receives.
func (h *Host) applyKind(e *kindEntry, old, v *View) {
	name := e.kind.Name()
	for p, part := range v.Parts(name) {
		id := store.ID{Kind: name, Partition: p}
		concerned := part.Owner == h.opts.Self.Node ||
			part.Transfer != nil && (part.Transfer.Source == h.opts.Self.Node || part.Transfer.Target == h.opts.Self.Node)
		if old != nil {
			before := old.Part(name, p)
			// A transfer may begin and end between two views: its certificate is for the history.
			c := part.Certificate
			certified := c != nil && c != before.Certificate && (c.Source == h.opts.Self.Node || c.Target == h.opts.Self.Node)
			concerned = concerned || certified
			if !certified && before.Transfer == part.Transfer && before.Owner == part.Owner && before.Epoch == part.Epoch && old.Fence() == v.Fence() {
				continue
			}
		}
		to := h.running(e, p)
		if to == nil {
			if !concerned {
				continue
			}
			if to = h.vnode(id); to == nil {
				continue // the host stops
			}
		}
		h.system.Root.Send(to.pid, vnode.Applied{Version: v.Version(), Part: part, Fence: v.Fence(), Activate: e.spec.Activate})
	}
}

// running returns the actor of a partition if it was started.
func (h *Host) running(e *kindEntry, p ring.Partition) *inbox {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.vnodes[p]
}

// vnode returns the actor of a partition, started if need be; nil if there is
// no such kind or partition.
func (h *Host) vnode(id store.ID) *inbox {
	e, ok := h.kinds[id.Kind]
	if !ok || int(id.Partition) >= len(e.vnodes) {
		return nil
	}
	if to := h.running(e, id.Partition); to != nil {
		return to
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if to := e.vnodes[id.Partition]; to != nil {
		return to
	}
	if h.ctx.Err() != nil {
		return nil
	}
	to, err := h.spawnVnode(e, id)
	if err != nil {
		h.log.Error("vnode not started", "kind", id.Kind, "partition", uint32(id.Partition), "err", err)
		return nil
	}
	e.vnodes[id.Partition] = to
	return to
}

// stopVnodes ends all vnodes and waits for them. Their queues are served first.
func (h *Host) stopVnodes() {
	if h.system == nil {
		return
	}
	var waiting []*actor.Future
	for _, e := range h.kinds {
		e.mu.RLock()
		for _, to := range e.vnodes {
			if to != nil {
				waiting = append(waiting, h.system.Root.PoisonFuture(to.pid))
			}
		}
		for _, f := range e.fallbacks {
			waiting = append(waiting, h.system.Root.PoisonFuture(f.pid))
		}
		e.mu.RUnlock()
	}
	for _, f := range waiting {
		_ = f.Wait()
	}
}

package actors

import (
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/vnode"
)

// DefaultQueue is how many requests may wait for one vnode, DefaultSlow how long,
// before its node says that it does not keep up.
const (
	DefaultQueue = 10_000
	DefaultSlow  = 5 * time.Second
)

// inbox is where the actor of a vnode or a fallback gets its messages.
type inbox struct {
	pid   *actor.PID
	gate  gate
	pulse vnode.Pulse // of the goroutine that looks
}

// gate bounds the requests that wait for a vnode: those in its mailbox, the one
// that it serves, and those whose writes wait to be durable. What a move has wait
// is bounded by the lifecycle. Other messages do not pass here. The counts only
// grow, but for an entry taken back at once.
type gate struct {
	entered atomic.Int64
	left    atomic.Int64
	refused atomic.Int64
}

// enter lets a request in if fewer than limit wait; a negative limit is none.
func (g *gate) enter(limit int) bool {
	if n := g.entered.Add(1); limit < 0 || n-g.left.Load() <= int64(limit) {
		return true
	}
	g.entered.Add(-1)
	g.refused.Add(1)
	return false
}

// leave ends the waiting of a letter that was let in; further calls do nothing.
func (l *letter) leave() {
	if l.gate != nil {
		l.gate.left.Add(1)
		l.gate = nil
	}
}

// shed answers a request that the gate did not let in.
func (h *Host) shed(e *kindEntry, l *letter) {
	if o, ok := e.kind.(vnode.OverloadHandler); ok {
		switch d := o.HandleOverload(vnode.Command{Body: l.payload}).(type) {
		case vnode.Reply:
			h.respond(l, d.Body)
			return
		case vnode.Fail:
			h.respondError(l, messages.ErrorOf(d.Err))
			return
		case vnode.Drop:
			return
		}
	}
	h.refuse(l, messages.CodeOverloaded, "")
}

// look finds out whether this node keeps up with its requests, and tells when
// that changes.
func (h *Host) look(now time.Time) {
	for name, e := range h.kinds {
		note := func(p ring.Partition, to *inbox) {
			g := &to.gate
			left := g.left.Load() // first: what leaves meanwhile counts as waiting
			waits, sheds := to.pulse.Look(now, vnode.Counts{Entered: g.entered.Load(), Left: left, Refused: g.refused.Load()})
			h.strain.Note(name, uint32(p), waits, h.opts.Slow, sheds)
		}
		e.mu.RLock()
		for p, to := range e.vnodes {
			if to != nil {
				note(ring.Partition(p), to)
			}
		}
		for p, f := range e.fallbacks {
			note(p, &f.inbox)
		}
		e.mu.RUnlock()
	}
	reason := h.strain.End()
	if before := h.struggles.Swap(&reason); (before != nil && *before != "") == (reason != "") {
		return
	}
	if reason != "" {
		h.log.Warn("node does not keep up", "reason", reason)
	} else {
		h.log.Info("node keeps up again")
	}
	if f := h.opts.Events.Struggling; f != nil {
		f(reason)
	}
}

// Struggling returns why this node does not keep up with its requests; empty
// while it does.
func (h *Host) Struggling() string {
	if reason := h.struggles.Load(); reason != nil {
		return *reason
	}
	return ""
}

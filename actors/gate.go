package actors

import (
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/vnode"
)

// DefaultQueue is how many requests may wait for one vnode.
const DefaultQueue = 10_000

// inbox is where the actor of a vnode or a fallback gets its messages.
type inbox struct {
	pid  *actor.PID
	box  *vnodeMailbox // of pid; nil for a fallback
	gate gate
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

package actors

import (
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/handoff/session"
)

// StuckSeals returns the transfers that are over the budget between freeze and
// flip, in session order.
func (h *Host) StuckSeals() []cluster.StuckSeal {
	h.progress.mu.Lock()
	defer h.progress.mu.Unlock()
	return h.progress.seals.Stuck(time.Now())
}

// HeldGuards returns who on this node has not left a session that has been
// closing for at least that long, in session order.
func (h *Host) HeldGuards(after time.Duration) []session.Holder { return h.sessions.Leaked(after) }

// warn says once of each that this node's frozen partition is over its budget, and
// that a guard is over its limit. It belongs to the clock's goroutine.
func (h *Host) warn(now time.Time) {
	h.progress.mu.Lock()
	stuck := h.progress.seals.Tell(now)
	h.progress.mu.Unlock()
	for _, s := range stuck {
		if t := s.Transfer; t.Source == h.opts.Self.Node {
			h.log.Warn("handoff seal stuck", "kind", t.Kind, "partition", uint32(t.Partition), "session", t.Session,
				"target", string(t.Target), "since", s.Since, "remedy", "make the record's majority and the target reachable, or cancel the transfer")
		}
	}
	leaked := h.sessions.Leaked(session.LeakLimit)
	told := make(map[session.Holder]bool, len(leaked))
	for _, g := range leaked {
		if told[g] = true; !h.leaksTold[g] {
			h.log.Warn("handoff guard leaked", "session", g.Session, "guard", g.Name, "entered", g.Entered, "closed", g.Closed,
				"remedy", "what holds it does not end: restart the node if it blocks a transfer")
		}
	}
	h.leaksTold = told
}

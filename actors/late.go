package actors

import "sync/atomic"

// late counts what came too late for a partition.
type late struct {
	// fenced are the frames that were turned away: of a session that is over, or not the partition's.
	fenced atomic.Uint64
	// drained is the newest session whose guards have all been left: nothing may be applied in it any more.
	drained atomic.Uint64
}

// drain notes that a session can have no effect from now on.
func (l *late) drain(session uint64) {
	for {
		was := l.drained.Load()
		if session <= was || l.drained.CompareAndSwap(was, session) {
			return
		}
	}
}

// LateFrames counts what came too late to a node since its start.
type LateFrames struct {
	// Fenced frames were turned away: of another life of a node, of a session that is over.
	Fenced uint64 `json:"fenced_total"`
	// AppliedAfterClose frames were not, though their session was over. It is an error of this program if
	// there is one.
	AppliedAfterClose uint64 `json:"applied_after_close"`
}

// Late returns what came too late to this node.
func (h *Host) Late() LateFrames {
	out := LateFrames{Fenced: h.opts.Transport.Stats().Fenced, AppliedAfterClose: h.appliedAfterClose.Load()}
	for _, e := range h.kinds {
		for i := range e.lates {
			out.Fenced += e.lates[i].fenced.Load()
		}
	}
	return out
}

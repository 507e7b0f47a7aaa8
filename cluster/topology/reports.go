package topology

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
)

// A role says which participants may make a report.
type role uint8

const (
	source role = 1 << iota
	target
)

func (r Report) operand() string {
	return fmt.Sprintf("session %d by %s@%d", r.Session, r.Node, r.Incarnation)
}

// report returns the transfer that a participant reports on, or refuses: the session must be open,
// the node have that role in it, and the reporting process be the node's current one.
func (c *change) report(rep Report, may role) (Transfer, bool) {
	t, ok := c.open(rep.Session)
	if !ok {
		return t, false
	}
	if t.Type != Swap && may != source|target {
		c.refuse(CodeStage, "it is a %s, which has no stages", t.Type)
		return t, false
	}
	if (may&source == 0 || rep.Node != t.Source) && (may&target == 0 || rep.Node != t.Target) {
		c.refuse(CodeNotParticipant, "it goes from %s to %s", t.Source, t.Target)
		return t, false
	}
	m, _ := c.member(rep.Node)
	if m.Status == Down || m.Status == Removed {
		c.refuse(CodeMemberStatus, "the node is %s: start it again", m.Status)
		return t, false
	}
	if m.Incarnation != rep.Incarnation {
		c.refuse(CodeStale, "the node's incarnation is %d: this process was replaced", m.Incarnation)
		return t, false
	}
	return t, true
}

// misplaced refuses a report that does not fit the stage.
func (c *change) misplaced(t Transfer) {
	if t.Stage == StageAbort {
		c.refuse(CodeStage, "it is aborted (%s): release it", t.Reason)
		return
	}
	c.refuse(CodeStage, "it is in %s: follow the record", t.Stage)
}

// sameProcess refuses a report about work that only the process with the session can have done.
func (c *change) sameProcess(t Transfer, rep Report) bool {
	inc := t.SourceIncarnation
	if rep.Node == t.Target {
		inc = t.TargetIncarnation
	}
	if rep.Incarnation != inc {
		c.refuse(CodeStale, "incarnation %d holds the session: abort it and start over", inc)
		return false
	}
	return true
}

func (op SourceReady) apply(c *change) {
	if t, ok := c.report(op.Report, source); ok {
		c.ready(&t, &t.SourceReady)
	}
}

func (op TargetReady) apply(c *change) {
	if t, ok := c.report(op.Report, target); ok {
		c.ready(&t, &t.TargetReady)
	}
}

// ready sets one side's flag, and begins the fold when both are set.
func (c *change) ready(t *Transfer, mine *bool) {
	switch {
	case t.Stage == StageAbort:
		c.misplaced(*t)
		return
	case t.Stage != StagePrepare || *mine:
		return
	}
	*mine = true
	if t.SourceReady && t.TargetReady {
		t.Stage = StageFold
	}
	c.putTransfer(*t)
}

func (op ReadyToSeal) apply(c *change) {
	t, ok := c.report(op.Report, source)
	switch {
	case !ok:
	case t.Stage == StageFold:
		switch {
		case t.Waits || !c.sameProcess(t, op.Report):
		case len(c.neighbours(t)) > 0:
			t.Waits = true
			c.putTransfer(t)
		default:
			t.Stage = StageSeal
			c.putTransfer(t)
		}
	case t.Stage == StagePrepare || t.Stage == StageAbort:
		c.misplaced(t)
	}
}

func (op SourceFrozen) apply(c *change) {
	if t, ok := c.report(op.Report, source); ok {
		c.seal(&t, op.Report, &t.Frozen, op.Seal)
	}
}

func (op TargetSealed) apply(c *change) {
	if t, ok := c.report(op.Report, target); ok {
		c.seal(&t, op.Report, &t.Sealed, op.Seal)
	}
}

// seal records one side's seal, and decides when both are there.
func (c *change) seal(t *Transfer, rep Report, mine **Seal, s Seal) {
	switch {
	case t.Stage == StageDrain || t.Stage == StageClean:
		return
	case t.Stage != StageSeal:
		c.misplaced(*t)
		return
	case *mine != nil && **mine == s:
		return
	case *mine != nil:
		c.giveUp(*t, ReasonSealChanged)
		return
	case !c.sameProcess(*t, rep):
		return
	}
	*mine = &s
	if t.Frozen != nil && t.Sealed != nil {
		c.decideFlip(*t)
		return
	}
	c.putTransfer(*t)
}

// decideFlip is the one decision of a transfer (F11): session and stage are checked by the caller;
// here owner and epoch must be those of the opening, both processes must still hold what they
// sealed, and both seals must be equal in every field. Else the transfer is aborted.
func (c *change) decideFlip(t Transfer) {
	x := c.parts[c.kindIndex(t.Kind)].at(t.Partition)
	switch why := c.lost(t); {
	case x.owner != t.Source || x.epoch != t.Epoch || x.active != t.Session:
		c.giveUp(t, ReasonOwnerChanged)
	case why != "":
		c.giveUp(t, why)
	case *t.Frozen != *t.Sealed:
		c.giveUp(t, ReasonDigestMismatch)
	default:
		c.flip(t)
	}
}

func (op CommitTransfer) operand() string { return fmt.Sprintf("session %d", op.Session) }

func (op CommitTransfer) apply(c *change) {
	t, ok := c.open(op.Session)
	switch {
	case !ok || t.Stage == StageDrain || t.Stage == StageClean:
	case !c.committable(t):
		c.refuse(CodeStage, "it is in %s: only what the target alone has sealed, from a source that keeps its freeze, is committed", t.Stage)
	default:
		c.relay(&t)
		c.flip(t)
	}
}

// committable reports whether the target's seal alone can decide a transfer: the source's is missing, and
// whoever holds the session holds it still.
func (r *record) committable(t Transfer) bool {
	return t.Stage == StageSeal && t.Sealed != nil && t.Frozen == nil && r.lost(t) == ""
}

// relay takes the target's seal for the source's. The target compared its copy with what the source said of
// its own before it sealed, and the source had frozen for good before it said so: nobody changes that copy
// before the record decides.
func (c *change) relay(t *Transfer) { t.Frozen = t.Sealed }

// flip makes the target the owner.
func (c *change) flip(t Transfer) {
	c.setOwner(t, t.Target)
	t.Stage = StageDrain
	c.putTransfer(t)
}

// lost returns why a transfer in StageFold or StageSeal cannot complete any more because a
// participant is another process than the one that holds the session; "" when it can. What a
// durable kind sealed outlives its process; but until the target's seal is there too, only the
// source's process can tell the target that it has everything. After that the source's own seal is not
// needed; see CommitTransfer.
func (r *record) lost(t Transfer) Reason {
	if t.Stage != StageFold && t.Stage != StageSeal {
		return ""
	}
	volatile := r.kinds[r.kindIndex(t.Kind)].Volatile
	switch {
	case r.incarnation(t.Source) != t.SourceIncarnation && (volatile || t.Sealed == nil):
		return ReasonSourceRestarted
	case r.incarnation(t.Target) != t.TargetIncarnation && (volatile || t.Sealed == nil):
		return ReasonTargetRestarted
	}
	return ""
}

func (r *record) incarnation(node ring.NodeID) uint64 {
	if i, ok := r.memberIndex(node); ok {
		return r.members[i].Incarnation
	}
	return 0
}

func (op TargetActivated) apply(c *change) {
	t, ok := c.report(op.Report, target)
	switch {
	case !ok || t.Activated:
	case t.Stage != StageDrain:
		c.misplaced(t)
	case c.revertable(t) && op.Incarnation != t.TargetIncarnation && c.volatile(t):
		c.refuse(CodeStale, "incarnation %d had the copy and is gone, the source still has it: wait for the revert", t.TargetIncarnation)
	default:
		t.Activated, t.TargetFenced = true, op.Fenced
		c.drained(t)
	}
}

func (r *record) volatile(t Transfer) bool { return r.kinds[r.kindIndex(t.Kind)].Volatile }

// revertable reports whether RevertTransfer would be accepted.
func (r *record) revertable(t Transfer) bool {
	return t.Stage == StageDrain && !t.Activated && r.kinds[r.kindIndex(t.Kind)].Activate && r.sourceHolds(t)
}

func (op SourceDrained) apply(c *change) {
	t, ok := c.report(op.Report, source)
	switch {
	case !ok || t.SourceDrained:
	case t.Stage != StageDrain:
		c.misplaced(t)
	default:
		t.SourceDrained, t.FreezeMicros, t.SourceFenced = true, op.FreezeMicros, op.Fenced
		c.drained(t)
	}
}

// drained stores a transfer in StageDrain and goes on to StageClean when both sides are done. A
// source that was removed has nothing left to clean.
func (c *change) drained(t Transfer) {
	if t.Activated && t.SourceDrained {
		t.Stage = StageClean
	}
	c.putTransfer(t)
	if m, _ := c.member(t.Source); t.Stage == StageClean && m.Status == Removed {
		c.closeTransfer(t)
	}
}

func (op SourceCleaned) apply(c *change) {
	t, ok := c.report(op.Report, source)
	switch {
	case !ok:
	case t.Stage != StageClean:
		c.misplaced(t)
	default:
		c.closeTransfer(t)
	}
}

func (op SourceReleased) apply(c *change) {
	t, ok := c.report(op.Report, source)
	switch {
	case !ok:
	case t.Stage != StageAbort:
		c.misplaced(t)
	default:
		c.closeTransfer(t)
	}
}

func (op Refuse) apply(c *change) {
	if t, ok := c.report(op.Report, source|target); ok {
		c.abort(t, op.Reason)
	}
}

// copiesLost reports whether neither process of a flipped transfer has the copy any more: nobody can
// activate it or take it back, and the owner begins anew.
func (c *change) copiesLost(t Transfer) bool {
	return c.volatile(t) && c.incarnation(t.Target) != t.TargetIncarnation && !c.sourceHolds(t)
}

// restarted brings the transfers of a node in line with its new process. In StagePrepare nothing was
// done that the new one cannot do again; in StageDrain the end of the source's former process counts
// as drained.
func (c *change) restarted(m Member) {
	for _, t := range c.transfers {
		next := *t
		switch {
		case t.Type != Swap && (t.Source == m.Node || t.Target == m.Node):
			c.giveUp(next, ReasonRestarted)
		case t.Stage == StagePrepare && t.Source == m.Node:
			next.SourceReady, next.SourceIncarnation = false, m.Incarnation
			c.putTransfer(next)
		case t.Stage == StagePrepare && t.Target == m.Node:
			next.TargetReady, next.TargetIncarnation = false, m.Incarnation
			c.putTransfer(next)
		case t.Stage == StageDrain && (t.Source == m.Node || t.Target == m.Node):
			next.SourceDrained = t.SourceDrained || t.Source == m.Node
			next.Activated = t.Activated || c.copiesLost(next)
			if next != *t {
				c.drained(next)
			}
		}
	}
	c.out.Session, c.out.Stage, c.out.Epoch = 0, 0, 0
}

package topology

import (
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

func (op RemoveMember) operand() string { return string(op.Node) }

func (op RemoveMember) apply(c *change) {
	m, ok := c.member(op.Node)
	switch {
	case !ok:
		c.refuse(CodeNotMember, "there is nothing to remove")
	case m.Status == Removed:
	case m.Status != Exiting && m.Resume != Exiting:
		c.refuse(CodeMemberStatus, "it is %s: stage its leave or its forced removal, and commit the plan", m.Status)
	default:
		c.remove(op.Node)
		c.replan()
	}
}

// dismiss makes a member Removed: its join is void, it replaces nobody, and a term that it holds is
// over.
func (c *change) dismiss(m Member, why string) {
	c.putMember(m.removed())
	c.void(m, why)
	for _, o := range c.members {
		if o.With == m.Node {
			o.Departs, o.With = 0, ""
			c.putMember(o)
		}
	}
	if c.leader == m.Node {
		c.term++
		c.leader = ""
	}
}

// removed returns the member after its removal: only what a later joiner of the name needs is kept.
func (m Member) removed() Member {
	m.Status, m.Resume = Removed, 0
	m.Departs, m.With, m.Share, m.Limit = 0, "", nil, nil
	return m
}

// remove removes members, all at once: their copies are given up, transfers end as far as they waited
// for them, and what they still own belongs to the owners of the committed ring.
func (c *change) remove(nodes ...ring.NodeID) {
	for _, n := range nodes {
		m, _ := c.member(n)
		c.dismiss(m, "the member was removed: join with a new nonce")
	}
	for _, t := range c.transfers {
		if slices.Contains(nodes, t.Source) {
			c.sourceRemoved(*t)
		}
		if i, open := c.transferIndex(t.Session); open && slices.Contains(nodes, t.Target) {
			c.targetRemoved(*c.transfers[i])
		}
	}
	c.reassign(nodes)
	c.dropHints(func(h Hint) bool { return slices.Contains(nodes, h.Node) })
	c.out.Session, c.out.Stage, c.out.Epoch = 0, 0, 0
}

// sourceRemoved ends what a transfer waited for from its source. Before the flip the transfer is
// aborted, unless the target's seal is there, which then stands for both.
func (c *change) sourceRemoved(t Transfer) {
	switch t.Stage {
	case StagePrepare, StageFold, StageSeal:
		if target, _ := c.member(t.Target); t.Sealed == nil || target.Status == Removed || c.volatile(t) && target.Incarnation != t.TargetIncarnation {
			c.giveUp(t, ReasonSourceDown)
			return
		}
		t.SourceDrained = true
		c.relay(&t)
		c.flip(t)
	case StageDrain:
		t.SourceDrained = true
		c.drained(t)
	case StageClean, StageAbort:
		c.closeTransfer(t)
	}
}

// targetRemoved ends what a transfer waited for from its target. A flip that it never reported as
// activated is taken back while the source has the copy; after that the transfer is complete, and the
// copy is lost like all others of the target.
func (c *change) targetRemoved(t Transfer) {
	switch {
	case t.Stage < StageDrain:
		c.giveUp(t, ReasonTargetDown)
	case t.Stage == StageDrain && !t.Activated && c.sourceHolds(t):
		c.revert(t)
		if !c.kinds[c.kindIndex(t.Kind)].Activate { // the target may have acknowledged since the flip
			c.markParts(t.Kind, func(p ring.Partition, _ *part) bool { return p == t.Partition })
			c.fence = c.version
		}
	case t.Stage == StageDrain && !t.Activated:
		t.Stage, t.Reason = StageAbort, ReasonTargetDown
		c.closeTransfer(t)
	case t.Stage == StageDrain || t.Stage == StageClean:
		t.Stage = StageClean
		c.closeTransfer(t)
	}
}

// reassign gives what removed members own to the owners of the committed ring, under new epochs. It
// costs O(partitions).
func (c *change) reassign(nodes []ring.NodeID) {
	given := make([]*Reassignment, len(nodes))
	vectors := slices.Clone(c.parts)
	for k := range vectors {
		next, changed := vectors[k].edit(func(p ring.Partition, x *part) bool {
			i := slices.Index(nodes, x.owner)
			if i < 0 {
				return false
			}
			if given[i] == nil {
				given[i] = &Reassignment{Version: c.version, From: x.owner}
			}
			x.owner, x.given, x.failure = c.ring.Owner(p), given[i], nil
			x.incomplete, x.lost = c.version, c.version
			x.epoch++
			c.fence = c.version
			return true
		})
		if changed {
			vectors[k] = next
			c.parts = vectors
			c.age()
		}
	}
}

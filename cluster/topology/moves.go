package topology

import (
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

func (op OpenTransfer) operand() string {
	return fmt.Sprintf("%s/%d to %s", op.Kind, op.Partition, op.Target)
}

func (op OpenTransfer) apply(c *change) {
	k := c.kindIndex(op.Kind)
	switch {
	case op.Type != Swap:
		c.refuse(CodeInvalid, "its type is %s: ownership moves by a swap", op.Type)
		return
	case k < 0:
		c.refuse(CodeUnknownKind, "the cluster has no such kind: name one of its own")
		return
	case int(op.Partition) >= c.parts[k].size:
		c.refuse(CodeUnknownPartition, "the ring has %d partitions: name one below", c.parts[k].size)
		return
	}
	x := *c.parts[k].at(op.Partition)
	source, target, ok := op.participants(c, x)
	if !ok {
		return
	}
	c.session++
	x.active, x.last = c.session, c.session
	c.putPart(k, op.Partition, x)
	c.putTransfer(Transfer{
		Session: c.session, Type: op.Type, Kind: c.kinds[k].Name, Partition: op.Partition,
		Source: source.Node, Target: target.Node,
		SourceIncarnation: source.Incarnation, TargetIncarnation: target.Incarnation,
		Stage: StagePrepare, Epoch: x.epoch,
	})
}

// participants returns source and target when the slot is free and both may move the partition.
func (op OpenTransfer) participants(c *change, x part) (source, target Member, ok bool) {
	source, _ = c.member(x.owner)
	target, known := c.member(op.Target)
	switch {
	case x.active != 0:
		t := c.transfers[mustFind(c.transferIndex(x.active))]
		c.concerns(*t)
		c.refuse(CodeTransferInProgress, "session %d to %s is in %s: wait for its end or abort it", t.Session, t.Target, t.Stage)
	case x.epoch != op.ExpectEpoch:
		c.refuse(CodeStale, "the owner epoch is %d, not %d: read the record and decide again", x.epoch, op.ExpectEpoch)
	case !known || target.Status == Removed:
		c.refuse(CodeNotMember, "the target must be a member: join it and commit a plan")
	case target.Status != Valid:
		c.refuse(CodeMemberStatus, "the target is %s: only a valid member takes partitions", target.Status)
	case target.Node == source.Node:
		c.refuse(CodeNotOwner, "the target is the owner already: there is nothing to move")
	case source.Status != Valid && source.Status != Leaving:
		c.refuse(CodeMemberStatus, "the owner %s is %s: start it, or repair the partition from its replicas", x.owner, source.Status)
	default:
		return source, target, true
	}
	return source, target, false
}

// mustFind returns the index of something that the record's own invariants say is there.
func mustFind(i int, ok bool) int {
	if !ok {
		panic("topology: active transfer without an entry")
	}
	return i
}

func (op BeginSeal) operand() string { return fmt.Sprintf("session %d past %d", op.Session, op.Past) }

func (op BeginSeal) apply(c *change) {
	t, ok := c.open(op.Session)
	switch {
	case !ok:
	case len(op.Past) > 2*c.spread():
		c.refuse(CodeInvalid, "a transfer has at most %d neighbours", 2*c.spread())
	case t.Stage == StageAbort || t.Stage == StagePrepare || t.Stage == StageFold && !t.Waits:
		c.misplaced(t)
	case t.Stage != StageFold:
	default:
		for _, n := range c.neighbours(t) {
			if !slices.Contains(op.Past, n.Session) {
				c.refuse(CodeTransferInProgress, "session %d of the neighbour %d is in %s: wait for its end", n.Session, n.Partition, n.Stage)
				return
			}
		}
		t.Stage, t.Waits = StageSeal, false
		c.putTransfer(t)
	}
}

// neighbours returns the transfers that a transfer must not be sealed beside (K7): those of its kind, of
// partitions that share a preflist with its own, whose source may be frozen.
func (r *record) neighbours(t Transfer) []*Transfer {
	var out []*Transfer
	for _, u := range r.transfers {
		if u.Session != t.Session && r.near(t, *u) && (u.Stage == StageSeal || u.Stage == StageDrain || u.Stage == StageAbort) {
			out = append(out, u)
		}
	}
	return out
}

// near reports whether two transfers move partitions of one kind that share a preflist.
func (r *record) near(t, u Transfer) bool {
	q := r.ring.Size()
	apart := min(t.Partition.Next(-int(u.Partition), q), u.Partition.Next(-int(t.Partition), q))
	return t.Kind == u.Kind && int(apart) < r.spread()
}

// spread is the number of partitions that a preflist is taken to have.
func (r *record) spread() int { return max(r.nval, r.targetN) }

func (op AbortTransfer) operand() string { return fmt.Sprintf("session %d", op.Session) }

func (op AbortTransfer) apply(c *change) {
	if t, ok := c.open(op.Session); ok {
		c.abort(t, op.Reason)
	}
}

// open returns the active transfer of a session, or refuses.
func (c *change) open(session uint64) (Transfer, bool) {
	i, ok := c.transferIndex(session)
	if !ok {
		c.refuse(CodeNoTransfer, "sessions up to %d were issued: this one is closed or was never opened", c.session)
		return Transfer{}, false
	}
	c.concerns(*c.transfers[i])
	return *c.transfers[i], true
}

// abort answers a request to abort by whoever may.
func (c *change) abort(t Transfer, why Reason) {
	switch {
	case why == "" || len(why) > MaxReason:
		c.refuse(CodeInvalid, "a reason has 1 to %d bytes", MaxReason)
	case t.Stage == StageAbort:
		return
	case t.Stage == StageDrain || t.Stage == StageClean:
		c.refuse(CodeTooLate, "%s owns the partition since epoch %d: open a transfer back instead", t.Target, t.Epoch+1)
	default:
		c.giveUp(t, why)
	}
}

// giveUp moves a transfer to StageAbort, and closes it when the source has nothing to release: it is
// removed, or froze nothing since ownership stays.
func (c *change) giveUp(t Transfer, why Reason) {
	t.Stage, t.Reason, t.Waits = StageAbort, why, false
	c.putTransfer(t)
	if m, _ := c.member(t.Source); m.Status == Removed || t.Type != Swap {
		c.closeTransfer(t)
	}
}

func (op RevertTransfer) operand() string { return fmt.Sprintf("session %d", op.Session) }

func (op RevertTransfer) apply(c *change) {
	t, ok := c.open(op.Session)
	if !ok {
		return
	}
	spec := c.kinds[c.kindIndex(t.Kind)]
	switch {
	case t.Stage == StageAbort && t.Reason == ReasonReverted:
		return
	case t.Stage != StageDrain:
		c.refuse(CodeStage, "it is in %s: only a flip not yet activated is reverted", t.Stage)
	case !spec.Activate || t.Activated:
		c.refuse(CodeTooLate, "%s may have acknowledged requests: open a transfer back instead", t.Target)
	case !c.sourceHolds(t):
		c.refuse(CodeStale, "the source restarted and its copy is gone: let the target go on")
	default:
		c.revert(t)
	}
}

// sourceHolds reports whether the source still has the copy it froze.
func (r *record) sourceHolds(t Transfer) bool {
	spec := r.kinds[r.kindIndex(t.Kind)]
	i, ok := r.memberIndex(t.Source)
	if !ok || t.SourceLost || r.members[i].Status == Removed {
		return false
	}
	return !spec.Volatile || r.members[i].Incarnation == t.SourceIncarnation
}

// revert gives the partition back to the source, under a new epoch.
func (c *change) revert(t Transfer) {
	c.setOwner(t, t.Source)
	t.Stage, t.Reason = StageAbort, ReasonReverted
	c.putTransfer(t)
}

func (c *change) setOwner(t Transfer, node ring.NodeID) {
	k := c.kindIndex(t.Kind)
	x := *c.parts[k].at(t.Partition)
	x.owner = node
	x.epoch++
	c.putPart(k, t.Partition, x)
}

// closeTransfer frees the slot: with a certificate after StageClean, with one failed attempt to move
// more after StageAbort.
func (c *change) closeTransfer(t Transfer) {
	k := c.kindIndex(t.Kind)
	x := *c.parts[k].at(t.Partition)
	x.active = 0
	switch {
	case t.Stage == StageClean:
		x.cert = certify(t, x.epoch, x.cert)
		if t.Type == Swap {
			x.failure = nil
		}
	case t.Type == Swap:
		f := failure{attempts: 1, reason: t.Reason}
		if x.failure != nil {
			f.attempts += x.failure.attempts
		}
		x.failure = &f
	}
	c.putPart(k, t.Partition, x)
	c.dropTransfer(t.Session)
	c.out.Session, c.out.Stage, c.out.Epoch = t.Session, 0, x.epoch
}

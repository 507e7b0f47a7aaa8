package topology

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
)

func (op OpenSession) operand() string {
	return fmt.Sprintf("%s of %s/%d by %s@%d", op.Type, op.Kind, op.Partition, op.Node, op.Incarnation)
}

func (op OpenSession) apply(c *change) {
	if !c.addressed(op.Kind, op.Partition) {
		return
	}
	m, ok := c.running(op.Node, op.Incarnation)
	if !ok {
		return
	}
	k := c.kindIndex(op.Kind)
	x := *c.parts[k].at(op.Partition)
	owner, _ := c.member(x.owner)
	switch {
	case x.active != 0:
		t := c.transfers[mustFind(c.transferIndex(x.active))]
		c.concerns(*t)
		c.refuse(CodeTransferInProgress, "session %d, a %s to %s, is in %s: wait for its end", t.Session, t.Type, t.Target, t.Stage)
	case x.epoch != op.ExpectEpoch:
		c.refuse(CodeStale, "the owner epoch is %d, not %d: read the record and decide again", x.epoch, op.ExpectEpoch)
	case !op.allowed(c, x, owner):
	default:
		c.session++
		x.active, x.last = c.session, c.session
		c.putPart(k, op.Partition, x)
		c.putTransfer(Transfer{
			Session: c.session, Type: op.Type, Kind: c.kinds[k].Name, Partition: op.Partition,
			Source: op.Node, Target: x.owner, SourceIncarnation: m.Incarnation, TargetIncarnation: owner.Incarnation,
			Stage: StageFold, Epoch: x.epoch, SourceReady: true, TargetReady: true,
		})
	}
}

// allowed reports whether there is something to do under the session, and room for it, or refuses.
func (op OpenSession) allowed(c *change, x part, owner Member) bool {
	s := State{&c.record}
	_, hinted := c.hints.get(Hint{Kind: op.Kind, Partition: op.Partition, Node: op.Node})
	sends, receives := c.sessionsOf(op.Node, x.owner)
	switch {
	case op.Type == Repair && x.owner != op.Node:
		c.refuse(CodeNotOwner, "%s owns it: only the owner rebuilds its copy", x.owner)
	case op.Type == Repair && x.incomplete == 0:
		c.refuse(CodeStale, "the copy lacks nothing: read the record")
	case op.Type == Repair:
		return true
	case op.Type != Merge:
		c.refuse(CodeInvalid, "its type is %s: ownership moves by a transfer", op.Type)
	case !hinted:
		c.refuse(CodeStale, "it has no hint: read the record")
	case !owner.Alive():
		c.refuse(CodeMemberStatus, "the owner %s is %s: wait until it starts", x.owner, owner.Status)
	case !s.Sends(op.Node, op.Kind) || !s.Receives(x.owner, op.Kind):
		c.refuse(CodeMemberStatus, "transfers are switched off on the way to %s: switch them on", x.owner)
	case sends >= s.TransferLimit(op.Node) || receives >= s.TransferLimit(x.owner):
		c.refuse(CodeTransferInProgress, "%s sends %d and %s receives %d already: wait for the end of one", op.Node, sends, x.owner, receives)
	default:
		return true
	}
	return false
}

// sessionsOf counts the transfers that one node sends and those that another receives, repairs left out:
// they are bounded where they run.
func (r *record) sessionsOf(source, target ring.NodeID) (sends, receives int) {
	for _, t := range r.transfers {
		if t.Type == Repair {
			continue
		}
		if t.Source == source {
			sends++
		}
		if t.Target == target {
			receives++
		}
	}
	return sends, receives
}

// complete closes a merge or a repair that did what it was opened for.
func (c *change) complete(t Transfer, sent, taken Seal) {
	t.Stage, t.Frozen, t.Sealed = StageClean, &sent, &taken
	c.closeTransfer(t)
}

// mergeOf returns the open merge of a hint, or nil.
func (r *record) mergeOf(h Hint) *Transfer {
	if x := r.part(h.Kind, h.Partition); x.active != 0 {
		if t := r.transfers[mustFind(r.transferIndex(x.active))]; t.Type == Merge && t.Source == h.Node {
			return t
		}
	}
	return nil
}

package topology

import (
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

func (op MarkIncomplete) operand() string {
	return fmt.Sprintf("%s of %s@%d", op.Kind, op.Node, op.Incarnation)
}

func (op MarkIncomplete) apply(c *change) {
	if !c.addressed(op.Kind, 0) {
		return
	}
	m, ok := c.running(op.Node, op.Incarnation)
	if !ok {
		return
	}
	c.markParts(op.Kind, func(_ ring.Partition, x *part) bool { return x.owner == op.Node })
	c.dropHints(func(h Hint) bool { return h.Node == op.Node && h.Kind == op.Kind })
	for _, t := range c.transfers {
		if t.Kind == op.Kind {
			c.copyLost(*t, m)
		}
	}
	c.out.Session, c.out.Stage, c.out.Epoch = 0, 0, 0
}

// copyLost takes back what a transfer trusted a former process of the member to have kept.
func (c *change) copyLost(t Transfer, m Member) {
	switch {
	case t.Target == m.Node && t.TargetIncarnation != m.Incarnation && (t.Stage == StageFold || t.Stage == StageSeal):
		c.giveUp(t, ReasonTargetRestarted)
	case t.Source == m.Node && t.SourceIncarnation != m.Incarnation && t.Stage == StageDrain && !t.SourceLost:
		t.SourceLost = true
		c.putTransfer(t)
	}
}

// markParts makes those parts of a kind incomplete for which f holds. It costs O(partitions).
func (c *change) markParts(kind Kind, f func(ring.Partition, *part) bool) {
	k := c.kindIndex(kind)
	next, changed := c.parts[k].edit(func(p ring.Partition, x *part) bool {
		if !f(p, x) {
			return false
		}
		x.incomplete, x.lost = c.version, c.version
		return true
	})
	if changed {
		c.parts = slices.Clone(c.parts)
		c.parts[k] = next
		c.age()
		c.applied()
	}
}

// dropHints closes the hints for which f holds because their data is gone: their owners will not get
// it back.
func (c *change) dropHints(f func(Hint) bool) {
	var kept, lost []Hint
	for h := range c.hints.from(Hint{}) {
		if f(h) {
			lost = append(lost, h)
		} else {
			kept = append(kept, h)
		}
	}
	if len(lost) == 0 {
		return
	}
	c.hints = sortedOf(kept)
	for _, h := range lost {
		if t := c.mergeOf(h); t != nil {
			c.giveUp(*t, ReasonSourceRestarted)
		}
		c.linger(h)
		c.partLost(c.kindIndex(h.Kind), h.Partition)
	}
}

func (op MarkDamaged) operand() string { return fmt.Sprintf("%s/%d", op.Kind, op.Partition) }

func (op MarkDamaged) apply(c *change) {
	if c.addressed(op.Kind, op.Partition) {
		c.partLost(c.kindIndex(op.Kind), op.Partition)
	}
}

// partLost makes a part incomplete as of now.
func (c *change) partLost(kind int, p ring.Partition) {
	x := *c.parts[kind].at(p)
	x.incomplete, x.lost = c.version, c.version
	c.putPart(kind, p, x)
	c.age()
}

// age begins the grace period after the next one, as a copy that loses data does: it may have
// acknowledged what others do not hold yet, and is whole again once it has been compared with them.
// So what was read before is not taken after it, by whoever has applied the loss. One command does
// it once.
func (c *change) age() {
	if !c.aged {
		c.aged = true
		c.grace += staleAfter
	}
}

func (op MarkWhole) operand() string {
	return fmt.Sprintf("%s/%d of %s epoch %d since %d", op.Kind, op.Partition, op.Owner, op.Epoch, op.Since)
}

func (op MarkWhole) apply(c *change) {
	if !c.addressed(op.Kind, op.Partition) {
		return
	}
	k := c.kindIndex(op.Kind)
	x := *c.parts[k].at(op.Partition)
	switch {
	case x.owner != op.Owner || x.epoch != op.Epoch:
		c.refuse(CodeStale, "it is of %s epoch %d: read the record and decide again", x.owner, x.epoch)
	case x.incomplete == 0:
	case x.incomplete != op.Since:
		c.refuse(CodeStale, "it is incomplete since version %d: repair what was lost then", x.incomplete)
	case op.Fence < c.fence: // F16
		c.refuse(CodeStale, "its neighbours hold fence %d, that of the record is %d: fence them, and repair it again", op.Fence, c.fence)
	case op.Session == 0 || x.active != op.Session || c.transfers[mustFind(c.transferIndex(x.active))].Type != Repair:
		c.refuse(CodeNoTransfer, "its repair is not session %d: repair it under one", op.Session)
	default:
		x.incomplete = 0
		c.putPart(k, op.Partition, x)
		c.complete(*c.transfers[mustFind(c.transferIndex(op.Session))], op.Done, op.Done)
	}
}

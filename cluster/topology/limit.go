package topology

import (
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

// The transfer limit of a new cluster, and the greatest one.
const (
	DefaultTransferLimit = 8
	MaxTransferLimit     = 1 << 16
)

func (op SetTransferLimit) operand() string {
	if op.Node == "" {
		return fmt.Sprintf("%d for all", op.Limit)
	}
	return fmt.Sprintf("%d for %s", op.Limit, op.Node)
}

func (op SetTransferLimit) apply(c *change) {
	m, ok := c.member(op.Node)
	switch {
	case op.Limit < 0 || op.Limit > MaxTransferLimit:
		c.refuse(CodeInvalid, "a limit is from 0 to %d", MaxTransferLimit)
	case op.Node == "":
		op.forAll(c)
	case !ok || m.Status == Removed:
		c.refuse(CodeNotMember, "it takes part in no transfer")
	case m.Limit == nil || *m.Limit != op.Limit:
		m.Limit = &op.Limit
		c.putMember(m)
	}
}

func (op SetTransferLimit) forAll(c *change) {
	if c.limit != op.Limit {
		c.limit = op.Limit
		c.applied()
	}
	if !slices.ContainsFunc(c.members, func(m Member) bool { return m.Limit != nil }) {
		return
	}
	c.members = slices.Clone(c.members)
	for i := range c.members {
		c.members[i].Limit = nil
	}
	c.applied()
}

func (op MovePartition) operand() string {
	return fmt.Sprintf("%d from %s to %s", op.Partition, op.ExpectOwner, op.Target)
}

func (op MovePartition) apply(c *change) {
	m, ok := c.member(op.Target)
	switch {
	case int(op.Partition) >= c.ring.Size():
		c.refuse(CodeUnknownPartition, "the ring has %d partitions: name one below", c.ring.Size())
	case !ok || m.Status == Removed:
		c.refuse(CodeNotMember, "the target must be a member: join it and commit a plan")
	case m.Status != Valid || !m.Claims():
		c.refuse(CodeMemberStatus, "the target is %s or about to leave: only a valid member takes partitions", m.Status)
	case c.ring.Owner(op.Partition) == op.Target:
	case c.ring.Owner(op.Partition) != op.ExpectOwner:
		c.refuse(CodeStale, "the ring gives it to %s: read the record and decide again", c.ring.Owner(op.Partition))
	default:
		c.ring = c.ring.With(map[ring.Partition]ring.NodeID{op.Partition: op.Target})
		c.replan()
		c.applied()
	}
}

package topology

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

// The transfer limit of a new cluster, and the greatest one.
const (
	DefaultTransferLimit = 8
	MaxTransferLimit     = 1 << 16
)

// The transfer rate of a new cluster, and the bounds of one, in bytes per second. With less than
// MinTransferRate a batch would take so long that a transfer looks as if it had ended.
const (
	DefaultTransferRate = 224 << 20
	MinTransferRate     = 64 << 10
	MaxTransferRate     = 1 << 40
)

// A KindSet is a set of vnode kinds, a bit for each in the order of State.Kinds.
type KindSet uint32

func (s KindSet) has(kind int) bool { return kind >= 0 && s&(1<<kind) != 0 }

func allKinds(n int) KindSet { return KindSet(1<<n - 1) }

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
	c.editMembers(func(m *Member) { m.Limit = nil })
}

// editMembers changes members all at once.
func (c *change) editMembers(f func(*Member)) {
	next := slices.Clone(c.members)
	for i := range next {
		f(&next[i])
	}
	if !slices.Equal(next, c.members) {
		c.members = next
		c.applied()
	}
}

func (op SetTransferRate) operand() string {
	if op.Node == "" {
		return fmt.Sprintf("%d B/s for all", op.Rate)
	}
	return fmt.Sprintf("%d B/s for %s", op.Rate, op.Node)
}

func (op SetTransferRate) apply(c *change) {
	m, ok := c.member(op.Node)
	switch {
	case op.Rate != 0 && (op.Rate < MinTransferRate || op.Rate > MaxTransferRate):
		c.refuse(CodeInvalid, "a rate is 0, which is no bound, or from %d to %d bytes per second", MinTransferRate, MaxTransferRate)
	case op.Node == "":
		op.forAll(c)
	case !ok || m.Status == Removed:
		c.refuse(CodeNotMember, "it takes part in no transfer")
	case m.Rate == nil || *m.Rate != op.Rate:
		m.Rate = &op.Rate
		c.putMember(m)
	}
}

func (op SetTransferRate) forAll(c *change) {
	if c.rate != op.Rate {
		c.rate = op.Rate
		c.applied()
	}
	c.editMembers(func(m *Member) { m.Rate = nil })
}

func (op SwitchTransfers) operand() string {
	to, direction := "off", "both"
	if op.On {
		to = "on"
	}
	switch {
	case !op.Inbound:
		direction = "outbound"
	case !op.Outbound:
		direction = "inbound"
	}
	return fmt.Sprintf("%s, %s, of %s at %s", to, direction, cmp.Or(op.Kind, "all kinds"), cmp.Or(op.Node, "all nodes"))
}

func (op SwitchTransfers) apply(c *change) {
	m, ok := c.member(op.Node)
	k := c.kindIndex(op.Kind)
	switch {
	case !op.Outbound && !op.Inbound:
		c.refuse(CodeInvalid, "a direction, outbound or inbound or both, must be named")
	case op.Kind != "" && k < 0:
		c.refuse(CodeUnknownKind, "the cluster has no such kind: name one of its own")
	case op.Node != "" && (!ok || m.Status == Removed):
		c.refuse(CodeNotMember, "it takes part in no transfer")
	default:
		of := allKinds(len(c.kinds))
		if op.Kind != "" {
			of = 1 << k
		}
		if out, in := c.noOutbound, c.noInbound; op.Node == "" {
			op.turn(&c.noOutbound, &c.noInbound, of)
			if out != c.noOutbound || in != c.noInbound {
				c.applied()
			}
		}
		c.editMembers(func(m *Member) {
			if op.Node == "" || op.Node == m.Node {
				op.turn(&m.NoOutbound, &m.NoInbound, of)
			}
		})
	}
}

// turn switches those kinds in the directions of the operation.
func (op SwitchTransfers) turn(noOutbound, noInbound *KindSet, of KindSet) {
	for _, d := range []struct {
		is  bool
		off *KindSet
	}{{op.Outbound, noOutbound}, {op.Inbound, noInbound}} {
		switch {
		case d.is && op.On:
			*d.off &^= of
		case d.is:
			*d.off |= of
		}
	}
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

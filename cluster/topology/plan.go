package topology

import (
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

func (op StageLeave) operand() string { return string(op.Node) }

func (op StageLeave) apply(c *change) {
	m, ok := c.member(op.Node)
	switch {
	case !ok || m.Status == Removed:
		c.refuse(CodeNotMember, "there is nothing to leave")
	case m.LeaveStaged:
		return
	case m.Status != Valid && m.Resume != Valid:
		c.refuse(CodeMemberStatus, "it is %s: only a valid member leaves; unstage a joining one", m.Status)
	case !slices.ContainsFunc(c.members, func(o Member) bool { return o.Node != op.Node && o.Claims() }):
		c.refuse(CodeLastMember, "join another node first")
	default:
		m.LeaveStaged = true
		c.putMember(m)
		c.replan()
	}
}

func (op Unstage) operand() string { return string(op.Node) }

func (op Unstage) apply(c *change) {
	m, ok := c.member(op.Node)
	if !ok || m.Status == Removed {
		c.refuse(CodeNotMember, "nothing is staged for it")
		return
	}
	if c.unstage(m) {
		c.replan()
	}
}

func (ClearPlan) operand() string { return "" }

func (ClearPlan) apply(c *change) {
	changed := false
	for _, m := range c.members {
		if c.unstage(m) {
			changed = true
		}
	}
	if changed {
		c.replan()
	}
	if c.plan != nil {
		c.plan = nil
		c.applied()
	}
}

// unstage takes back a staged leave, or the join of a member no plan took in yet. As
// riak_core_claimant:clear.
func (c *change) unstage(m Member) bool {
	switch {
	case m.Status == Joining || m.Resume == Joining:
		m.Status, m.Resume = Removed, 0
		c.void(m, "the operator took the join back: join with a new nonce")
	case m.LeaveStaged:
		m.LeaveStaged = false
	default:
		return false
	}
	c.putMember(m)
	return true
}

func (op StagePlan) operand() string { return fmt.Sprintf("based on %d", op.BasedOn) }

func (op StagePlan) apply(c *change) {
	switch {
	case op.Ring == nil:
		c.refuse(CodeInvalid, "a plan has a ring")
		return
	case op.Ring.Size() != c.ring.Size():
		c.refuse(CodeRingSize, "the plan has %d partitions, the cluster %d: plan with the cluster's size", op.Ring.Size(), c.ring.Size())
		return
	case op.BasedOn != c.membership:
		c.refuse(CodePlanChanged, "the members changed in version %d: plan again", c.membership)
		return
	}
	for _, n := range op.Ring.Nodes() {
		m, ok := c.member(n)
		if !ok || m.Status == Removed {
			c.refuse(CodeNotMember, "the plan gives partitions to %s: join it or plan without it", n)
			return
		}
		if !m.Claims() {
			c.refuse(CodeMemberStatus, "the plan gives partitions to %s, which is %s or about to leave: plan without it", n, m.Status)
			return
		}
	}
	c.plan = &Plan{Version: c.version, BasedOn: op.BasedOn, Ring: op.Ring, Joining: c.joining(), Leaving: c.leaving()}
	c.applied()
}

func (r *record) joining() []ring.NodeID {
	return r.nodes(func(m Member) bool { return m.Status == Joining || m.Resume == Joining })
}

func (r *record) leaving() []ring.NodeID {
	return r.nodes(func(m Member) bool { return m.LeaveStaged })
}

func (r *record) nodes(which func(Member) bool) []ring.NodeID {
	var out []ring.NodeID
	for _, m := range r.members {
		if which(m) {
			out = append(out, m.Node)
		}
	}
	return out
}

func (op CommitPlan) operand() string { return fmt.Sprintf("version %d", op.PlanVersion) }

func (op CommitPlan) apply(c *change) {
	switch {
	case c.plan == nil:
		c.refuse(CodeNothingPlanned, "stage a plan first")
		return
	case c.plan.Version != op.PlanVersion:
		c.refuse(CodePlanChanged, "the staged plan is version %d: review that one", c.plan.Version)
		return
	case c.plan.BasedOn != c.membership:
		c.refuse(CodePlanChanged, "the members changed in version %d: plan again", c.membership)
		return
	}
	c.ring, c.plan = c.plan.Ring, nil
	c.members = slices.Clone(c.members)
	for i := range c.members {
		c.members[i].commit()
	}
	c.replan()
	c.applied()
}

// commit moves the member on to what was staged for it.
func (m *Member) commit() {
	s := &m.Status
	if m.Status == Down {
		s = &m.Resume
	}
	switch {
	case *s == Joining:
		*s = Valid
	case m.LeaveStaged:
		*s, m.LeaveStaged = Leaving, false
	}
}

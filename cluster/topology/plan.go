package topology

import (
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

// MaxPlanText is the longest text about a plan that the record keeps, in bytes.
const MaxPlanText = 2048

func (op StagePlan) operand() string { return fmt.Sprintf("based on %d", op.BasedOn) }

func (op StagePlan) apply(c *change) {
	switch {
	case op.Ring == nil:
		c.refuse(CodeInvalid, "a plan has a ring")
		return
	case op.Ring.Size() != c.ring.Size():
		c.refuse(CodeRingSize, "the plan has %d partitions, the cluster %d: plan with the cluster's size", op.Ring.Size(), c.ring.Size())
		return
	case len(op.Infeasible) > MaxPlanText || len(op.Reason) > MaxPlanText:
		c.refuse(CodeInvalid, "a text of a plan has at most %d bytes", MaxPlanText)
		return
	case op.BasedOn != c.membership:
		c.refuse(CodePlanChanged, "the members changed in version %d: plan again", c.membership)
		return
	case c.onlyReplaces() && !op.Ring.Equal(c.substituted()):
		c.refuse(CodeInvalid, "only replacements are staged, and a replacement gets exactly the partitions of whom it replaces: plan again")
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
	c.plan = &Plan{
		Version: c.version, BasedOn: op.BasedOn, Ring: op.Ring, Changes: c.staged(),
		Infeasible: op.Infeasible, Reason: op.Reason,
	}
	c.applied()
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
	var forced []ring.NodeID
	for i := range c.members {
		if m := &c.members[i]; m.Departs.Forced() {
			forced = append(forced, m.Node)
		} else {
			m.commit()
		}
	}
	if len(forced) > 0 {
		c.remove(forced...)
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
	case m.Departs != 0:
		*s, m.Departs, m.With = Leaving, 0, ""
	}
	if m.Share != nil {
		m.Weight, m.Location, m.Share = m.Share.Weight, m.Share.Location, nil
	}
}

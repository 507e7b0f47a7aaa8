package topology

import (
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

// An Action is what a staged change does to a member when the plan is committed.
type Action uint8

// The actions. The numbers are part of the record's format.
const (
	ActionJoin         Action = iota + 1 // becomes Valid
	ActionLeave                          // becomes Leaving, its partitions move away
	ActionReplace                        // as ActionLeave, and With gets them
	ActionForceRemove                    // is Removed, its partitions are given to others at once
	ActionForceReplace                   // as ActionForceRemove, and With gets them
	ActionShare                          // has another weight or location

	actionEnd
)

var actionNames = [actionEnd]string{"none", "join", "leave", "replace", "force-remove", "force-replace", "share"}

// String returns the action in lower case.
func (a Action) String() string {
	if a < actionEnd {
		return actionNames[a]
	}
	return fmt.Sprintf("action %d", uint8(a))
}

// Forced reports whether partitions change owners without a transfer.
func (a Action) Forced() bool { return a == ActionForceRemove || a == ActionForceReplace }

func (a Action) replaces() bool { return a == ActionReplace || a == ActionForceReplace }

// A Share is what decides how many partitions a member gets, and which.
type Share struct {
	// Weight is the relative share; 0 counts as 1.
	Weight   int
	Location string
}

// A StagedChange is one change of a member that waits for a plan and its commit.
type StagedChange struct {
	Action Action
	Node   ring.NodeID
	// With is the member that takes Node's place, for replacements.
	With ring.NodeID
	// Weight and Location are what the member will have, for ActionJoin and ActionShare.
	Weight   int
	Location string
}

// Staged returns what is staged now, in node order, a new slice. A staged plan has its own list, which
// is the same unless the plan is void.
func (s State) Staged() []StagedChange { return s.rec().staged() }

func (r *record) staged() []StagedChange {
	var out []StagedChange
	for _, m := range r.members {
		share := m.NextShare()
		if m.joining() {
			out = append(out, StagedChange{Action: ActionJoin, Node: m.Node, Weight: share.Weight, Location: share.Location})
		}
		if m.Departs != 0 {
			out = append(out, StagedChange{Action: m.Departs, Node: m.Node, With: m.With})
		}
		if m.Share != nil && !m.joining() {
			out = append(out, StagedChange{Action: ActionShare, Node: m.Node, Weight: share.Weight, Location: share.Location})
		}
	}
	return out
}

// joining reports whether no plan took the member in yet.
func (m Member) joining() bool { return m.Status == Joining || m.Resume == Joining }

func (op StageLeave) operand() string { return string(op.Node) }

func (op StageLeave) apply(c *change) { c.stageDeparture(op.Node, ActionLeave, "") }

func (op StageReplace) operand() string { return fmt.Sprintf("%s with %s", op.Old, op.New) }

func (op StageReplace) apply(c *change) { c.stageDeparture(op.Old, ActionReplace, op.New) }

func (op StageForceRemove) operand() string { return string(op.Node) }

func (op StageForceRemove) apply(c *change) { c.stageDeparture(op.Node, ActionForceRemove, "") }

func (op StageForceReplace) operand() string { return fmt.Sprintf("%s with %s", op.Old, op.New) }

func (op StageForceReplace) apply(c *change) { c.stageDeparture(op.Old, ActionForceReplace, op.New) }

// stageDeparture stages how a member departs. What is staged already stays until it is taken back.
func (c *change) stageDeparture(node ring.NodeID, how Action, with ring.NodeID) {
	m, ok := c.member(node)
	switch {
	case !ok || m.Status == Removed:
		c.refuse(CodeNotMember, "there is nothing to take out")
	case m.Departs == how && m.With == with:
	case m.Departs != 0:
		c.refuse(CodeAlreadyLeaving, "a %s of it is staged: unstage that first", m.Departs)
	case m.joining():
		c.refuse(CodeMemberStatus, "it is joining: unstage its join")
	case !how.Forced() && m.Status != Valid && m.Resume != Valid:
		c.refuse(CodeAlreadyLeaving, "it is %s: wait for it, or force its removal", m.Status)
	case how.replaces() && !c.replacement(with):
	case !how.replaces() && !slices.ContainsFunc(c.members, func(o Member) bool { return o.Node != node && o.Claims() }):
		c.refuse(CodeLastMember, "join another node first")
	default:
		m.Departs, m.With, m.Share = how, with, nil
		c.putMember(m)
		c.replan()
	}
}

// replacement reports whether the node may take another's place, or refuses.
func (c *change) replacement(node ring.NodeID) bool {
	m, ok := c.member(node)
	if i := slices.IndexFunc(c.members, func(o Member) bool { return o.With == node }); ok && i >= 0 {
		c.refuse(CodeAlreadyReplacement, "%s takes the place of %s: join another node", node, c.members[i].Node)
		return false
	}
	if !ok || m.Status != Joining {
		c.refuse(CodeInvalidReplacement, "%s must be a joining member, it is %s: join it first", node, m.Status)
		return false
	}
	return true
}

func (op StageShare) operand() string { return string(op.Node) }

func (op StageShare) apply(c *change) {
	m, ok := c.member(op.Node)
	next := m.NextShare()
	if op.Weight != nil {
		next.Weight = *op.Weight
	}
	if op.Location != nil {
		next.Location = *op.Location
	}
	why := invalidNode(op.Node, "", next.Location, next.Weight)
	switch {
	case why != "":
		c.refuse(CodeInvalid, "%s", why)
	case !ok || m.Status == Removed:
		c.refuse(CodeNotMember, "it has no share")
	case !m.Claims():
		c.refuse(CodeAlreadyLeaving, "it will own nothing: unstage its departure")
	case next == m.NextShare():
	default:
		m.Share = &next
		if next == (Share{Weight: m.Weight, Location: m.Location}) {
			m.Share = nil
		}
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
	c.unstage(m)
}

func (ClearPlan) operand() string { return "" }

func (ClearPlan) apply(c *change) {
	for _, m := range c.members {
		if m, ok := c.member(m.Node); ok { // as the unstaging of others left it
			c.unstage(m)
		}
	}
	if c.plan != nil {
		c.plan = nil
		c.applied()
	}
}

// unstage takes back a staged departure or share, or the join of a member no plan took in yet. As
// riak_core_claimant:clear.
func (c *change) unstage(m Member) {
	switch {
	case m.joining():
		c.dismiss(m, "the operator took the join back: join with a new nonce")
	case m.Departs != 0 || m.Share != nil:
		m.Departs, m.With, m.Share = 0, "", nil
		c.putMember(m)
	default:
		return
	}
	c.replan()
}

// Substituted returns the committed ring with each member that is to be replaced substituted by its
// replacement: what a plan starts from. It is the committed ring itself when nothing is replaced. It
// is also what the plan must be when only is set: then nothing but replacements is staged.
func (s State) Substituted() (r *ring.Ring, only bool) {
	return s.rec().substituted(), s.rec().onlyReplaces()
}

func (r *record) substituted() *ring.Ring {
	to := map[ring.NodeID]ring.NodeID{}
	for _, m := range r.members {
		if m.Departs.replaces() {
			to[m.Node] = m.With
		}
	}
	if r.ring == nil || len(to) == 0 {
		return r.ring
	}
	owners := r.ring.Owners()
	for p, n := range owners {
		if with, ok := to[n]; ok {
			owners[p] = with
		}
	}
	next, err := ring.New(owners)
	if err != nil {
		return r.ring // members have names
	}
	return next
}

// onlyReplaces reports whether replacements are staged and nothing else.
func (r *record) onlyReplaces() bool {
	some := false
	for _, m := range r.members {
		some = some || m.Departs.replaces()
		if m.Share != nil && !m.joining() || m.Departs != 0 && !m.Departs.replaces() ||
			m.joining() && !slices.ContainsFunc(r.members, func(o Member) bool { return o.With == m.Node }) {
			return false
		}
	}
	return some
}

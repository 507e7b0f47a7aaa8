package topology

import (
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

// Bounds of the fields that operators choose.
const (
	MaxAddr     = 255 // bytes of an address
	MaxLocation = 255 // bytes of a location
	MaxKindName = 64  // bytes of a kind's name
	MaxKinds    = 32
	// MaxJoins is the number of join decisions remembered, and maxJoinsPerNode that for one name.
	MaxJoins        = 1024
	maxJoinsPerNode = 8
)

func (op CreateCluster) operand() string {
	return fmt.Sprintf("%s by %s", op.ClusterID, op.Member.Node)
}

func (op CreateCluster) apply(c *change) {
	if !c.clusterID.IsZero() {
		c.refuse(CodeClusterExists, "it is %s: join it instead", c.clusterID)
		return
	}
	if !ring.ValidSize(op.RingSize) {
		c.refuse(CodeRingSize, "%d partitions: choose a power of two from %d to %d", op.RingSize, ring.MinSize, ring.MaxSize)
		return
	}
	if why := op.invalid(); why != "" {
		c.refuse(CodeInvalid, "%s", why)
		return
	}
	owners := make([]ring.NodeID, op.RingSize)
	for i := range owners {
		owners[i] = op.Member.Node
	}
	committed, err := ring.New(owners)
	if err != nil {
		c.refuse(CodeInvalid, "%v", err)
		return
	}
	c.clusterID, c.targetN, c.nval = op.ClusterID, op.TargetN, op.NVal
	c.limit, c.rate = DefaultTransferLimit, DefaultTransferRate
	c.ring = committed
	c.kinds = slices.Clone(op.Kinds)
	c.parts = make([]parts, len(op.Kinds))
	for i := range c.parts {
		c.parts[i] = newParts(op.RingSize, part{owner: op.Member.Node, epoch: 1})
	}
	m := op.Member
	m = Member{Node: m.Node, Addr: m.Addr, Weight: m.Weight, Location: m.Location, Nonce: m.Nonce, Status: Valid, Incarnation: 1}
	c.putMember(m)
	c.replan()
	c.out.Incarnation = 1
}

func (op CreateCluster) invalid() string {
	switch {
	case op.ClusterID.IsZero():
		return "the cluster id must not be zero"
	case op.TargetN < 1 || op.TargetN > ring.MaxTargetN:
		return fmt.Sprintf("target n %d is not from 1 to %d", op.TargetN, ring.MaxTargetN)
	case op.NVal < 1 || op.NVal > op.RingSize:
		return fmt.Sprintf("n %d is not from 1 to the ring size", op.NVal)
	case len(op.Kinds) == 0 || len(op.Kinds) > MaxKinds:
		return fmt.Sprintf("a cluster has 1 to %d vnode kinds", MaxKinds)
	}
	for i, k := range op.Kinds {
		if k.Name == "" || len(k.Name) > MaxKindName {
			return fmt.Sprintf("the name of a vnode kind has 1 to %d bytes", MaxKindName)
		}
		if slices.ContainsFunc(op.Kinds[:i], func(o KindSpec) bool { return o.Name == k.Name }) {
			return fmt.Sprintf("vnode kind %s is named twice", k.Name)
		}
	}
	return invalidNode(op.Member.Node, op.Member.Addr, op.Member.Location, op.Member.Weight)
}

func invalidNode(node ring.NodeID, addr, location string, weight int) string {
	switch {
	case node == "" || len(node) > ring.MaxNodeLen:
		return fmt.Sprintf("a node name has 1 to %d bytes", ring.MaxNodeLen)
	case len(addr) > MaxAddr || len(location) > MaxLocation:
		return fmt.Sprintf("an address or location has at most %d bytes", MaxAddr)
	case weight < 0 || weight > ring.MaxWeight:
		return fmt.Sprintf("weight %d is not from 0 to %d", weight, ring.MaxWeight)
	}
	return ""
}

// missingKind returns the first kind of the cluster that is not among those served, or is served
// with other properties.
func (r *record) missingKind(served []KindSpec) (KindSpec, bool) {
	for _, k := range r.kinds {
		if !slices.Contains(served, k) {
			return k, true
		}
	}
	return KindSpec{}, false
}

func (op StartNode) operand() string { return string(op.Node) }

func (op StartNode) apply(c *change) {
	if op.ClusterID != c.clusterID {
		c.refuse(CodeClusterMismatch, "the node is of cluster %s, the record of %s: start it with its own cluster", op.ClusterID, c.clusterID)
		return
	}
	m, ok := c.member(op.Node)
	if !ok || m.Status == Removed {
		c.refuse(CodeNotMember, "join the cluster first")
		return
	}
	if m.Nonce != op.Nonce {
		c.refuse(CodeNameTaken, "another node is a member under this name: use its data, or join under a new name")
		return
	}
	if k, missing := c.missingKind(op.Kinds); missing {
		c.refuse(CodeMissingKind, "%s (volatile=%t activate=%t): start the node with it", k.Name, k.Volatile, k.Activate)
		return
	}
	if why := invalidNode(op.Node, op.Addr, "", 0); why != "" {
		c.refuse(CodeInvalid, "%s", why)
		return
	}
	m.Incarnation++
	m.Addr = op.Addr
	if m.Status == Down {
		m.Status, m.Resume = m.Resume, 0
	}
	c.putMember(m)
	c.restarted(m)
	c.out.Incarnation = m.Incarnation
}

func (op Join) operand() string { return fmt.Sprintf("%s nonce %d", op.Node, op.Nonce) }

func (op Join) apply(c *change) {
	if why := invalidNode(op.Node, op.Addr, op.Location, op.Weight); why != "" {
		c.refuse(CodeInvalid, "%s", why)
		return
	}
	if d, ok := (State{&c.record}).JoinDecision(op.Node, op.Nonce); ok {
		op.repeat(c, d)
		return
	}
	m, known := c.member(op.Node)
	if op.refused(c, m, known) {
		c.decide(op, c.out.Code, c.out.Err.Error())
		return
	}
	if known && m.Status != Removed {
		c.void(m, fmt.Sprintf("a newer attempt took its place with nonce %d", op.Nonce))
	}
	m = Member{
		Node: op.Node, Addr: op.Addr, Incarnation: m.Incarnation + 1, Status: Joining,
		Weight: op.Weight, Location: op.Location, Nonce: op.Nonce,
		NoOutbound: c.noOutbound, NoInbound: c.noInbound,
	}
	if known {
		c.restarted(m)
	}
	c.putMember(m)
	c.replan()
	c.decide(op, CodeApplied, "")
	c.out.Incarnation = m.Incarnation
}

// repeat answers an attempt that was decided before in the same way.
func (op Join) repeat(c *change, d JoinDecision) {
	if d.Accepted() {
		if m, ok := c.member(op.Node); ok && m.Nonce == op.Nonce {
			c.out.Incarnation = m.Incarnation
		}
		return
	}
	c.out.Code, c.out.Err = d.Code, d.Err()
}

// refused refuses the join when cluster, name, ring or kinds do not allow it.
func (op Join) refused(c *change, m Member, known bool) bool {
	switch {
	case !op.ClusterID.IsZero() && op.ClusterID != c.clusterID:
		c.refuse(CodeClusterMismatch, "the node is of cluster %s, this is %s: it can join only with an empty data directory", op.ClusterID, c.clusterID)
	case op.RingSize != 0 && op.RingSize != c.ring.Size():
		c.refuse(CodeRingSize, "the node asks for %d partitions, the cluster has %d: configure the same", op.RingSize, c.ring.Size())
	case known && m.Status == Removed && c.busy(op.Node):
		c.refuse(CodeNameTaken, "a removed node of this name still owns %d partitions or is part of a transfer: join under a new name", c.owned(op.Node))
	case known && m.Status != Removed && m.Status != Joining && m.Resume != Joining:
		c.refuse(CodeNameTaken, "a %s member has this name: use its data, or join under a new name", m.Status)
	default:
		k, missing := c.missingKind(op.Kinds)
		if !missing {
			return false
		}
		c.refuse(CodeMissingKind, "%s (volatile=%t activate=%t): start the node with it", k.Name, k.Volatile, k.Activate)
	}
	return true
}

// decide records the decision on an attempt, and forgets the oldest beyond the bounds.
func (c *change) decide(op Join, code Code, text string) {
	joins := slices.Clone(c.joins)
	same := 0
	for i := len(joins) - 1; i >= 0; i-- {
		if joins[i].Node != op.Node {
			continue
		}
		if same++; same >= maxJoinsPerNode {
			joins = slices.Delete(joins, i, i+1)
		}
	}
	if len(joins) >= MaxJoins {
		joins = slices.Delete(joins, 0, 1)
	}
	c.joins = append(joins, JoinDecision{Node: op.Node, Nonce: op.Nonce, Code: code, Text: text, Version: c.version})
}

// void turns the decision on the join of a member into a refusal: the join ended without it.
func (c *change) void(m Member, why string) {
	if i := c.joinIndex(m.Node, m.Nonce); i >= 0 {
		c.joins = slices.Clone(c.joins)
		c.joins[i].Code = CodeStale
		c.joins[i].Text = fmt.Sprintf("join %s nonce %d: %v: %s", m.Node, m.Nonce, ErrStale, why)
	}
}

// owned returns the number of partitions of all kinds that the node serves. It costs O(partitions).
func (r *record) owned(node ring.NodeID) int {
	n := 0
	for i := range r.parts {
		for p := range r.parts[i].size {
			if r.parts[i].at(ring.Partition(p)).owner == node {
				n++
			}
		}
	}
	return n
}

func (op MarkDown) operand() string { return string(op.Node) }

func (op MarkDown) apply(c *change) {
	m, ok := c.member(op.Node)
	switch {
	case !ok || m.Status == Removed:
		c.refuse(CodeNotMember, "there is nothing to declare down")
	case m.Status == Down:
		return
	default:
		m.Resume, m.Status = m.Status, Down
		c.putMember(m)
	}
}

func (op MarkExited) operand() string { return string(op.Node) }

func (op MarkExited) apply(c *change) {
	m, ok := c.member(op.Node)
	switch {
	case !ok || m.Status == Removed:
		c.refuse(CodeNotMember, "there is nothing to mark")
	case m.Status == Exiting:
		return
	case m.Status != Leaving:
		c.refuse(CodeMemberStatus, "it is %s: stage its leave and commit the plan", m.Status)
	case c.hinted(op.Node) > 0:
		c.refuse(CodeStillOwns, "it keeps data of %d partitions for their owners: wait until it handed them back", c.hinted(op.Node))
	case c.busy(op.Node):
		c.refuse(CodeStillOwns, "it serves %d partitions: wait for their transfers", c.owned(op.Node))
	default:
		m.Status = Exiting
		c.putMember(m)
		c.replan()
	}
}

// busy reports whether the node owns partitions, now or in the committed ring, takes part in a transfer, or
// keeps data for others.
func (r *record) busy(node ring.NodeID) bool {
	return r.owned(node) > 0 || r.ring.Count(node) > 0 ||
		slices.ContainsFunc(r.transfers, func(t *Transfer) bool { return t.Source == node || t.Target == node }) ||
		r.hinted(node) > 0
}

// hinted returns the number of partitions whose data the node keeps for their owners.
func (r *record) hinted(node ring.NodeID) int { return len(State{r}.HintsOf(node)) }

func (op BeginTerm) operand() string { return string(op.Node) }

func (op BeginTerm) apply(c *change) {
	m, ok := c.member(op.Node)
	switch {
	case !ok || m.Status == Removed:
		c.refuse(CodeNotMember, "only a member coordinates")
	case !m.Alive() && m.Status != Exiting:
		c.refuse(CodeMemberStatus, "it is %s: start it first", m.Status)
	default:
		c.term++
		c.leader = m.Node
		c.out.Term = c.term
		c.applied()
	}
}

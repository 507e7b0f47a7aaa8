package cluster

import (
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Limits bounds what Schedule asks for, beyond the transfer limits of the record.
type Limits struct {
	// PerNode is the number of transfers that a node sends at most, and of those that it receives,
	// of all kinds together, where the record allows more. Default: what the record allows.
	PerNode int
	// Up says which nodes seem to answer; transfers are opened between such nodes only. It is
	// advice. Default: all.
	Up func(ring.NodeID) bool
	// Unreachable says which nodes have not answered for so long that transfers do not wait for
	// them: those not decided yet are aborted, and the others no longer keep their neighbours from
	// sealing. It is advice. Default: none.
	Unreachable func(ring.NodeID) bool
	// Overdue says that a transfer in StageSeal has been there for so long that its partition, which
	// nobody serves, does not wait for the missing seals any more. Default: never.
	Overdue func(*topology.Transfer) bool
	// Hold says that a partition whose last transfer failed is left alone for now. Default: never.
	Hold func(topology.Kind, ring.Partition, topology.Part) bool
}

func (l Limits) withDefaults() Limits {
	if l.PerNode <= 0 {
		l.PerNode = topology.MaxTransferLimit
	}
	if l.Up == nil {
		l.Up = func(ring.NodeID) bool { return true }
	}
	if l.Unreachable == nil {
		l.Unreachable = func(ring.NodeID) bool { return false }
	}
	if l.Overdue == nil {
		l.Overdue = func(*topology.Transfer) bool { return false }
	}
	if l.Hold == nil {
		l.Hold = func(topology.Kind, ring.Partition, topology.Part) bool { return false }
	}
	return l
}

// Schedule returns what a coordinator proposes next: aborts and reverts of transfers that cannot go
// on, the flips of those whose source can't report its seal, the seals of those that waited for their
// neighbours, transfers of partitions that are not where the committed ring wants them, and the departure
// of members that have nothing left. It is a pure function of the record and the limits, and idle
// (empty) when nothing is to be done before the record changes. It returns at most topology.Window
// operations.
func Schedule(s topology.State, limits Limits) []topology.Op {
	if s.Ring() == nil {
		return nil
	}
	limits = limits.withDefaults()
	ops := rescue(s, limits, nil)
	ops = seal(s, limits, ops)
	ops = depart(s, ops)
	ops = open(s, limits, ops)
	return ops[:min(len(ops), topology.Window)]
}

// rescue ends the transfers that cannot complete.
func rescue(s topology.State, limits Limits, ops []topology.Op) []topology.Op {
	for _, t := range s.Transfers() {
		switch t.Stage {
		case topology.StagePrepare, topology.StageFold, topology.StageSeal:
			overdue := t.Stage == topology.StageSeal && limits.Overdue(t)
			if why := abortReason(s, limits, t, overdue); why == "" {
				continue
			} else if targetServes(s, limits, t) {
				ops = append(ops, topology.CommitTransfer{Session: t.Session})
			} else {
				ops = append(ops, topology.AbortTransfer{Session: t.Session, Reason: why})
			}
		case topology.StageDrain:
			if targetGone(s, t) && s.Revertable(t) {
				ops = append(ops, topology.RevertTransfer{Session: t.Session})
			}
		}
	}
	return ops
}

// targetServes reports whether the target of a transfer that can't go on has sealed its copy and seems to
// answer: then it is to serve, rather than a source that is gone or can't reach the record.
func targetServes(s topology.State, limits Limits, t *topology.Transfer) bool {
	target, _ := s.Member(t.Target)
	return s.Committable(t) && target.Alive() && !limits.Unreachable(t.Target)
}

// abortReason returns why a transfer can't go on as it should, "" if it can.
func abortReason(s topology.State, limits Limits, t *topology.Transfer, overdue bool) topology.Reason {
	if why := s.Lost(t); why != "" {
		return why
	}
	source, _ := s.Member(t.Source)
	target, _ := s.Member(t.Target)
	switch {
	case t.Stage == topology.StageSeal && source.Incarnation != t.SourceIncarnation && t.Frozen == nil:
		return topology.ReasonSourceRestarted // the new process can't report the seal
	case !source.Alive():
		return topology.ReasonSourceDown
	case !target.Alive():
		return topology.ReasonTargetDown
	case limits.Unreachable(t.Source):
		return topology.ReasonSourceUnreachable
	case limits.Unreachable(t.Target):
		return topology.ReasonTargetUnreachable
	case t.Type == topology.Swap && t.Stage != topology.StageSeal && s.Ring().Owner(t.Partition) != t.Target:
		return topology.ReasonSuperseded
	case overdue:
		return topology.ReasonSealBudget
	}
	return ""
}

// seal lets transfers go on that waited for their neighbours (K7): at most one of those that share a
// preflist is between its freeze and the end of its drain. A neighbour that waits for nothing but an
// unreachable node is not waited for: requests miss that copy anyway.
func seal(s topology.State, limits Limits, ops []topology.Op) []topology.Op {
	ended := map[uint64]bool{}
	for _, op := range ops {
		if op, ok := op.(topology.AbortTransfer); ok {
			ended[op.Session] = true
		}
	}
	var begun []*topology.Transfer
next:
	for _, t := range s.Transfers() {
		if !t.Waits || ended[t.Session] || slices.ContainsFunc(begun, func(u *topology.Transfer) bool { return s.Near(t, u) }) {
			continue
		}
		op := topology.BeginSeal{Session: t.Session}
		for _, n := range s.Neighbours(t) {
			if !stuck(limits, n) {
				continue next
			}
			op.Past = append(op.Past, n.Session)
		}
		begun = append(begun, t)
		ops = append(ops, op)
	}
	return ops
}

// targetGone reports whether the process that sealed the copy will not activate it.
func targetGone(s topology.State, t *topology.Transfer) bool {
	target, _ := s.Member(t.Target)
	spec, _ := s.Kind(t.Kind)
	return !target.Alive() || spec.Volatile && target.Incarnation != t.TargetIncarnation
}

// depart moves members on that are about to leave and own nothing. An Exiting
// member may still feed pipes from its snapshots, so it is the node itself that
// proposes its removal when it has finished.
func depart(s topology.State, ops []topology.Op) []topology.Op {
	for _, m := range s.Members() {
		if m.Status == topology.Leaving && !s.Busy(m.Node) {
			ops = append(ops, topology.MarkExited{Node: m.Node})
		}
	}
	return ops
}

// open opens transfers in partition order, within the limits: first those that need not wait for a
// neighbour before their seal, then others, which copy in the meantime.
func open(s topology.State, limits Limits, ops []topology.Op) []topology.Op {
	m := newMoves(s, limits)
	for _, beside := range []bool{false, true} {
		for p := range ring.Partition(s.RingSize()) {
			for k, spec := range s.Kinds() {
				if len(ops) == topology.Window {
					return ops
				}
				if op, ok := m.open(k, spec.Name, p, beside); ok {
					ops = append(ops, op)
				}
			}
		}
	}
	return ops
}

// moves counts what is on the move.
type moves struct {
	s       topology.State
	limits  Limits
	out, in map[ring.NodeID]int
	moving  []map[ring.Partition]bool // by kind; false for what needs no seal any more
}

func newMoves(s topology.State, limits Limits) *moves {
	m := &moves{s: s, limits: limits, out: map[ring.NodeID]int{}, in: map[ring.NodeID]int{}}
	for k, spec := range s.Kinds() {
		m.moving = append(m.moving, map[ring.Partition]bool{})
		for _, t := range s.Transfers() {
			if t.Kind == spec.Name && t.Type != topology.Repair && !stuck(limits, t) {
				m.add(k, t.Partition, t.Source, t.Target)
				m.moving[k][t.Partition] = t.Stage != topology.StageClean
			}
		}
	}
	return m
}

// open returns the transfer of a partition if it is due; beside says that neighbours may be moving.
func (m *moves) open(k int, kind topology.Kind, p ring.Partition, beside bool) (op topology.OpenTransfer, ok bool) {
	target := m.s.Ring().Owner(p)
	if owner, _ := m.s.Owner(kind, p); owner == target {
		return op, false
	}
	x := m.s.Part(kind, p)
	_, opened := m.moving[k][p]
	if opened || x.Transfer != nil || m.obstacle(kind, x.Owner, target).what != "" || !beside && m.beside(k, p) || m.limits.Hold(kind, p, x) {
		return op, false
	}
	m.add(k, p, x.Owner, target)
	return topology.OpenTransfer{Type: topology.Swap, Kind: kind, Partition: p, Target: target, ExpectEpoch: x.Epoch}, true
}

// beside reports whether a partition that shares a preflist with p is on the move (K7).
func (m *moves) beside(kind int, p ring.Partition) bool {
	q := m.s.RingSize()
	for i := range min(max(m.s.NVal(), m.s.TargetN()), q) {
		if m.moving[kind][p.Next(i, q)] || m.moving[kind][p.Next(-i, q)] {
			return true
		}
	}
	return false
}

// stuck reports whether a transfer waits for nothing but a node that is unreachable. It may wait for
// ever, and others must not wait with it.
func stuck(limits Limits, t *topology.Transfer) bool {
	switch t.Stage {
	case topology.StageDrain:
		return !t.Activated && limits.Unreachable(t.Target) || !t.SourceDrained && limits.Unreachable(t.Source)
	case topology.StageClean, topology.StageAbort:
		return limits.Unreachable(t.Source)
	}
	return false
}

func (m *moves) add(kind int, p ring.Partition, source, target ring.NodeID) {
	m.moving[kind][p] = true
	m.out[source]++
	m.in[target]++
}

func (m *moves) limit(node ring.NodeID) int { return min(m.s.TransferLimit(node), m.limits.PerNode) }

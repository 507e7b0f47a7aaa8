package cluster

import (
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
	// moving. It is advice. Default: none.
	Unreachable func(ring.NodeID) bool
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
	if l.Hold == nil {
		l.Hold = func(topology.Kind, ring.Partition, topology.Part) bool { return false }
	}
	return l
}

// Schedule returns what a coordinator proposes next: aborts and reverts of transfers that cannot go
// on, transfers of partitions that are not where the committed ring wants them, and the departure of
// members that have nothing left. It is a pure function of the record and the limits, and idle
// (empty) when nothing is to be done before the record changes. It returns at most topology.Window
// operations.
func Schedule(s topology.State, limits Limits) []topology.Op {
	if s.Ring() == nil {
		return nil
	}
	limits = limits.withDefaults()
	ops := rescue(s, limits, nil)
	ops = depart(s, ops)
	ops = open(s, limits, ops)
	return ops[:min(len(ops), topology.Window)]
}

// rescue ends the transfers that cannot complete.
func rescue(s topology.State, limits Limits, ops []topology.Op) []topology.Op {
	for _, t := range s.Transfers() {
		switch t.Stage {
		case topology.StagePrepare, topology.StageFold, topology.StageSeal:
			if why := abortReason(s, limits, t); why != "" {
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

func abortReason(s topology.State, limits Limits, t *topology.Transfer) topology.Reason {
	if why := s.Lost(t); why != "" {
		return why
	}
	source, _ := s.Member(t.Source)
	target, _ := s.Member(t.Target)
	switch {
	case !source.Alive():
		return topology.ReasonSourceDown
	case !target.Alive():
		return topology.ReasonTargetDown
	case limits.Unreachable(t.Source):
		return topology.ReasonSourceUnreachable
	case limits.Unreachable(t.Target):
		return topology.ReasonTargetUnreachable
	case t.Stage != topology.StageSeal && s.Ring().Owner(t.Partition) != t.Target:
		return topology.ReasonSuperseded
	}
	return ""
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

// open opens transfers in partition order, within the limits, and never two of one kind within the
// n partitions of a preflist: of those that serve a key, at most one is on the move.
func open(s topology.State, limits Limits, ops []topology.Op) []topology.Op {
	m := newMoves(s, limits)
	for p := range ring.Partition(s.RingSize()) {
		target := s.Ring().Owner(p)
		for k, spec := range s.Kinds() {
			if owner, _ := s.Owner(spec.Name, p); owner == target {
				continue
			}
			if len(ops) == topology.Window {
				return ops
			}
			x := s.Part(spec.Name, p)
			if x.Transfer != nil || !m.fits(k, p, x.Owner, target) || limits.Hold(spec.Name, p, x) {
				continue
			}
			m.add(k, p, x.Owner, target)
			ops = append(ops, topology.OpenTransfer{
				Type: topology.Swap, Kind: spec.Name, Partition: p, Target: target, ExpectEpoch: x.Epoch,
			})
		}
	}
	return ops
}

// moves counts what is on the move.
type moves struct {
	s       topology.State
	limits  Limits
	out, in map[ring.NodeID]int
	moving  []map[ring.Partition]bool // by kind
}

func newMoves(s topology.State, limits Limits) *moves {
	m := &moves{s: s, limits: limits, out: map[ring.NodeID]int{}, in: map[ring.NodeID]int{}}
	for k, spec := range s.Kinds() {
		m.moving = append(m.moving, map[ring.Partition]bool{})
		for _, t := range s.Transfers() {
			if t.Kind != spec.Name || m.stuck(t) {
				continue
			}
			m.add(k, t.Partition, t.Source, t.Target)
			// In StageClean the target serves and the source only deletes.
			if t.Stage == topology.StageClean {
				delete(m.moving[k], t.Partition)
			}
		}
	}
	return m
}

// stuck reports whether a transfer waits for nothing but a node that is unreachable. It may wait for
// ever, and others must not wait with it.
func (m *moves) stuck(t *topology.Transfer) bool {
	switch t.Stage {
	case topology.StageDrain:
		return !t.Activated && m.limits.Unreachable(t.Target) || !t.SourceDrained && m.limits.Unreachable(t.Source)
	case topology.StageClean, topology.StageAbort:
		return m.limits.Unreachable(t.Source)
	}
	return false
}

func (m *moves) add(kind int, p ring.Partition, source, target ring.NodeID) {
	m.moving[kind][p] = true
	m.out[source]++
	m.in[target]++
}

func (m *moves) limit(node ring.NodeID) int { return min(m.s.TransferLimit(node), m.limits.PerNode) }

func (m *moves) fits(kind int, p ring.Partition, source, target ring.NodeID) bool {
	from, _ := m.s.Member(source)
	to, _ := m.s.Member(target)
	switch {
	case m.out[source] >= m.limit(source) || m.in[target] >= m.limit(target):
		return false
	case from.Status != topology.Valid && from.Status != topology.Leaving || to.Status != topology.Valid:
		return false
	case !m.limits.Up(source) || !m.limits.Up(target):
		return false
	}
	q := m.s.RingSize()
	for i := range min(m.s.NVal(), q) {
		if m.moving[kind][p.Next(i, q)] || m.moving[kind][p.Next(-i, q)] {
			return false
		}
	}
	return true
}

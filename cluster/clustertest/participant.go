package clustertest

import (
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// NextReport returns what a participant that does all it should reports next about an active transfer,
// or nil when it waits for somebody else. Its copy is made up: equal seals on both sides. It lets a
// suite or a simulation move partitions without data.
func NextReport(s topology.State, t *topology.Transfer, node ring.NodeID) topology.Op {
	m, ok := s.Member(node)
	if !ok || !m.Alive() {
		return nil
	}
	rep := topology.Report{Session: t.Session, Node: node, Incarnation: m.Incarnation}
	seal := topology.Seal{LastSeq: t.Session, Items: uint64(t.Partition)}
	source, same := node == t.Source, m.Incarnation == t.SourceIncarnation
	if node == t.Target {
		same = m.Incarnation == t.TargetIncarnation
	}
	switch {
	case t.Stage == topology.StagePrepare && source && !t.SourceReady:
		return topology.SourceReady{Report: rep}
	case t.Stage == topology.StagePrepare && !source && !t.TargetReady:
		return topology.TargetReady{Report: rep}
	case t.Stage == topology.StageFold && source && same && !t.Waits:
		return topology.ReadyToSeal{Report: rep}
	case t.Stage == topology.StageSeal && source && same && t.Frozen == nil:
		return topology.SourceFrozen{Report: rep, Seal: seal}
	case t.Stage == topology.StageSeal && !source && same && t.Sealed == nil:
		return topology.TargetSealed{Report: rep, Seal: seal}
	case t.Stage == topology.StageDrain && source && !t.SourceDrained:
		return topology.SourceDrained{Report: rep}
	case t.Stage == topology.StageDrain && !source && !t.Activated && !awaitsRevert(s, t, m):
		return topology.TargetActivated{Report: rep}
	case t.Stage == topology.StageClean && source:
		return topology.SourceCleaned{Report: rep}
	case t.Stage == topology.StageAbort && source:
		return topology.SourceReleased{Report: rep}
	}
	return nil
}

// awaitsRevert reports whether the target lost the copy and waits for the source to take it back.
func awaitsRevert(s topology.State, t *topology.Transfer, target topology.Member) bool {
	spec, _ := s.Kind(t.Kind)
	return spec.Volatile && target.Incarnation != t.TargetIncarnation && s.Revertable(t)
}

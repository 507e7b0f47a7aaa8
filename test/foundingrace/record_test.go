package foundingrace_test

import (
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

const (
	source = ring.NodeID("a")
	target = ring.NodeID("b")
	where  = ring.Partition(3)
)

// record is the partition's entry in the topology record, with the rules by
// which reports move a transfer on. Comparable, so that it is part of a state.
type record struct {
	version uint64
	owner   ring.NodeID
	epoch   uint64
	session uint64 // of the last transfer opened
	stage   topology.Stage

	sourceReady, targetReady bool
	frozen, sealed           bool
	activated, drained       bool
}

// seal stands for both sides' equal seals; what was copied is compared by its
// effect, not by a digest.
var seal = topology.Seal{LastSeq: 1}

func (r *record) part() topology.Part {
	p := topology.Part{Owner: r.owner, Epoch: r.epoch, LastSession: r.session}
	if r.stage == 0 {
		return p
	}
	t := &topology.Transfer{
		Session: r.session, Type: topology.Swap, Kind: "pipe", Partition: where, Source: source, Target: target,
		SourceIncarnation: 1, TargetIncarnation: 1, Stage: r.stage, Epoch: 1,
		SourceReady: r.sourceReady, TargetReady: r.targetReady, Activated: r.activated, SourceDrained: r.drained,
	}
	if r.frozen {
		t.Frozen = &seal
	}
	if r.sealed {
		t.Sealed = &seal
	}
	p.Transfer = t
	return p
}

// open starts a transfer.
func (r *record) open() {
	*r = record{version: r.version + 1, owner: r.owner, epoch: r.epoch, session: r.session + 1, stage: topology.StagePrepare}
}

// apply takes a report of a participant and tells whether the record changed.
func (r *record) apply(op topology.Op) bool {
	before := *r
	switch op.(type) {
	case topology.SourceReady:
		r.sourceReady = r.sourceReady || r.stage == topology.StagePrepare
	case topology.TargetReady:
		r.targetReady = r.targetReady || r.stage == topology.StagePrepare
	case topology.ReadyToSeal:
		if r.stage == topology.StageFold {
			r.stage = topology.StageSeal
		}
	case topology.SourceFrozen:
		r.frozen = r.frozen || r.stage == topology.StageSeal
	case topology.TargetSealed:
		r.sealed = r.sealed || r.stage == topology.StageSeal
	case topology.TargetActivated:
		r.activated = r.activated || r.stage == topology.StageDrain
	case topology.SourceDrained:
		r.drained = r.drained || r.stage == topology.StageDrain
	case topology.SourceCleaned:
		if r.stage == topology.StageClean {
			r.stage = 0
		}
	case topology.SourceReleased:
		if r.stage == topology.StageAbort {
			r.stage = 0
		}
	}
	if r.stage == topology.StagePrepare && r.sourceReady && r.targetReady {
		r.stage = topology.StageFold
	}
	if r.stage == topology.StageDrain && r.activated && r.drained {
		r.stage = topology.StageClean
	}
	if *r == before {
		return false
	}
	r.version++
	return true
}

// mayFlip is F11; the flip itself is an event of the explorer.
func (r *record) mayFlip() bool { return r.stage == topology.StageSeal && r.frozen && r.sealed }

func (r *record) flip() {
	r.owner, r.epoch, r.stage = target, r.epoch+1, topology.StageDrain
	r.version++
}

func (r *record) abort() {
	r.stage = topology.StageAbort
	r.version++
}

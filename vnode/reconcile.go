package vnode

import "github.com/dee2748c/baton/cluster/topology"

// reconcile compares the vnode's state with the record and appends what brings
// them together, until nothing is left to do. It reads no message: a late or
// repeated nudge can at most cause another look (handoff.md's rule that the
// applied record decides).
func (l *Lifecycle) reconcile(out []Action) []Action {
	if l.version == 0 {
		return out
	}
	for {
		before := l.state
		out = l.advance(out)
		if l.state == before {
			return out
		}
	}
}

func (l *Lifecycle) advance(out []Action) []Action {
	switch s := l.state.(type) {
	case Absent, Tombstone:
		return l.fromNothing(out)
	case Owner:
		return l.fromOwner(s, out)
	case Folding:
		return l.fromFolding(s, out)
	case Frozen:
		return l.fromFrozen(s, out)
	case Forwarder:
		return l.fromForwarder(s, out)
	case Staging:
		return l.fromStaging(s, out)
	case Sealed:
		return l.fromSealed(s, out)
	case Activating:
		return l.fromActivating(s, out)
	}
	return out
}

// mine returns the transfer of the record if session is its id, else nil.
func (l *Lifecycle) mine(session uint64) *topology.Transfer {
	if t := l.part.Transfer; t != nil && t.Session == session {
		return t
	}
	return nil
}

// report proposes op once for each stage of the session.
func (l *Lifecycle) report(out []Action, stage topology.Stage, op topology.Op) []Action {
	if l.session.reported == stage {
		return out
	}
	l.session.reported = stage
	return append(out, Propose{Op: op})
}

func (l *Lifecycle) fromNothing(out []Action) []Action {
	t := l.part.Transfer
	owned := l.part.Owner == l.self
	switch {
	case owned && t != nil && t.Target == l.self && t.Stage == topology.StageDrain && !t.Activated && l.promoted == l.part.Epoch:
		// A former process promoted the copy and ended before its report.
		l.state = Activating{Session: t.Session, Epoch: l.part.Epoch, Promoted: true}
	case owned && t != nil && t.Target == l.self && t.Stage == topology.StageDrain && !t.Activated:
		// The flip gave us a copy that this process no longer has: only the
		// record can revert it.
		return out
	case owned:
		l.state = Owner{Epoch: l.part.Epoch}
		out = append(out, Open{})
		if l.parked > 0 {
			out = append(out, l.replay())
		}
	case t != nil && t.Source == l.self && (t.Stage == topology.StageDrain || t.Stage == topology.StageClean):
		if l.session.tried {
			return out
		}
		// Restarted after the flip: the data may still be here.
		l.session.tried, l.session.gone = true, true
		l.state = Forwarder{Epoch: l.part.Epoch, Handoff: l.handoff()}
	case t != nil && t.Target == l.self && t.Stage == topology.StagePrepare && !l.session.tried:
		// A staging of this or an earlier session that is there goes with it. It
		// is not dropped by itself: that takes its time, and would hit the new one.
		l.session.tried, l.leftover = true, 0
		l.state = Staging{Session: t.Session}
		out = append(out, CreateStaging{Transfer: *t})
	}
	if l.leftover != 0 {
		out = append(out, DropStaging{Session: l.leftover})
		l.leftover = 0
	}
	return out
}

func (l *Lifecycle) fromOwner(s Owner, out []Action) []Action {
	if l.part.Owner != l.self {
		// Reassigned without a handoff (force-remove): nothing is deleted here.
		l.state = Tombstone{Epoch: l.part.Epoch}
		return append(out, Close{})
	}
	if s.Epoch != l.part.Epoch {
		l.state = Owner{Epoch: l.part.Epoch}
	}
	t := l.part.Transfer
	if t == nil || t.Source != l.self {
		return out
	}
	switch t.Stage {
	case topology.StagePrepare:
		if !l.session.asked && !t.SourceReady {
			l.session.asked = true
			out = append(out, AskStarting{Handoff: l.handoff()})
		}
	case topology.StageFold, topology.StageSeal:
		if !l.session.started {
			l.session.started = true
			out = append(out, StartSource{Transfer: *t})
		}
	case topology.StageAbort:
		out = l.release(t, out)
	}
	return out
}

// release stops the task of an aborted session and reports when it is gone.
func (l *Lifecycle) release(t *topology.Transfer, out []Action) []Action {
	if l.session.started && !l.session.gone {
		if l.session.deleting {
			return out
		}
		l.session.deleting = true // asked to stop
		return append(out, StopSource{Session: t.Session, Reason: string(t.Reason)})
	}
	return l.report(out, topology.StageAbort, topology.SourceReleased{Report: l.reportOn(t.Session)})
}

// resume takes up normal operation after a session was given up.
func (l *Lifecycle) resume(h Handoff, out []Action) []Action {
	l.state = Owner{Epoch: l.part.Epoch}
	return append(out, Cancelled{Handoff: h}, l.replay())
}

func (l *Lifecycle) fromFolding(s Folding, out []Action) []Action {
	t := l.mine(s.Handoff.Session)
	switch {
	case l.part.Owner != l.self:
		l.state = Tombstone{Epoch: l.part.Epoch}
		return append(out, Close{}, ForwardParked{Owner: l.part.Owner})
	case t == nil || t.Stage == topology.StageAbort:
		return l.resume(s.Handoff, out)
	case t.Stage == topology.StageSeal:
		l.state = Frozen{Epoch: s.Epoch, Handoff: s.Handoff}
		return append(out, StoreFreeze{Session: t.Session})
	}
	return out
}

func (l *Lifecycle) fromFrozen(s Frozen, out []Action) []Action {
	t := l.mine(s.Handoff.Session)
	if t != nil {
		s.Handoff = l.handoff() // a restarted source knows the session only
	}
	switch {
	case l.part.Owner != l.self:
		l.session.tried = true
		l.state = Forwarder{Epoch: l.part.Epoch, Handoff: s.Handoff}
		l.parked = 0
		return append(out, Finished{Handoff: s.Handoff},
			StopSource{Session: s.Handoff.Session, Reason: "committed"}, ForwardParked{Owner: l.part.Owner})
	case t == nil || t.Stage == topology.StageAbort:
		out = append(out, LiftFreeze{Session: s.Handoff.Session})
		return l.resume(s.Handoff, out)
	case s.Durable && !l.session.sealTold && l.session.started:
		l.session.sealTold = true
		return append(out, SealSource{Session: t.Session})
	}
	return out
}

func (l *Lifecycle) fromForwarder(s Forwarder, out []Action) []Action {
	t := l.mine(s.Handoff.Session)
	switch {
	case l.part.Owner == l.self:
		// Reverted: the target never activated its copy and ours is whole.
		out = append(out, LiftFreeze{Session: s.Handoff.Session})
		return l.resume(s.Handoff, out)
	case t != nil && t.Stage == topology.StageDrain:
		if l.session.gone {
			out = l.report(out, topology.StageDrain, topology.SourceDrained{Report: l.reportOn(t.Session)})
		}
	case !l.session.deleting:
		// CLEAN, or the record has moved on without us: F12.
		l.session.deleting = true
		out = append(out, DeleteData{Session: s.Handoff.Session, Epoch: l.part.Epoch, Owner: l.part.Owner})
	}
	return out
}

func (l *Lifecycle) fromStaging(s Staging, out []Action) []Action {
	t := l.mine(s.Session)
	switch {
	case t == nil || t.Stage == topology.StageAbort:
		l.state = Absent{}
		return append(out, DropStaging{Session: s.Session})
	case t.Stage == topology.StagePrepare && s.Created && !t.TargetReady:
		out = l.report(out, topology.StagePrepare, topology.TargetReady{Report: l.reportOn(t.Session)})
	}
	return out
}

func (l *Lifecycle) fromSealed(s Sealed, out []Action) []Action {
	t := l.mine(s.Session)
	switch {
	case t == nil || t.Stage == topology.StageAbort:
		l.state = Absent{}
		return append(out, DropStaging{Session: s.Session})
	case l.part.Owner == l.self:
		l.state = Activating{Session: s.Session, Epoch: l.part.Epoch}
		return append(out, Promote{Session: s.Session, Epoch: l.part.Epoch})
	case t.Stage == topology.StageSeal && t.Sealed == nil:
		out = l.report(out, topology.StageSeal, topology.TargetSealed{Report: l.reportOn(t.Session), Seal: s.Seal})
	}
	return out
}

func (l *Lifecycle) fromActivating(s Activating, out []Action) []Action {
	t := l.mine(s.Session)
	if l.part.Owner != l.self {
		// Reverted before activation: the promoted copy never acknowledged.
		l.state = Tombstone{Epoch: l.part.Epoch}
		l.parked = 0
		return append(out,
			DeleteData{Session: s.Session, Epoch: l.part.Epoch, Owner: l.part.Owner}, ForwardParked{Owner: l.part.Owner})
	}
	if !s.Promoted {
		return out
	}
	pending := t != nil && t.Stage == topology.StageDrain && !t.Activated
	if pending {
		out = l.report(out, topology.StageDrain, topology.TargetActivated{Report: l.reportOn(t.Session)})
	}
	if pending && l.activate {
		return out
	}
	l.state = Owner{Epoch: l.part.Epoch}
	return append(out, Open{Import: true}, l.replay())
}

package vnode

import (
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// DefaultParkLimit is how many commands wait for the end of a freeze before
// further ones are refused with ErrFrozen.
const DefaultParkLimit = 1024

// Lifecycle is one vnode's life as a pure machine. Not safe for concurrent use:
// it belongs to the vnode's actor.
type Lifecycle struct {
	self      ring.NodeID
	life      uint64 // the node's incarnation
	state     State
	part      topology.Part      // its Transfer is a swap or nil
	under     *topology.Transfer // the merge or repair of the record, nil if there is none
	version   uint64
	fence     uint64 // the lowest ring version that is served (F16)
	activate  bool
	promoted  uint64 // epoch of the active generation found at the start, 0 for none
	leftover  uint64 // session of an unsealed staging found at the start, 0 for none
	parked    int
	parkLimit int
	session   progress
}

// progress is what has been asked and reported for the transfer in the record.
// It keeps proposals from being repeated; no decision about serving reads it.
type progress struct {
	id       uint64
	asked    bool // HandoffStarting was called
	started  bool // the source task was started
	gone     bool // the source task has ended, no guard is held
	sealTold bool
	reported topology.Stage // the last stage this node reported for
	deleting bool
	tried    bool // the target answered or is answering PREPARE
}

// NewLifecycle returns the machine of a vnode on one life of node self, Absent
// until Recovered and Applied events say otherwise. parkLimit 0 means
// DefaultParkLimit.
func NewLifecycle(self ring.NodeID, incarnation uint64, parkLimit int) *Lifecycle {
	if parkLimit <= 0 {
		parkLimit = DefaultParkLimit
	}
	return &Lifecycle{self: self, life: incarnation, state: Absent{}, parkLimit: parkLimit}
}

// State returns where the vnode stands.
func (l *Lifecycle) State() State { return l.state }

// Version returns the version of the newest record applied.
func (l *Lifecycle) Version() uint64 { return l.version }

// Owner returns who owns the partition by the newest record applied, and at
// which epoch.
func (l *Lifecycle) Owner() (ring.NodeID, uint64) { return l.part.Owner, l.part.Epoch }

// Fence returns the lowest ring version that is served. It never falls.
func (l *Lifecycle) Fence() uint64 { return l.fence }

// Under returns the type of the session of the record that changes this copy
// without moving it; 0 if there is none.
func (l *Lifecycle) Under() topology.TransferType {
	if l.under == nil {
		return 0
	}
	return l.under.Type
}

// Step applies one event and returns what to do, in order.
func (l *Lifecycle) Step(e Event) []Action {
	var out []Action
	switch e := e.(type) {
	case Recovered:
		out = l.recovered(e)
	case Applied:
		out = l.applied(e)
	case StartAnswered:
		out = l.startAnswered(e)
	case FoldRequested:
		out = l.foldRequested(e)
	case FreezeStored:
		if s, ok := l.state.(Frozen); ok && s.Handoff.Session == e.Session {
			s.Durable = true
			l.state = s
		}
	case StagingCreated:
		out = l.stagingCreated(e)
	case CopySealed:
		if s, ok := l.state.(Staging); ok && s.Session == e.Session {
			l.state = Sealed{Session: e.Session, Seal: e.Seal}
		}
	case CopyPromoted:
		if s, ok := l.state.(Activating); ok && s.Session == e.Session {
			s.Promoted = true
			l.state = s
		}
	case SourceGone:
		if l.session.id == e.Session {
			l.session.gone = true
		}
	case DataDeleted:
		out = l.dataDeleted(e)
	case FenceRaised:
		l.fence = max(l.fence, e.Version)
	}
	return l.reconcile(out)
}

func (l *Lifecycle) recovered(e Recovered) []Action {
	l.fence = max(l.fence, e.Fence)
	switch {
	case e.Frozen != 0:
		// F10: a restart never thaws; the record decides.
		l.state = Frozen{Epoch: e.Epoch, Handoff: Handoff{Session: e.Frozen}, Durable: true}
		return []Action{Open{}}
	case e.Staged != 0 && e.Seal != nil:
		l.state = Sealed{Session: e.Staged, Seal: *e.Seal}
	case e.Staged != 0:
		// What a former process received is of no use; whether its session goes on
		// with this one, the record says.
		l.leftover = e.Staged
	case e.Tombstone:
		l.state = Tombstone{Epoch: e.Epoch}
	default:
		l.promoted = e.Epoch
	}
	return nil
}

func (l *Lifecycle) applied(e Applied) []Action {
	if e.Version < l.version {
		return nil
	}
	l.version, l.part, l.activate, l.under = e.Version, e.Part, e.Activate, nil
	if t := e.Part.Transfer; t != nil && t.Type != topology.Swap {
		l.under, l.part.Transfer = t, nil // the owner stays, and is an owner
	}
	l.fence = max(l.fence, e.Fence)
	var id uint64
	if t := l.part.Transfer; t != nil {
		id = t.Session
	}
	var out []Action
	if id != l.session.id {
		if l.session.started && !l.session.gone {
			out = append(out, StopSource{Session: l.session.id, Reason: "session closed"})
		}
		l.session = progress{id: id}
	}
	if l.parked > 0 && l.settled() {
		out = append(out, l.replay())
	}
	return out
}

// settled reports whether commands parked here wait for nothing but a newer record.
func (l *Lifecycle) settled() bool {
	switch l.state.(type) {
	case Frozen, Activating:
		return false
	}
	return true
}

func (l *Lifecycle) replay() Action {
	l.parked = 0
	return ReplayParked{}
}

func (l *Lifecycle) startAnswered(e StartAnswered) []Action {
	t := l.part.Transfer
	if t == nil || t.Session != e.Session || t.Stage != topology.StagePrepare {
		return nil
	}
	if e.Err != nil {
		return []Action{Propose{Op: topology.Refuse{Report: l.reportOn(t.Session), Reason: topology.ReasonOf(e.Err)}}}
	}
	out := []Action{Propose{Op: topology.SourceReady{Report: l.reportOn(t.Session)}}}
	if foldAtStarting {
		if s, ok := l.state.(Owner); ok {
			h := l.handoff()
			l.state = Folding{Epoch: s.Epoch, Handoff: h}
			out = append(out, BeginFold{Handoff: h})
		}
	}
	return out
}

// foldRequested is the second step: the only way into Folding.
func (l *Lifecycle) foldRequested(e FoldRequested) []Action {
	t := l.part.Transfer
	s, owner := l.state.(Owner)
	if !owner || t == nil || t.Session != e.Session || t.Source != l.self {
		return nil
	}
	if t.Stage != topology.StageFold && t.Stage != topology.StageSeal {
		return nil
	}
	h := l.handoff()
	l.state = Folding{Epoch: s.Epoch, Handoff: h}
	return []Action{BeginFold{Handoff: h}}
}

func (l *Lifecycle) reportOn(session uint64) topology.Report {
	return topology.Report{Session: session, Node: l.self, Incarnation: l.life}
}

func (l *Lifecycle) handoff() Handoff {
	t := l.part.Transfer
	return Handoff{Type: t.Type, Session: t.Session, Target: t.Target}
}

func (l *Lifecycle) stagingCreated(e StagingCreated) []Action {
	s, ok := l.state.(Staging)
	if !ok || s.Session != e.Session {
		return nil
	}
	if e.Err != nil {
		l.state = Absent{}
		return []Action{Propose{Op: topology.Refuse{Report: l.reportOn(e.Session), Reason: topology.ReasonOf(e.Err)}}}
	}
	s.Created = true
	l.state = s
	return nil
}

func (l *Lifecycle) dataDeleted(e DataDeleted) []Action {
	s, ok := l.state.(Forwarder)
	if !ok || s.Handoff.Session != e.Session {
		return nil
	}
	l.state, l.session.tried = Tombstone{Epoch: l.part.Epoch}, true
	if t := l.part.Transfer; t != nil && t.Session == e.Session && t.Stage == topology.StageClean {
		return []Action{Propose{Op: topology.SourceCleaned{Report: l.reportOn(e.Session)}}}
	}
	return nil
}

// Verdict says how one command is served.
type Verdict uint8

// Verdicts of Admit.
const (
	Serve        Verdict = iota + 1 // HandleCommand
	ServeMoving                     // HandleHandoffCommand, changes follow the data
	Park                            // wait for the record; replayed or forwarded later
	ForwardNow                      // send to the owner with one more hop
	WrongOwner                      // answer who owns the partition
	StaleRing                       // the sender's ring is below the fence (F16), or a forwarded command found no owner (F14)
	RefuseFrozen                    // too many are parked
	StaleSession                    // the session is over, or not one of the sender with this vnode (F3, F4)
)

// Admit decides how a command is served that was sent by the ring of
// ringVersion and has been forwarded hop times. Park counts the command as
// parked.
func (l *Lifecycle) Admit(ringVersion uint64, hop uint8) Verdict {
	if ringVersion < l.fence { // F16
		return StaleRing // also where it would be sent on under a newer ring
	}
	switch l.state.(type) {
	case Owner:
		return Serve
	case Folding:
		return ServeMoving
	case Frozen, Activating: // F9: neither acknowledges
		return l.Defer()
	}
	if ringVersion > l.version || l.part.Owner == l.self {
		// The sender knows more than this node does: wait for the record
		// instead of guessing (F5). Or the flip gave us what this process has
		// lost: only the record can help.
		return l.Defer()
	}
	if hop > 0 { // F14
		return StaleRing
	}
	if _, ok := l.state.(Forwarder); ok {
		return ForwardNow
	}
	return WrongOwner
}

// AdmitFence decides about a message that asks the owner of epoch to hold a
// fence: Serve means to raise it and to answer when that is durable, also again.
// The others are as for Admit.
func (l *Lifecycle) AdmitFence(version, epoch uint64) Verdict {
	switch {
	case version < l.fence:
		return StaleRing
	case version > l.version:
		return l.Defer() // F5: nobody may fence by a record that is not there
	case l.part.Owner != l.self || l.part.Epoch != epoch:
		return WrongOwner
	}
	if _, ok := l.state.(Activating); ok {
		return l.Defer()
	}
	return Serve
}

// AdmitUnder is Admit for a command that changes the copy under a merge or a
// repair (F3 to F5): the record that is applied here has the session open, between
// that process and this vnode. maxSession is the highest one admitted before, on
// disk.
func (l *Lifecycle) AdmitUnder(session uint64, from ring.NodeID, incarnation, ringVersion, maxSession uint64) Verdict {
	t := l.under
	switch {
	case ringVersion < l.fence:
		return StaleRing
	case session < maxSession || session <= l.part.LastSession && (t == nil || t.Session != session):
		return StaleSession
	case t == nil || t.Session != session:
		return l.Defer() // F5: opened by a record that is not applied here yet
	case t.Target != l.self || t.TargetIncarnation != l.life || t.Source != from || t.SourceIncarnation != incarnation:
		return StaleSession
	}
	if _, ok := l.state.(Owner); !ok {
		return l.Defer()
	}
	return Serve
}

// Defer counts one more command that waits for the end of the session, or
// refuses it.
func (l *Lifecycle) Defer() Verdict {
	if l.parked >= l.parkLimit {
		return RefuseFrozen
	}
	l.parked++
	return Park
}

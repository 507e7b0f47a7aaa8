package handoff

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
)

// Local is what a node knows about itself and about one peer: the other half of
// an envelope check.
type Local struct {
	ClusterID   topology.ClusterID
	Node        string
	Incarnation uint64
	// PeerIncarnation is the highest incarnation known of the node that the
	// frame came from, by the applied record or by an earlier frame; 0 if none.
	PeerIncarnation uint64
}

// CheckEnvelope says whether a frame may be looked at: it is meant for this
// life of this node of this cluster, and comes from no earlier life of the
// peer. A frame that fails is dropped and counted, and not answered. The error
// is messages.ErrClusterMismatch, ErrWrongNode or ErrIncarnation; a good frame
// costs no allocation.
func CheckEnvelope(h *messages.Header, local Local) error {
	switch {
	case topology.ClusterID(h.ClusterID) != local.ClusterID: // F1
		return fmt.Errorf("frame %v from %s of cluster %v, this is %v: %w",
			h.Type, h.From, topology.ClusterID(h.ClusterID), local.ClusterID, messages.ErrClusterMismatch)
	case h.To != local.Node:
		return fmt.Errorf("frame %v from %s for node %s, this is %s: %w",
			h.Type, h.From, h.To, local.Node, messages.ErrWrongNode)
	case h.ToIncarnation != local.Incarnation: // F2
		return fmt.Errorf("frame %v from %s for incarnation %d of %s, this is %d: %w",
			h.Type, h.From, h.ToIncarnation, h.To, local.Incarnation, messages.ErrIncarnation)
	case h.FromIncarnation < local.PeerIncarnation: // F2
		return fmt.Errorf("frame %v from incarnation %d of %s, which is at %d: %w",
			h.Type, h.FromIncarnation, h.From, local.PeerIncarnation, messages.ErrIncarnation)
	}
	return nil
}

// View is what a target may judge a transfer by: the record it has applied and
// what it holds durably. A message is never part of it.
type View struct {
	Node        ring.NodeID
	RingVersion uint64
	Part        topology.Part
	// MaxSession is the highest session admitted for the partition, which
	// outlives its data (store.Record).
	MaxSession uint64
	// Staged is the session of the staging generation, 0 if there is none.
	Staged uint64
	// Sealed is the staged copy's seal if that copy is complete and durable.
	Sealed *topology.Seal
}

// NewView gathers a view of one partition. staged is what the engine answered
// to Staged, 0 if there is no staging generation.
func NewView(node ring.NodeID, version uint64, part topology.Part, rec store.Record, staged uint64) View {
	v := View{Node: node, RingVersion: version, Part: part, MaxSession: rec.MaxSession, Staged: staged}
	if staged != 0 && rec.Sealed == staged {
		v.Sealed = rec.Seal
	}
	return v
}

// Admission is how a target takes a Hello.
type Admission uint8

// The admissions.
const (
	Admitted Admission = iota + 1 // into the empty staging generation
	AwaitOn                       // the record may be behind: look again when it has moved on
	Complete                      // the copy is sealed already: answer its seal
	Refused                       // for good
)

// Admit decides about a source's Hello by rules F3, F4 and F5. The error is set
// for Refused, and for AwaitOn it is what to refuse with when waiting ends.
func Admit(session uint64, source ring.NodeID, v View) (Admission, *messages.Error) {
	t := v.Part.Transfer
	switch {
	case session == 0:
		return Refused, v.refuse(session, messages.CodeInvalid)
	case session < v.MaxSession: // F4: whatever the view says
		return Refused, v.refuse(session, messages.CodeStaleSession)
	case t == nil || t.Session != session:
		if session > v.Part.LastSession { // F5: do not guess
			return AwaitOn, v.refuse(session, messages.CodeUnknownSession)
		}
		return Refused, v.refuse(session, messages.CodeStaleSession)
	case t.Target != v.Node || t.Source != source: // F3: I am its target
		return Refused, v.refuse(session, messages.CodeWrongNode)
	case !SessionOpen(t): // F3: it is open
		return Refused, v.refuse(session, messages.CodeStaleSession)
	case v.Staged != session: // F3: its staging exists
		return AwaitOn, v.refuse(session, messages.CodeUnknownSession)
	case v.Sealed != nil: // F3: and is not sealed
		return Complete, nil
	}
	return Admitted, nil
}

func (v View) refuse(session uint64, code messages.Code) *messages.Error {
	last := max(v.MaxSession, v.Part.LastSession)
	return &messages.Error{
		Code: uint32(code), Op: "admit", Operand: fmt.Sprintf("session %d at %s", session, v.Node),
		RingVersion: v.RingVersion, Session: last,
	}
}

// SessionOpen reports whether work may be admitted to the transfer's session:
// from its opening until the flip or an abort.
func SessionOpen(t *topology.Transfer) bool {
	switch t.Stage {
	case topology.StagePrepare, topology.StageFold, topology.StageSeal:
		return true
	}
	return false
}

// OpenSessions returns the sessions that the record has open and in which node
// takes part: what the node's session registry applies. transfers are the
// record's, in session order, and so is the answer.
func OpenSessions(transfers []*topology.Transfer, node ring.NodeID) []uint64 {
	var open []uint64
	for _, t := range transfers {
		if SessionOpen(t) && (t.Source == node || t.Target == node) {
			open = append(open, t.Session)
		}
	}
	return open
}

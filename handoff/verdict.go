package handoff

import (
	"errors"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
)

// Verdict says what follows a failed stream at the source.
type Verdict uint8

// The verdicts.
const (
	// Restart: open a new stream under the same session after a pause. The
	// target empties its staging first, so nothing of this stream remains.
	Restart Verdict = iota + 1
	// GiveUp: propose topology.Refuse with the reason. The record aborts the
	// session, the source serves on, and a later session may do better.
	GiveUp
	// Ended: propose nothing, the record has already ended the session.
	Ended
)

// String returns the verdict in lower case.
func (v Verdict) String() string {
	switch v {
	case Restart:
		return "restart"
	case GiveUp:
		return "give up"
	case Ended:
		return "ended"
	}
	return "none"
}

// Own words for reasons that the record's vocabulary does not have.
const (
	reasonProtocol topology.Reason = "protocol violated"
	reasonWrongEnd topology.Reason = "address leads to another node"
	reasonNoCodec  topology.Reason = "no common codec"
	reasonCopyLost topology.Reason = "copy lost while frozen"
	reasonFailing  topology.Reason = "target failing"
	reasonLost     topology.Reason = "stream lost"
	reasonStale    topology.Reason = "below the target's fence"
)

// outcome is what an error of the target means for the session.
type outcome struct {
	err    error
	then   Verdict
	reason topology.Reason // of a give-up, and of a Restart that is the last one allowed
}

// outcomes holds the errors that mean something of their own; every other one
// may pass, and is tried again.
var outcomes = []outcome{
	{messages.ErrStaleSession, GiveUp, reasonStale}, // or the record has ended it, and refuses to
	{messages.ErrCancelled, Ended, ""},
	{messages.ErrOverloaded, GiveUp, topology.ReasonBusy},
	{messages.ErrRefused, GiveUp, topology.ReasonRefused},
	{messages.ErrNoSpace, GiveUp, topology.ReasonDiskFull},
	{messages.ErrMismatch, GiveUp, topology.ReasonDigestMismatch},
	{messages.ErrCodec, GiveUp, reasonNoCodec},
	{messages.ErrVersion, GiveUp, reasonNoCodec},
	{messages.ErrIncarnation, GiveUp, topology.ReasonTargetRestarted},
	{messages.ErrWrongNode, GiveUp, reasonWrongEnd},
	{messages.ErrClusterMismatch, GiveUp, reasonWrongEnd},
	{messages.ErrInvalid, GiveUp, reasonProtocol},
	{messages.ErrDamaged, Restart, topology.ReasonIntegrity},
	{messages.ErrTimeout, Restart, topology.ReasonIdle},
}

// judge finds the outcome of an error.
func judge(err error) outcome {
	for _, o := range outcomes {
		if errors.Is(err, o.err) {
			return o
		}
	}
	return outcome{err, Restart, reasonFailing}
}

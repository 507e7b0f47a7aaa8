package handoff

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/topology"
)

// lost ends a broken stream. What follows depends on what a second one could
// still do.
func (s *Sender) lost(e Lost) []SenderAction {
	err := fmt.Errorf("%w while %v: %w", ErrLost, s.phase, e.Err)
	if s.frozen && s.phase != sendFinishing && s.phase != sendConfirming && s.phase != sendGreeting {
		// A second stream would copy everything while nobody serves.
		return s.fail(fmt.Errorf("%w: %w", ErrFrozenRestart, err), outcome{then: GiveUp, reason: reasonCopyLost})
	}
	reason := reasonLost
	if o := judge(e.Err); o.then == Restart && o.reason != reasonFailing {
		reason = o.reason
	}
	return s.fail(err, outcome{then: Restart, reason: reason})
}

// violated ends the stream because the target does not keep to the protocol.
func (s *Sender) violated(what string) []SenderAction {
	return s.abort(fmt.Errorf("%w: %s", ErrProtocol, what), GiveUp, reasonProtocol)
}

// abort ends the stream from this side and tells the target, if there is a stream.
func (s *Sender) abort(err error, then Verdict, reason topology.Reason) []SenderAction {
	var out []SenderAction
	if s.phase != sendConnecting {
		out = append(out, SendAbort{Reason: err.Error()})
	}
	return append(out, s.fail(err, outcome{then: then, reason: reason})...)
}

// fail ends the stream. The last restart that a session is allowed becomes a
// give-up with the reason of the failure.
func (s *Sender) fail(err error, o outcome) []SenderAction {
	s.phase = sendEnded
	if o.then == Restart && s.o.Attempt >= s.o.MaxAttempts {
		o.then = GiveUp
	}
	if o.then != GiveUp {
		o.reason = ""
	}
	return []SenderAction{Fail{Err: err, Then: o.then, Reason: o.reason}}
}

package handoff

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
)

// receiverPhase is where a Receiver stands; doc.go draws the arrows.
type receiverPhase uint8

const (
	recvGreeting  receiverPhase = iota
	recvAwaiting                // for a newer record
	recvResetting               // the staging generation is being emptied
	recvReceiving
	recvSyncing // FIN is in; what was applied is being made durable
	recvSealing // the copy is verified; the seal is being made durable
	recvSealed
	recvEnded
)

var receiverPhases = [...]string{"greeting", "awaiting", "resetting", "receiving", "syncing", "sealing", "sealed", "ended"}

// String returns the phase in lower case.
func (p receiverPhase) String() string { return receiverPhases[p] }

// Receiver is one stream of an incoming transfer as a pure machine. It belongs
// to one goroutine.
type Receiver struct {
	phase    receiverPhase
	hello    Hello
	accepted uint64 // last sequence number taken from the wire, in order
	applied  uint64 // last sequence number that the store confirmed
	deltas   bool   // a delta was accepted, so the bulk is over
	fin      *topology.Seal
	stats    ReceiverStats
}

// ReceiverStats are figures of a stream so far.
type ReceiverStats struct {
	Phase      string
	Session    uint64
	Items      uint64 // accepted, changed items once for each time
	Bytes      uint64 // accepted, of payloads
	Accepted   uint64 // last sequence number taken
	Applied    uint64 // last sequence number applied
	Duplicates uint64 // batches that came again
	Strays     uint64 // batches and fins of other sessions
}

// NewReceiver returns the machine of one stream. Its first event is Hello.
func NewReceiver() *Receiver { return new(Receiver) }

// Stats returns the figures so far.
func (r *Receiver) Stats() ReceiverStats {
	st := r.stats
	st.Phase, st.Session, st.Accepted, st.Applied = r.phase.String(), r.hello.Session, r.accepted, r.applied
	return st
}

// Step applies one event and returns what to do, in order. After End every
// event is ignored.
func (r *Receiver) Step(e ReceiverEvent) []ReceiverAction {
	if r.phase == recvEnded {
		return nil
	}
	switch e := e.(type) {
	case Hello:
		return r.greeted(e)
	case ViewApplied:
		if r.phase == recvAwaiting {
			return r.admit(e.View)
		}
	case ViewTimedOut:
		if r.phase == recvAwaiting {
			_, refusal := Admit(r.hello.Session, r.hello.Source, r.hello.View)
			return r.reject(refusal)
		}
	case StagingReset:
		if r.phase == recvResetting {
			r.phase = recvReceiving
			return []ReceiverAction{SendHelloOK{HaveSeq: r.applied}}
		}
	case Batch:
		return r.batch(e)
	case Applied:
		return r.stored(e)
	case Fin:
		return r.finished(e)
	case StagingSynced:
		if r.phase == recvSyncing {
			return r.verify(e.Summary)
		}
	case SealStored:
		if r.phase == recvSealing {
			return r.sealed()
		}
	case StoreFailed:
		return r.reject(messages.ErrorOf(e.Err))
	case SourceAborted:
		return r.end(fmt.Errorf("source aborts: %w: %s", ErrCancelled, e.Reason))
	case StreamLost:
		return r.end(fmt.Errorf("%w while %v: %w", ErrLost, r.phase, e.Err))
	case SessionClosed:
		// F6: whatever is still queued in front of this machine has no effect.
		return r.reject(&messages.Error{Code: uint32(messages.CodeCancelled), Message: fmt.Sprint(e.Err)})
	}
	return nil
}

func (r *Receiver) greeted(e Hello) []ReceiverAction {
	if r.phase != recvGreeting {
		return r.refuse(messages.CodeInvalid, "second hello while %v", r.phase)
	}
	r.hello = e
	if e.Codec != Codec {
		return r.refuse(messages.CodeCodec, "codec %d, this node speaks %d", e.Codec, Codec)
	}
	return r.admit(e.View)
}

// admit decides by the applied record, as often as it takes.
func (r *Receiver) admit(v View) []ReceiverAction {
	r.hello.View = v
	admission, refusal := Admit(r.hello.Session, r.hello.Source, v)
	switch admission {
	case Admitted:
		// Another stream of this session may have left something behind; a bulk
		// starts from nothing, always.
		r.phase = recvResetting
		return []ReceiverAction{ResetStaging{}}
	case AwaitOn: // F5
		r.phase = recvAwaiting
		return []ReceiverAction{AwaitView{Session: r.hello.Session, RingVersion: v.RingVersion}}
	case Complete:
		r.phase, r.fin = recvSealed, v.Sealed
		return []ReceiverAction{ReportSealed{Seal: *v.Sealed}, SendFinOK{Seal: *v.Sealed}}
	}
	return r.reject(refusal)
}

func (r *Receiver) batch(e Batch) []ReceiverAction {
	switch {
	case r.stray(e.Session): // F3
		return nil
	case r.phase < recvReceiving || e.Seq == 0:
		return r.refuse(messages.CodeInvalid, "batch %d while %v", e.Seq, r.phase)
	case e.Seq <= r.accepted: // F7: a duplicate changes nothing and is acknowledged again
		r.stats.Duplicates++
		if e.Seq > r.applied {
			return nil // its acknowledgement is still to come
		}
		return []ReceiverAction{SendAck{UpTo: r.applied}}
	case r.fin != nil: // F3: sealed, or about to be
		return r.refuse(messages.CodeSealed, "batch %d while %v", e.Seq, r.phase)
	case e.Seq != r.accepted+1: // F7: a gap is never stepped over
		return r.refuse(messages.CodeGap, "batch %d behind %d", e.Seq, r.accepted)
	case r.deltas && !e.Delta:
		return r.refuse(messages.CodeInvalid, "bulk batch %d behind a delta", e.Seq)
	}
	items, err := ParseItems(e.Payload)
	if err != nil {
		// F7: what is damaged ends the stream; nothing of it was used.
		return r.reject(messages.ErrorOf(fmt.Errorf("batch %d: %w", e.Seq, err)))
	}
	r.accepted, r.deltas = e.Seq, e.Delta
	r.stats.Items += uint64(items.Len())
	r.stats.Bytes += uint64(len(e.Payload))
	return []ReceiverAction{Apply{Seq: e.Seq, Delta: e.Delta, Items: items}}
}

// stray reports whether a frame belongs to another session. It has no effect: to
// end this stream because of it would let a dead session stop a living one.
func (r *Receiver) stray(session uint64) bool {
	if session == r.hello.Session || r.phase == recvGreeting {
		return false
	}
	r.stats.Strays++
	return true
}

// stored acknowledges what the store confirmed, and goes on with FIN when that
// was the last batch.
func (r *Receiver) stored(e Applied) []ReceiverAction {
	if r.phase != recvReceiving || e.Seq <= r.applied || e.Seq > r.accepted {
		return nil
	}
	r.applied = e.Seq
	return r.settle([]ReceiverAction{SendAck{UpTo: e.Seq}})
}

func (r *Receiver) finished(e Fin) []ReceiverAction {
	switch {
	case r.stray(e.Session): // F3
		return nil
	case r.fin != nil && e.Seal != *r.fin:
		return r.bad(messages.CodeMismatch, *r.fin)
	case r.phase == recvSealed:
		return []ReceiverAction{SendFinOK{Seal: *r.fin}}
	case r.fin != nil:
		return nil // the answer is still to come
	case r.phase != recvReceiving:
		return r.refuse(messages.CodeInvalid, "fin while %v", r.phase)
	case e.Seal.LastSeq != r.accepted: // F7: a batch is missing
		return r.bad(messages.CodeGap, topology.Seal{LastSeq: r.accepted})
	}
	r.fin = &e.Seal
	return r.settle(nil)
}

// settle appends the first step of the seal once FIN and all batches are in.
func (r *Receiver) settle(out []ReceiverAction) []ReceiverAction {
	if r.fin == nil || r.applied != r.accepted {
		return out
	}
	r.phase = recvSyncing
	return append(out, SyncStaging{})
}

// verify compares the two copies: count, bytes and digest of what is, not of
// what was sent. A handoff that lost one item ends here.
func (r *Receiver) verify(have store.Summary) []ReceiverAction {
	seal := have.Seal(r.applied)
	if seal != *r.fin {
		return r.bad(messages.CodeMismatch, seal)
	}
	r.phase = recvSealing
	return []ReceiverAction{StoreSeal{Seal: seal}}
}

func (r *Receiver) sealed() []ReceiverAction {
	r.phase = recvSealed
	return []ReceiverAction{ReportSealed{Seal: *r.fin}, SendFinOK{Seal: *r.fin}}
}

func (r *Receiver) bad(code messages.Code, have topology.Seal) []ReceiverAction {
	e := r.failure(code, fmt.Sprintf("holds %v", have))
	r.phase = recvEnded
	return []ReceiverAction{SendFinBad{Err: e, Have: have}, End{Err: e}}
}

func (r *Receiver) refuse(code messages.Code, format string, args ...any) []ReceiverAction {
	return r.reject(r.failure(code, fmt.Sprintf(format, args...)))
}

func (r *Receiver) failure(code messages.Code, what string) *messages.Error {
	return &messages.Error{
		Code: uint32(code), Op: "receive", Operand: fmt.Sprintf("session %d", r.hello.Session),
		Message: what, RingVersion: r.hello.View.RingVersion, Session: max(r.hello.View.MaxSession, r.hello.View.Part.LastSession),
	}
}

// reject ends the conversation with an error. A sealed copy stays sealed: only
// the stream ends.
func (r *Receiver) reject(e *messages.Error) []ReceiverAction {
	return append([]ReceiverAction{Reject{Err: e}}, r.end(e)...)
}

func (r *Receiver) end(err error) []ReceiverAction {
	if r.phase == recvSealed {
		err = nil
	}
	r.phase = recvEnded
	return []ReceiverAction{End{Err: err}}
}

package handoff

import (
	"cmp"
	"fmt"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
)

// SenderOptions configure one stream of an outgoing transfer.
type SenderOptions struct {
	Window     int    // unacknowledged bytes at most, one batch excepted; default 8 MiB
	BatchBytes int    // size of a batch; default DefaultBatchBytes
	DirtyItems int    // items of one dirty read at most; default 1,024
	ReadyLag   uint64 // marked items at most at each of two looks in a row before the seal; default 256
	// Attempt is the number of this stream under the session, from 1. Default 1.
	Attempt     int
	MaxAttempts int // streams under one session at most; default 3
	// Frozen says that the vnode was frozen before this stream was opened. Then
	// only a copy that the target has sealed already can be confirmed.
	Frozen bool
}

func (o SenderOptions) withDefaults() SenderOptions {
	o.Window = cmp.Or(o.Window, 8<<20)
	o.BatchBytes = cmp.Or(o.BatchBytes, DefaultBatchBytes)
	o.DirtyItems = cmp.Or(o.DirtyItems, 1024)
	o.ReadyLag = cmp.Or(o.ReadyLag, 256)
	o.Attempt = cmp.Or(o.Attempt, 1)
	o.MaxAttempts = cmp.Or(o.MaxAttempts, 3)
	return o
}

// Validate returns an error for a value out of range.
func (o SenderOptions) Validate() error {
	if o.Window < 0 || o.BatchBytes < 0 || o.DirtyItems < 0 || o.Attempt < 0 || o.MaxAttempts < 0 {
		return fmt.Errorf("sender options %+v: negative", o)
	}
	return nil
}

// calmLooks is how many looks in a row must find little to send before the seal.
const calmLooks = 2

// impatience is how many looks may pass without a new low before SlowWriters.
const impatience = 32

// senderPhase is where a Sender stands; doc.go draws the arrows.
type senderPhase uint8

const (
	sendConnecting senderPhase = iota
	sendGreeting               // the target was asked
	sendFolding                // the vnode was asked
	sendCopying                // the snapshot goes out
	sendChasing                // what changed meanwhile goes out
	sendConfirming             // the target has a sealed copy of an earlier stream
	sendFinishing              // FIN is out
	sendEnded
)

var senderPhases = [...]string{"connecting", "greeting", "folding", "copying", "chasing", "confirming", "finishing", "ended"}

// String returns the phase in lower case.
func (p senderPhase) String() string { return senderPhases[p] }

// Sender is one stream of an outgoing transfer as a pure machine. It belongs to
// one goroutine.
type Sender struct {
	o     SenderOptions
	phase senderPhase

	seq      uint64 // of the last batch sent; bulk and deltas share it
	inflight []sent
	unacked  int // bytes in flight

	reading  bool // a read is asked and not answered
	calm     int  // looks in a row that found little
	least    uint64
	restless int    // looks since the least lag
	left     uint64 // marked items that the last look did not take
	ticked   bool
	ready    bool // readiness was reported
	frozen   bool
	seal     topology.Seal

	stats SenderStats
}

// sent is a batch in flight.
type sent struct {
	seq   uint64
	bytes int
}

// SenderStats are figures of a stream so far.
type SenderStats struct {
	Phase  string
	Items  uint64 // sent, changed items once for each time
	Bytes  uint64 // sent, of payloads
	Sent   uint64 // last sequence number sent
	Acked  uint64 // last sequence number acknowledged
	Lag    uint64 // marked items at the last look
	Calm   int    // looks in a row that found little
	Frozen bool
}

// NewSender returns the machine of one stream. Its first event is StreamOpened.
func NewSender(o SenderOptions) *Sender {
	o = o.withDefaults()
	return &Sender{o: o, frozen: o.Frozen}
}

// Stats returns the figures so far.
func (s *Sender) Stats() SenderStats {
	st := s.stats
	st.Phase, st.Sent, st.Calm, st.Frozen = s.phase.String(), s.seq, s.calm, s.frozen
	return st
}

// Step applies one event and returns what to do, in order. After Done or Fail
// every event is ignored.
func (s *Sender) Step(e SenderEvent) []SenderAction {
	if s.phase == sendEnded {
		return nil
	}
	switch e := e.(type) {
	case StreamOpened:
		s.phase = sendGreeting
		return []SenderAction{SendHello{Attempt: s.o.Attempt}}
	case HelloOK:
		return s.admitted(e)
	case FoldBegun:
		return s.folded(e)
	case BulkRead:
		return s.bulk(e)
	case DirtyRead:
		return s.dirty(e)
	case Unreadable:
		return s.abort(fmt.Errorf("%w: %w", ErrUnreadable, e.Err), GiveUp, topology.ReasonUnreadable) // F8
	case Frozen:
		s.frozen = true
		return s.advance(nil)
	case Tick:
		s.ticked = true
		return s.advance(nil)
	case Acked:
		return s.acked(e)
	case FinOK:
		return s.confirmed(e)
	case FinBad:
		return s.fail(fmt.Errorf("target holds %v, source sent %v: %w: %w", e.Have, s.seal, ErrMismatch, e.Err), judge(e.Err))
	case Rejected:
		return s.fail(fmt.Errorf("target rejects the transfer: %w", e.Err), judge(e.Err))
	case Lost:
		return s.lost(e)
	case Cancelled:
		return s.abort(fmt.Errorf("%w: %s", ErrCancelled, e.Reason), Ended, "")
	}
	return nil
}

func (s *Sender) admitted(e HelloOK) []SenderAction {
	switch {
	case s.phase != sendGreeting:
		return s.violated(fmt.Sprintf("admitted while %v", s.phase))
	case e.HaveSeq != 0:
		return s.violated(fmt.Sprintf("staging holds %d batches, must be empty", e.HaveSeq))
	case s.o.Frozen:
		return s.abort(ErrFrozenRestart, GiveUp, reasonCopyLost)
	}
	if e.Window > 0 {
		s.o.Window = min(s.o.Window, e.Window)
	}
	s.phase = sendFolding
	return []SenderAction{RequestFold{}}
}

func (s *Sender) folded(e FoldBegun) []SenderAction {
	if s.phase != sendFolding {
		return nil
	}
	s.phase = sendCopying
	if e.Empty {
		// Nothing to copy, and nothing to look for twice: changes made from here
		// on are few or the freeze finds them.
		s.phase, s.calm = sendChasing, calmLooks
	}
	return s.advance(nil)
}

func (s *Sender) bulk(e BulkRead) []SenderAction {
	if s.phase != sendCopying {
		return nil
	}
	s.reading = false
	var out []SenderAction
	if e.Items > 0 {
		out = append(out, SendItems{Seq: s.send(e.Items, e.Payload), Payload: e.Payload})
	}
	if e.Last {
		// Deltas only follow the whole bulk: a delta that overtook the snapshot's
		// value of its key would be overwritten by it.
		s.phase = sendChasing
	}
	return s.advance(out)
}

func (s *Sender) dirty(e DirtyRead) []SenderAction {
	if s.phase == sendConfirming {
		s.reading = false
		return s.compare(e)
	}
	if s.phase != sendChasing {
		return nil
	}
	s.reading = false
	var out []SenderAction
	if e.Items > 0 {
		out = append(out, SendDelta{Seq: s.send(e.Items, e.Payload), Payload: e.Payload})
	}
	out = s.look(uint64(e.Items)+e.Left, out)
	s.left = e.Left
	if e.Final != nil && e.Left == 0 {
		// FIN follows the last delta at once: the target applies in order, and
		// its answer acknowledges everything.
		s.seal = e.Final.Seal(s.seq)
		s.phase = sendFinishing
		return append(out, ReportFrozen{Seal: s.seal}, SendFin{Seal: s.seal})
	}
	return s.advance(out)
}

// look judges how many items were marked: what a freeze at this moment would
// have left to send while nobody serves.
func (s *Sender) look(lag uint64, out []SenderAction) []SenderAction {
	s.stats.Lag = lag
	if lag <= s.o.ReadyLag {
		s.calm++
		s.restless = 0
		return out
	}
	s.calm = 0
	s.restless++
	if s.least == 0 || lag < s.least {
		s.least, s.restless = lag, 0
	}
	if s.restless >= impatience && !s.frozen {
		s.restless = 0
		out = append(out, SlowWriters{Lag: lag})
	}
	return out
}

// send numbers a batch and counts it as in flight.
func (s *Sender) send(items int, payload []byte) uint64 {
	s.seq++
	s.inflight = append(s.inflight, sent{seq: s.seq, bytes: len(payload)})
	s.unacked += len(payload)
	s.stats.Items += uint64(items)
	s.stats.Bytes += uint64(len(payload))
	return s.seq
}

func (s *Sender) acked(e Acked) []SenderAction {
	if e.UpTo > s.seq {
		return s.violated(fmt.Sprintf("acknowledged batch %d of %d", e.UpTo, s.seq))
	}
	n := 0
	for n < len(s.inflight) && s.inflight[n].seq <= e.UpTo {
		s.unacked -= s.inflight[n].bytes
		n++
	}
	s.inflight = s.inflight[n:]
	s.stats.Acked = max(s.stats.Acked, e.UpTo)
	return s.advance(nil)
}

// advance appends what can be done now without waiting for anything.
func (s *Sender) advance(out []SenderAction) []SenderAction {
	switch s.phase {
	case sendCopying:
		if !s.reading && s.room() {
			s.reading = true
			out = append(out, ReadBulk{MaxBytes: s.o.BatchBytes})
		}
	case sendChasing:
		if s.calm >= calmLooks && len(s.inflight) == 0 && !s.ready && !s.frozen {
			s.ready = true
			out = append(out, ReportReadyToSeal{})
		}
		if !s.reading && s.room() && s.wantsLook() {
			out = append(out, s.readDirty())
		}
	case sendConfirming:
		if !s.reading {
			out = append(out, s.readDirty())
		}
	}
	return out
}

// wantsLook reports whether marked items should be read now.
func (s *Sender) wantsLook() bool {
	switch {
	case s.frozen:
		return true
	case s.ready:
		return s.ticked || s.left > 0
	case s.calm == 0:
		return true
	case s.calm < calmLooks:
		// The next look is worth something when the last round has arrived.
		return len(s.inflight) == 0
	}
	return false
}

func (s *Sender) readDirty() SenderAction {
	s.reading, s.ticked = true, false
	return ReadDirty{MaxItems: s.o.DirtyItems, MaxBytes: s.o.BatchBytes}
}

// room reports whether another batch may be in flight.
func (s *Sender) room() bool {
	return s.unacked == 0 || s.unacked+s.o.BatchBytes <= s.o.Window
}

// confirmed handles FinOK: the answer to FIN, or to the Hello of a later stream.
func (s *Sender) confirmed(e FinOK) []SenderAction {
	switch {
	case s.phase == sendFinishing && e.Seal == s.seal:
		s.phase = sendEnded
		return []SenderAction{Done{Seal: s.seal}}
	case s.phase == sendFinishing:
		return s.abort(fmt.Errorf("target sealed %v, source sent %v: %w", e.Seal, s.seal, ErrMismatch), GiveUp, topology.ReasonDigestMismatch)
	case s.phase == sendGreeting && s.frozen:
		s.phase, s.seal = sendConfirming, e.Seal
		return s.advance(nil)
	}
	return s.violated(fmt.Sprintf("sealed while %v", s.phase))
}

// compare holds the sealed copy of an earlier stream against the frozen vnode.
func (s *Sender) compare(e DirtyRead) []SenderAction {
	if e.Final == nil || e.Items > 0 || e.Final.Seal(s.seal.LastSeq) != s.seal {
		return s.abort(fmt.Errorf("target sealed %v, source is at %v: %w", s.seal, summary(e.Final), ErrMismatch), GiveUp, topology.ReasonDigestMismatch)
	}
	s.phase = sendEnded
	return []SenderAction{ReportFrozen{Seal: s.seal}, Done{Seal: s.seal}}
}

func summary(final *store.Summary) string {
	if final == nil {
		return "an unfinished state"
	}
	return final.Seal(0).String()
}

package sim

import (
	"time"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/handoff/session"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
)

// Times of a transfer, and the size of its batches: small, so that there are some.
const (
	restartPause = 20 * time.Millisecond
	lookEvery    = 50 * time.Millisecond
	idleLimit    = 400 * time.Millisecond
	batchBytes   = 512
	window       = 4 * batchBytes
)

// A sourceTask sends one partition to its target: it runs the Sender of a session, one stream after
// another.
type sourceTask struct {
	x        *partition
	n        *Node
	transfer topology.Transfer
	guard    *session.Guard
	frozen   bool
	attempt  int
	over     bool

	// Of the stream.
	machine *handoff.Sender
	conn    conn
	out     *stream
	bulk    *handoff.BulkReader
	closers []func() error
	queue   []handoff.SenderEvent
	driving bool
	heard   time.Duration
}

func (n *Node) startSource(x *partition, t topology.Transfer) *sourceTask {
	s := &sourceTask{x: x, n: n, transfer: t}
	n.tasks = append(n.tasks, s)
	n.after(0, func() {
		if s.over {
			return
		}
		guard, err := n.sessions.Enter(t.Session, "source of "+x.id.String())
		if err != nil {
			s.end()
			return
		}
		s.guard = guard
		s.stream()
	})
	return s
}

// stream begins the next attempt.
func (s *sourceTask) stream() {
	if s.over {
		return
	}
	s.attempt++
	s.n.conns++
	s.conn = conn{s.n.ID, s.n.life, s.n.conns}
	s.n.sources[s.conn] = s
	s.out, s.bulk, s.queue, s.heard = &stream{}, nil, nil, s.n.c.W.now
	s.machine = handoff.NewSender(handoff.SenderOptions{
		Attempt: s.attempt, Frozen: s.frozen, BatchBytes: batchBytes, Window: window, DirtyItems: 8, ReadyLag: 16,
	})
	m, ok := s.n.shown.Member(s.transfer.Target)
	if !ok || m.Incarnation != s.transfer.TargetIncarnation {
		s.drive(handoff.Lost{Err: messages.ErrIncarnation})
		return
	}
	s.drive(handoff.StreamOpened{})
	s.tick(s.conn)
}

// tick looks for changes now and then, and for a target that does not answer.
func (s *sourceTask) tick(c conn) {
	s.n.after(lookEvery, func() {
		if s.over || s.conn != c {
			return
		}
		st := s.machine.Stats()
		waits := st.Phase == "greeting" || st.Phase == "finishing" || st.Sent > st.Acked
		if waits && s.n.c.W.now > s.heard+idleLimit {
			s.drive(handoff.Lost{Err: messages.ErrTimeout})
			return
		}
		if !waits {
			s.heard = s.n.c.W.now
		}
		s.drive(handoff.Tick{})
		s.tick(c)
	})
}

// receive takes an answer of the target.
func (s *sourceTask) receive(f *frame, e handoff.SenderEvent) {
	s.heard = s.n.c.W.now
	if s.n.damaged(f) {
		e = handoff.Lost{Err: messages.ErrDamaged}
	}
	s.drive(e)
}

// cancel ends the task; the vnode hears of it when it has ended.
func (s *sourceTask) cancel(reason string) {
	if s.over {
		return
	}
	if s.machine != nil && s.n.sources[s.conn] == s {
		s.drive(handoff.Cancelled{Reason: reason})
		return
	}
	s.end() // between two streams
}

// closing hears that the record closed a session, perhaps that of the task.
func (s *sourceTask) closing() {
	if s.guard != nil {
		if err := s.guard.Check(); err != nil {
			s.cancel(err.Error())
		}
	}
}

func (s *sourceTask) nowFrozen() {
	s.frozen = true
	if s.machine != nil && s.n.sources[s.conn] == s {
		s.drive(handoff.Frozen{})
	}
}

// drive gives an event to the machine, and those that its actions are answered by.
func (s *sourceTask) drive(e handoff.SenderEvent) {
	s.queue = append(s.queue, e)
	if s.driving {
		return
	}
	s.driving = true
	c := s.conn
	for len(s.queue) > 0 && s.n.sources[c] == s {
		e := s.queue[0]
		s.queue = s.queue[1:]
		for _, a := range s.machine.Step(e) {
			s.do(a)
		}
	}
	s.driving = false
}

// later gives an event to the machine of this stream, if it is still at work then.
func (s *sourceTask) later(d time.Duration, e handoff.SenderEvent) {
	c := s.conn
	s.n.after(d, func() {
		if s.n.sources[c] == s {
			s.drive(e)
		}
	})
}

func (s *sourceTask) do(action handoff.SenderAction) {
	w := s.n.c.W
	switch a := action.(type) {
	case handoff.SendHello:
		s.send(messages.TypeHandoffHello, uint64(a.Attempt), handoff.Hello{Session: s.transfer.Session, Source: s.n.ID, Codec: handoff.Codec})
	case handoff.RequestFold:
		s.requestFold()
	case handoff.ReadBulk:
		s.later(w.Between(0, 100*time.Microsecond), s.read(a.MaxBytes))
	case handoff.ReadDirty:
		c := s.conn
		s.n.after(w.Between(0, 50*time.Microsecond), func() {
			s.x.take(&dirtyRequest{a.MaxItems, a.MaxBytes, func(e handoff.SenderEvent) {
				if s.n.sources[c] == s {
					s.later(0, e)
				}
			}})
		})
	case handoff.SendItems:
		s.batch(messages.TypeHandoffItems, a.Seq, false, a.Payload)
	case handoff.SendDelta:
		s.batch(messages.TypeHandoffDelta, a.Seq, true, a.Payload)
	case handoff.SendFin:
		s.send(messages.TypeHandoffFin, 0, handoff.Fin{Session: s.transfer.Session, Seal: a.Seal})
	case handoff.SendAbort:
		s.send(messages.TypeHandoffAbort, 0, handoff.SourceAborted{Reason: a.Reason})
	case handoff.ReportReadyToSeal:
		s.n.report(topology.ReadyToSeal{Report: s.report()})
	case handoff.ReportFrozen:
		s.n.report(topology.SourceFrozen{Report: s.report(), Seal: a.Seal})
	case handoff.Done:
		s.finish()
		s.end()
	case handoff.Fail:
		s.failed(a)
	}
}

// failed does what follows from a stream that failed.
func (s *sourceTask) failed(f handoff.Fail) {
	w := s.n.c.W
	w.Note("%s %v session %d attempt %d: %v", s.n.ID, s.x.id, s.transfer.Session, s.attempt, f.Err)
	s.finish()
	switch f.Then {
	case handoff.Restart:
		s.n.after(restartPause, s.stream)
		return
	case handoff.GiveUp:
		s.n.report(topology.Refuse{Report: s.report(), Reason: f.Reason})
	}
	s.end()
}

// finish ends the stream.
func (s *sourceTask) finish() {
	delete(s.n.sources, s.conn)
	for _, c := range s.closers {
		if err := c(); err != nil {
			s.n.c.W.Failf("%s: snapshot of %v: %v", s.n.ID, s.x.id, err)
		}
	}
	s.closers, s.bulk = nil, nil
}

// end ends the task.
func (s *sourceTask) end() {
	s.over = true
	if s.guard != nil {
		s.guard.Leave()
		s.n.drained()
	}
	s.n.after(0, func() {
		s.n.forget(s)
		s.x.sourceEnded(s.transfer.Session)
	})
}

func (s *sourceTask) report() topology.Report {
	return topology.Report{Session: s.transfer.Session, Node: s.n.ID, Incarnation: s.n.incarnation}
}

func (s *sourceTask) requestFold() {
	c := s.conn
	s.n.after(0, func() {
		s.x.take(&foldRequest{s.transfer.Session, func(e handoff.SenderEvent, snapshot store.Snapshot) {
			if s.n.sources[c] != s {
				if snapshot != nil {
					_ = snapshot.Close() // nobody reads it
				}
				return
			}
			if snapshot != nil {
				it := snapshot.Scan(nil, nil)
				s.closers = append(s.closers, it.Close, snapshot.Close)
				s.bulk = handoff.NewBulkReader(it, nil)
			}
			s.later(0, e)
		}})
	})
}

func (s *sourceTask) read(most int) handoff.SenderEvent {
	if s.bulk == nil {
		return handoff.BulkRead{Last: true}
	}
	e := s.bulk.Read(most)
	if u, ok := e.(handoff.Unreadable); ok {
		s.n.c.W.Note("%s %v session %d: %v", s.n.ID, s.x.id, s.transfer.Session, u.Err)
	}
	return e
}

func (s *sourceTask) batch(t messages.Type, seq uint64, delta bool, payload []byte) {
	s.send(t, seq, handoff.Batch{Session: s.transfer.Session, Seq: seq, Delta: delta, Payload: payload})
}

func (s *sourceTask) send(t messages.Type, seq uint64, event handoff.ReceiverEvent) {
	n := s.n
	n.c.Net.carry(n.ID, s.transfer.Target, &frame{Header: messages.Header{
		Type: t, ClusterID: n.shown.ClusterID(), From: string(n.ID), FromIncarnation: n.incarnation,
		To: string(s.transfer.Target), ToIncarnation: s.transfer.TargetIncarnation,
		Kind: s.x.id.Kind, Partition: uint32(s.x.id.Partition), Session: s.transfer.Session,
		Epoch: s.transfer.Epoch, RingVersion: n.shown.Version(), Seq: seq,
	}, conn: s.conn, event: event, session: s.transfer.Session}, s.out)
}

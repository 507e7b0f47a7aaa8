package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/inject"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
)

// Requests of a source task to its vnode. Each is answered once on reply, which
// holds one.
type (
	// foldRequest is FOLD_REQ.
	foldRequest struct {
		session uint64
		reply   chan foldReply
	}
	foldReply struct {
		empty    bool
		snapshot store.Snapshot // nil when empty or when the module exports its state
		encode   handoff.Encode
		err      error
	}
	// dirtyRequest asks for items that changed.
	dirtyRequest struct {
		maxItems, maxBytes int
		reply              chan handoff.SenderEvent
	}
)

// sourceTask sends one partition to its target: the goroutine that runs the
// Sender machine of a session, one stream after another.
type sourceTask struct {
	host     *Host
	log      *slog.Logger
	vnode    *actor.PID
	id       store.ID
	transfer topology.Transfer
	events   chan handoff.SenderEvent // from the vnode: Frozen
	ctx      context.Context
	cancel   context.CancelCauseFunc
	frozen   bool
}

const restartPause = 20 * time.Millisecond

// lookEvery is how often a source that is ready to seal looks for changes, so that
// few are left when it may.
const lookEvery = 50 * time.Millisecond

func (h *Host) startSource(a *vnodeActor, t topology.Transfer) *sourceTask {
	s := &sourceTask{
		host: h, vnode: a.pid, id: a.id, transfer: t, events: make(chan handoff.SenderEvent, 1),
		log: a.log.With("session", t.Session, "target", string(t.Target)),
	}
	s.ctx, s.cancel = context.WithCancelCause(h.ctx)
	h.own(func() {
		err := s.run()
		if err != nil {
			s.log.Debug("handoff stream ended", "err", err)
		}
		h.system.Root.Send(s.vnode, ended{session: t.Session, err: err})
	})
	return s
}

// stop ends the task; the vnode hears of it when it has ended.
func (s *sourceTask) stop(reason string) { s.cancel(errors.New(reason)) }

// nowFrozen tells the task that the next changes are the last.
func (s *sourceTask) nowFrozen() {
	select {
	case s.events <- handoff.Frozen{}:
	default:
	}
}

// run holds a guard of the session as long as anything may still be sent.
func (s *sourceTask) run() error {
	guard, err := s.host.sessions.Enter(s.transfer.Session, fmt.Sprintf("source of %v", s.id))
	if err != nil {
		return err
	}
	defer guard.Leave()
	s.log.Info("handoff starting", "type", s.transfer.Type.String())
	stop := context.AfterFunc(guard.Context(), func() { s.cancel(context.Cause(guard.Context())) })
	defer stop()
	for attempt := 1; ; attempt++ {
		fail := s.stream(attempt)
		switch fail.Then {
		case handoff.Restart:
			s.log.Info("handoff stream broke, trying again", "attempt", attempt, "err", fail.Err)
			select {
			case <-time.After(restartPause):
				continue
			case <-s.ctx.Done():
				return context.Cause(s.ctx)
			}
		case handoff.GiveUp:
			s.log.Info("handoff given up", "reason", fail.Reason, "err", fail.Err)
			s.host.proposer.add(topology.Refuse{Report: s.report(), Reason: fail.Reason}, nil)
		}
		return fail.Err
	}
}

func (s *sourceTask) report() topology.Report {
	return topology.Report{Session: s.transfer.Session, Node: s.host.opts.Self.Node, Incarnation: s.host.opts.Self.Incarnation}
}

// sourceStream is one stream of a source task.
type sourceStream struct {
	*sourceTask
	ctx     context.Context
	machine *handoff.Sender
	stream  Stream
	bulk    *handoff.BulkReader
	closers []func() error
	queue   []handoff.SenderEvent // answers of actions that are done at once
	inbox   chan handoff.SenderEvent
	began   time.Time
	fail    handoff.Fail
	over    bool
	held    *handoff.ReadBulk // waits for its turn at the node's rate
	ahead   bool              // it is the next of this node's streams, and waits for the rate alone
	turn    *time.Timer
}

// stream runs the machine over one stream and says what follows; a zero Then
// means that the copy is sealed.
func (s *sourceTask) stream(attempt int) handoff.Fail {
	ctx, cancel := context.WithCancel(s.ctx)
	st := &sourceStream{
		sourceTask: s, ctx: ctx, began: time.Now(), inbox: make(chan handoff.SenderEvent, 16),
		machine: handoff.NewSender(handoff.SenderOptions{Attempt: attempt, Frozen: s.frozen}),
	}
	defer st.close()
	s.host.progress.begin(TransferProgress{
		Session: s.transfer.Session, Kind: s.id.Kind, Partition: s.id.Partition,
		Source: s.transfer.Source, Target: s.transfer.Target, Outgoing: true, Attempt: attempt,
	})
	defer s.host.progress.end(s.transfer.Session, true)
	received := make(chan struct{})
	defer func() { cancel(); <-received }()
	stream, err := s.open(ctx)
	if err != nil {
		close(received)
		st.drive(handoff.Lost{Err: err})
		return st.fail
	}
	st.stream = stream
	st.turn = time.NewTimer(look)
	st.turn.Stop()
	go func() {
		defer close(received)
		st.receive()
	}()
	st.drive(handoff.StreamOpened{})
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	defer st.turn.Stop()
	defer st.passOn()
	for !st.over {
		st.waits()
		select {
		case <-st.line():
			st.ahead = true
			st.slice()
		case <-st.turn.C:
			st.slice()
		case <-tick.C:
			st.drive(handoff.Tick{})
		case e := <-st.inbox:
			st.drive(e)
		case e := <-s.events:
			s.frozen = true
			st.drive(e)
		case <-ctx.Done():
			st.drive(handoff.Cancelled{Reason: context.Cause(ctx).Error()})
		}
	}
	return st.fail
}

func (s *sourceTask) open(ctx context.Context) (Stream, error) {
	peer, ok := s.host.View().Peer(s.transfer.Target)
	if !ok || peer.Incarnation != s.transfer.TargetIncarnation {
		return nil, fmt.Errorf("target %s at incarnation %d: %w", s.transfer.Target, s.transfer.TargetIncarnation, messages.ErrIncarnation)
	}
	return s.host.opts.Transport.OpenStream(ctx, peer)
}

func (st *sourceStream) close() {
	for _, c := range st.closers {
		if err := c(); err != nil {
			st.log.Warn("snapshot not closed", "err", err)
		}
	}
}

// receive turns the target's frames into events until the stream ends.
func (st *sourceStream) receive() {
	for {
		f, err := st.stream.Recv()
		var e handoff.SenderEvent
		if err != nil {
			e = handoff.Lost{Err: err}
		} else {
			e = senderEvent(f)
		}
		select {
		case st.inbox <- e:
		case <-st.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// senderEvent reads a frame of the target.
func senderEvent(f messages.Frame) handoff.SenderEvent {
	switch f.Type {
	case messages.TypeHandoffAck:
		return handoff.Acked{UpTo: f.Seq}
	case messages.TypeHandoffHelloReply:
		var m messages.HandoffHelloReply
		if err := proto.Unmarshal(f.Payload, &m); err != nil {
			return handoff.Lost{Err: fmt.Errorf("%w: %w", messages.ErrDamaged, err)}
		}
		if m.Error != nil {
			return handoff.Rejected{Err: m.Error}
		}
		return handoff.HelloOK{HaveSeq: m.HaveSeq, Window: int(m.WindowBytes)}
	case messages.TypeHandoffFinReply:
		var m messages.FinReply
		if err := proto.Unmarshal(f.Payload, &m); err != nil {
			return handoff.Lost{Err: fmt.Errorf("%w: %w", messages.ErrDamaged, err)}
		}
		e, err := handoff.FinReplyEvent(&m)
		if err != nil {
			return handoff.Lost{Err: err}
		}
		return e
	case messages.TypeHandoffAbort:
		return handoff.Rejected{Err: &messages.Error{Code: uint32(f.Code), Message: string(f.Payload)}}
	}
	return handoff.Lost{Err: fmt.Errorf("frame %v in a transfer: %w", f.Type, messages.ErrUnknownType)}
}

// drive feeds the machine, and what its actions answer at once.
func (st *sourceStream) drive(e handoff.SenderEvent) {
	st.answer(e)
	st.settle()
}

// settle feeds the machine what is there for it.
func (st *sourceStream) settle() {
	for len(st.queue) > 0 && !st.over {
		e := st.queue[0]
		st.queue = st.queue[1:]
		st.count(e)
		for _, action := range st.machine.Step(e) {
			st.do(action)
		}
	}
}

// count notes what was read and goes to the target next.
func (st *sourceStream) count(e handoff.SenderEvent) {
	switch e := e.(type) {
	case handoff.BulkRead:
		st.host.progress.moved(st.transfer.Session, true, e.Items, len(e.Payload))
	case handoff.DirtyRead:
		st.host.progress.spent(len(e.Payload))
		st.host.progress.moved(st.transfer.Session, true, e.Items, len(e.Payload))
	}
}

func (st *sourceStream) answer(e handoff.SenderEvent) { st.queue = append(st.queue, e) }

func (st *sourceStream) do(action handoff.SenderAction) {
	switch x := action.(type) {
	case handoff.SendHello:
		st.send(messages.Header{Type: messages.TypeHandoffHello, Seq: uint64(x.Attempt)}, marshal(&messages.HandoffHello{Codec: handoff.Codec, Type: uint32(st.transfer.Type)}))
	case handoff.RequestFold:
		inject.At(inject.FoldBefore)
		st.requestFold()
	case handoff.ReadBulk:
		st.readBulk(x)
	case handoff.ReadDirty:
		st.readDirty(x)
	case handoff.SendItems:
		items := messages.Header{Type: messages.TypeHandoffItems, Seq: x.Seq}
		if st.bulk.Ended() {
			items.Flags = messages.FlagBulkEnd
		}
		st.send(items, x.Payload)
		inject.At(inject.SentFirst)
		if st.stream.Copies() {
			st.bulk.Recycle(x.Payload)
		}
	case handoff.SendDelta:
		st.send(messages.Header{Type: messages.TypeHandoffDelta, Seq: x.Seq}, x.Payload)
	case handoff.SendFin:
		inject.At(inject.FinBefore)
		st.send(messages.Header{Type: messages.TypeHandoffFin}, marshal(handoff.FinMessage(x.Seal)))
	case handoff.SendAbort:
		if st.stream != nil {
			st.send(messages.Header{Type: messages.TypeHandoffAbort}, marshal(&messages.Abort{Reason: x.Reason}))
		}
	case handoff.ReportReadyToSeal:
		st.host.proposer.add(topology.ReadyToSeal{Report: st.report()}, nil)
	case handoff.ReportFrozen:
		st.host.proposer.add(topology.SourceFrozen{Report: st.report(), Seal: x.Seal}, nil)
	case handoff.SlowWriters:
		st.log.Debug("changes do not get fewer", "lag", x.Lag)
	case handoff.Done:
		st.over = true
		sent := st.machine.Stats()
		took := time.Since(st.began)
		st.log.Info("handoff sent", "items", sent.Items, "of", x.Seal.Items, "bytes", sent.Bytes, "took", took,
			"bytes_per_second", perSecond(sent.Bytes, took))
	case handoff.Fail:
		st.fail, st.over = x, true
	}
}

// send completes the header, which has what belongs to the frame's type.
func (st *sourceStream) send(h messages.Header, payload []byte) {
	h.Kind, h.Partition, h.Session = st.id.Kind, uint32(st.id.Partition), st.transfer.Session
	h.Epoch, h.RingVersion = st.transfer.Epoch, st.host.View().Version()
	if err := st.stream.Send(messages.Frame{Header: h, Payload: payload}); err != nil {
		st.answer(handoff.Lost{Err: err})
	}
}

// prepare lets the store do what it can for the vnode's snapshot, in steps between
// which requests are served: the vnode has little left to do then.
func (st *sourceStream) prepare() {
	part, err := st.host.kinds[st.id.Kind].engine.Open(st.id)
	if err != nil {
		return // the vnode's own
	}
	if p, ok := part.(store.Preparer); ok {
		for p.Prepare() && st.ctx.Err() == nil {
			runtime.Gosched()
		}
	}
}

// requestFold is the second step of the start: FOLD_REQ.
func (st *sourceStream) requestFold() {
	st.prepare()
	r := &foldRequest{session: st.transfer.Session, reply: make(chan foldReply, 1)}
	st.host.system.Root.Send(st.vnode, r)
	select {
	case reply := <-r.reply:
		if reply.err != nil {
			st.answer(handoff.Cancelled{Reason: reply.err.Error()})
			return
		}
		if reply.snapshot != nil {
			total := reply.snapshot.Summary()
			st.host.progress.change(st.transfer.Session, true, func(p *metered, _ time.Time) {
				p.TotalItems, p.TotalBytes = total.Items, total.Bytes
			})
			it := reply.snapshot.Scan(nil, nil)
			st.closers = append(st.closers, it.Close, reply.snapshot.Close)
			st.bulk = handoff.NewBulkReader(it, reply.encode)
		}
		st.answer(handoff.FoldBegun{Empty: reply.empty})
	case <-st.ctx.Done():
		st.answer(handoff.Cancelled{Reason: context.Cause(st.ctx).Error()})
	}
}

// readBulk reads the next batch of the snapshot, where the node has a rate when it
// is this stream's turn.
func (st *sourceStream) readBulk(x handoff.ReadBulk) {
	switch {
	case st.bulk == nil: // the module exports its state: all of it counts as changed
		st.answer(handoff.BulkRead{Last: true})
	case st.host.progress.paced():
		x.MaxBytes = min(x.MaxBytes, sliceBytes)
		st.held = &x
	default:
		st.answer(st.bulk.Read(x.MaxBytes))
	}
}

// line is what a stream that holds a read waits for before it is the next.
func (st *sourceStream) line() <-chan struct{} {
	if st.held == nil || st.ahead {
		return nil
	}
	return st.host.progress.line
}

// slice does the read that is held if the rate lets it, else some time later.
func (st *sourceStream) slice() {
	if st.held == nil {
		return
	}
	if wait := st.host.progress.turn(); wait > 0 {
		st.turn.Reset(wait)
		return
	}
	e := st.bulk.Read(st.held.MaxBytes)
	st.held = nil
	if e, ok := e.(handoff.BulkRead); ok {
		st.host.progress.spent(len(e.Payload))
	}
	st.passOn() // to send may take long: nobody waits for that in the line
	st.drive(e)
}

// passOn lets the stream behind this one be the next.
func (st *sourceStream) passOn() {
	if st.ahead {
		st.ahead = false
		st.host.progress.line <- struct{}{}
	}
}

// waits tells what the stream waits for now.
func (st *sourceStream) waits() {
	w := st.machine.Waits()
	if st.held != nil {
		w = handoff.WaitRate
	}
	st.host.progress.waits(st.transfer.Session, true, w)
}

func (st *sourceStream) readDirty(x handoff.ReadDirty) {
	r := &dirtyRequest{maxItems: x.MaxItems, maxBytes: x.MaxBytes, reply: make(chan handoff.SenderEvent, 1)}
	st.host.system.Root.Send(st.vnode, r)
	// The answer may take until the vnode's workers are archived; what the
	// target and the record say in the meantime still counts.
	st.host.own(func() {
		select {
		case e := <-r.reply:
			select {
			case st.inbox <- e:
			case <-st.ctx.Done():
			}
		case <-st.ctx.Done():
		}
	})
}

func marshal(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		return nil // only text that is not UTF-8 can fail, and ours is
	}
	return b
}

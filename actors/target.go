package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/inject"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// sealCopy asks the vnode to make the seal of a verified copy durable in the
// partition's record.
type sealCopy struct {
	session uint64
	seal    topology.Seal
	reply   chan error // holds one
}

// viewWait bounds how long a target waits for a record that knows the session.
const viewWait = 5 * time.Second

// targetStream is one stream of an incoming transfer.
type targetStream struct {
	host    *Host
	log     *slog.Logger
	stream  Stream
	machine *handoff.Receiver
	id      store.ID
	kind    *kindEntry
	vnode   *actor.PID
	session uint64
	codec   vnode.ItemCodec
	part    store.Partition
	batch   store.Batch
	load    store.Load // of the bulk copy; nil where the store takes no load, and when it is in
	bulkEnd uint64     // the batch that ends the bulk copy, once it is known
	queue   []handoff.ReceiverEvent
	frames  chan arrival
	over    bool
	err     error
	began   time.Time

	ctx    context.Context // ends with the stream, or when a later one takes over
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// arrival is what a stream received.
type arrival struct {
	frame messages.Frame
	err   error
}

// incoming are the streams that arrive at a node. Of one session only one is at
// work: a later one waits until those before it have ended, since they may
// still be sealing the copy.
type incoming struct {
	mu      sync.Mutex
	streams handoff.Streams
	tasks   map[streamKey]*targetStream
}

type streamKey struct{ session, attempt uint64 }

// arrive registers a stream and returns when it is the only one of its session.
func (in *incoming) arrive(t *targetStream, attempt uint64) error {
	in.mu.Lock()
	ahead, err := in.streams.Arrive(t.session, attempt)
	if err != nil {
		in.mu.Unlock()
		return err
	}
	var before []*targetStream
	for _, n := range ahead {
		before = append(before, in.tasks[streamKey{t.session, n}])
	}
	if in.tasks == nil {
		in.tasks = make(map[streamKey]*targetStream)
	}
	in.tasks[streamKey{t.session, attempt}] = t
	in.mu.Unlock()
	for _, b := range before {
		b.cancel(handoff.ErrStaleStream)
		<-b.done
	}
	return nil
}

func (in *incoming) leave(t *targetStream, attempt uint64) {
	close(t.done)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.streams.Leave(t.session, attempt)
	delete(in.tasks, streamKey{t.session, attempt})
}

// HandleStream serves a stream on which a peer sends a partition.
func (h *Host) HandleStream(s Stream) error {
	f, err := s.Recv()
	if err != nil {
		return err
	}
	e, ok := h.kinds[f.Kind]
	id := store.ID{Kind: f.Kind, Partition: ring.Partition(f.Partition)}
	to := h.vnode(id)
	if f.Type != messages.TypeHandoffHello || !ok || to == nil {
		return fmt.Errorf("transfer of %v begins with %v: %w", id, f.Type, messages.ErrInvalid)
	}
	var hello messages.HandoffHello
	if err := proto.Unmarshal(f.Payload, &hello); err != nil {
		return fmt.Errorf("transfer of %v: %w: %w", id, messages.ErrDamaged, err)
	}
	t := &targetStream{
		host: h, stream: s, machine: handoff.NewReceiver(), id: id, kind: e, vnode: to.pid, session: f.Session,
		frames: make(chan arrival, 1), done: make(chan struct{}), began: time.Now(),
		log: h.log.With("kind", id.Kind, "partition", uint32(id.Partition), "session", f.Session, "source", f.From),
	}
	t.codec, _ = e.kind.(vnode.ItemCodec)
	t.ctx, t.cancel = context.WithCancelCause(s.Context())
	defer t.cancel(nil)
	if err := h.incoming.arrive(t, f.Seq); err != nil {
		t.fenced()
		return err
	}
	defer h.incoming.leave(t, f.Seq)
	defer t.giveUpLoad()
	h.progress.begin(TransferProgress{
		Session: f.Session, Kind: id.Kind, Partition: id.Partition,
		Source: ring.NodeID(f.From), Target: h.opts.Self.Node, Attempt: int(f.Seq),
	})
	defer h.progress.end(f.Session, false)
	h.own(t.receive)
	t.drive(handoff.Hello{Session: f.Session, Source: ring.NodeID(f.From), Codec: hello.Codec, View: t.view()})
	for !t.over {
		t.drive(t.next())
	}
	if t.err != nil {
		t.log.Debug("handoff stream ended", "err", t.err)
	}
	return nil
}

// receive reads ahead, so that the next frame arrives while one is applied.
func (t *targetStream) receive() {
	for {
		f, err := t.stream.Recv()
		select {
		case t.frames <- arrival{f, err}:
		case <-t.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// view is what this node may judge the transfer by.
func (t *targetStream) view() handoff.View {
	v := t.host.View()
	record, err := t.kind.engine.Record(t.id)
	if err != nil {
		t.log.Error("record not read", "err", err)
	}
	staged, _ := t.kind.engine.Staged(t.id)
	return handoff.NewView(t.host.opts.Self.Node, v.Version(), v.Part(t.id.Kind, t.id.Partition), record, staged)
}

// next waits for the source's next frame.
func (t *targetStream) next() handoff.ReceiverEvent {
	t.host.progress.waits(t.session, false, handoff.WaitSource)
	defer t.host.progress.waits(t.session, false, handoff.WaitNothing)
	var a arrival
	select {
	case a = <-t.frames:
	case <-t.ctx.Done():
		a.err = context.Cause(t.ctx)
	}
	if a.err != nil {
		return handoff.StreamLost{Err: a.err}
	}
	f := a.frame
	switch f.Type {
	case messages.TypeHandoffItems, messages.TypeHandoffDelta:
		if f.Flags&messages.FlagBulkEnd != 0 {
			t.bulkEnd = f.Seq
		}
		inject.At(inject.BatchReceived)
		return handoff.Batch{Session: f.Session, Seq: f.Seq, Delta: f.Type == messages.TypeHandoffDelta, Payload: f.Payload}
	case messages.TypeHandoffFin:
		var m messages.Fin
		if err := proto.Unmarshal(f.Payload, &m); err != nil {
			return handoff.StreamLost{Err: fmt.Errorf("%w: %w", messages.ErrDamaged, err)}
		}
		seal, err := handoff.SealOf(&m)
		if err != nil {
			return handoff.StreamLost{Err: err}
		}
		return handoff.Fin{Session: f.Session, Seal: seal}
	case messages.TypeHandoffAbort:
		var m messages.Abort
		if err := proto.Unmarshal(f.Payload, &m); err != nil {
			m.Reason = "no reason that can be read"
		}
		return handoff.SourceAborted{Reason: m.Reason}
	}
	return handoff.StreamLost{Err: fmt.Errorf("frame %v in a transfer: %w", f.Type, messages.ErrUnknownType)}
}

// drive feeds the machine, and what its actions answer.
func (t *targetStream) drive(e handoff.ReceiverEvent) {
	t.queue = append(t.queue, e)
	for len(t.queue) > 0 && !t.over {
		e := t.queue[0]
		t.queue = t.queue[1:]
		for _, action := range t.machine.Step(e) {
			t.do(action)
		}
	}
}

func (t *targetStream) answer(e handoff.ReceiverEvent) { t.queue = append(t.queue, e) }

func (t *targetStream) do(action handoff.ReceiverAction) {
	switch x := action.(type) {
	case handoff.AwaitView:
		t.awaitView(x.RingVersion)
	case handoff.ResetStaging:
		t.guarded(t.reset)
	case handoff.Apply:
		t.guarded(func(context.Context) error { return t.apply(x) })
	case handoff.SyncStaging:
		t.guarded(t.sync)
	case handoff.StoreSeal:
		t.guarded(func(ctx context.Context) error { return t.storeSeal(ctx, x.Seal) })
	case handoff.ReportSealed:
		took := time.Since(t.began)
		t.log.Info("handoff received", "items", x.Seal.Items, "bytes", x.Seal.Bytes, "took", took, "bytes_per_second", perSecond(x.Seal.Bytes, took))
		t.host.system.Root.Send(t.vnode, stepEvent{vnode.CopySealed{Session: t.session, Seal: x.Seal}})
	case handoff.SendHelloOK:
		t.log.Info("handoff receiving")
		t.send(messages.TypeHandoffHelloReply, 0, marshal(&messages.HandoffHelloReply{HaveSeq: x.HaveSeq}))
	case handoff.SendAck:
		t.send(messages.TypeHandoffAck, x.UpTo, nil)
	case handoff.SendFinOK:
		t.send(messages.TypeHandoffFinReply, 0, marshal(handoff.FinReplyMessage(x.Seal, nil)))
	case handoff.SendFinBad:
		t.send(messages.TypeHandoffFinReply, 0, marshal(handoff.FinReplyMessage(x.Have, x.Err)))
	case handoff.Reject:
		if errors.Is(x.Err, messages.ErrStaleSession) || errors.Is(x.Err, messages.ErrUnknownSession) || errors.Is(x.Err, messages.ErrWrongNode) {
			t.fenced()
		}
		t.send(messages.TypeHandoffHelloReply, 0, marshal(&messages.HandoffHelloReply{Error: x.Err}))
	case handoff.End:
		t.over, t.err = true, x.Err
	}
}

// guarded runs a side effect inside the session (F6). The guard is held for the
// effect only, never while waiting for the source, so that closing the session
// waits for a write at most.
func (t *targetStream) guarded(effect func(context.Context) error) {
	g, err := t.host.sessions.Enter(t.session, fmt.Sprintf("target of %v", t.id))
	if err != nil {
		t.fenced()
		t.answer(handoff.SessionClosed{Err: err})
		return
	}
	defer g.Leave()
	t.host.progress.waits(t.session, false, handoff.WaitStore)
	defer t.host.progress.waits(t.session, false, handoff.WaitNothing)
	if err := effect(g.Context()); err != nil {
		t.answer(handoff.StoreFailed{Err: noSpace(err)})
	}
}

// fenced counts a frame that came too late.
func (t *targetStream) fenced() { t.kind.lateOf(t.id.Partition).fenced.Add(1) }

func (t *targetStream) reset(context.Context) error {
	record, err := t.kind.engine.Record(t.id)
	if err == nil && record.Sealed == t.session {
		err = fmt.Errorf("staging of %v: %w", t.id, messages.ErrSealed)
	}
	if err != nil {
		return err
	}
	part, err := t.kind.engine.Stage(t.id, t.session)
	if err != nil {
		return err
	}
	t.part = part
	t.answer(handoff.StagingReset{})
	return nil
}

func (t *targetStream) apply(x handoff.Apply) error {
	t.batch.Reset()
	if t.codec == nil {
		x.Items.AddTo(&t.batch)
	} else if err := t.decode(x.Items); err != nil {
		return err
	}
	if err := inject.Err(inject.ApplyBefore); err != nil {
		return err
	}
	if err := t.store(x); err != nil {
		return err
	}
	inject.At(inject.ApplyAfter)
	if p, ok := t.part.(store.Preparer); ok {
		for p.Prepare() { // the first snapshot follows soon after the flip
		}
	}
	t.late(x.Seq)
	t.host.progress.moved(t.session, false, x.Items.Len(), x.Items.Size())
	t.answer(handoff.Applied{Seq: x.Seq})
	return nil
}

// late counts what was done for a session that was over, which the guard rules out.
func (t *targetStream) late(seq uint64) {
	if t.kind.lateOf(t.id.Partition).drained.Load() >= t.session {
		t.host.appliedAfterClose.Add(1)
		t.log.Error("a batch of a session that was over is applied", "seq", seq)
	}
}

// store puts the batch into the staging generation. A bulk copy of more than one
// batch is loaded if the engine can; it is in when its last batch is applied, so
// that no part of it is left for the time of the freeze, and at the latest before
// the first delta.
func (t *targetStream) store(x handoff.Apply) error {
	if loader, ok := t.part.(store.BulkLoader); ok && x.Seq == 1 && !x.Delta && t.bulkEnd != 1 {
		var err error
		if t.load, err = loader.BeginLoad(); err != nil {
			return err
		}
	}
	if t.load == nil || x.Delta {
		if err := t.endLoad(); err != nil {
			return err
		}
		return t.part.Write(&t.batch)
	}
	if err := t.load.Add(&t.batch); err != nil {
		return err
	}
	if x.Seq == t.bulkEnd {
		return t.endLoad()
	}
	return nil
}

// endLoad makes what was loaded part of the staging generation.
func (t *targetStream) endLoad() error {
	if t.load == nil {
		return nil
	}
	if err := t.load.Finish(); err != nil {
		return err
	}
	t.giveUpLoad()
	return nil
}

// giveUpLoad lets go of a load, and of what is not in the generation yet.
func (t *targetStream) giveUpLoad() {
	if t.load == nil {
		return
	}
	if err := t.load.Close(); err != nil {
		t.log.Warn("load not closed", "err", err)
	}
	t.load = nil
}

func (t *targetStream) decode(items handoff.Items) error {
	for op := range items.All() {
		if op.Delete {
			t.batch.Delete(op.Key)
			continue
		}
		value, err := t.codec.DecodeHandoffItem(op.Key, op.Value)
		if err != nil {
			return fmt.Errorf("decode item %q of %v: %w", op.Key, t.id, err)
		}
		t.batch.Put(op.Key, value, op.Version)
	}
	return nil
}

func (t *targetStream) sync(context.Context) error {
	if err := errors.Join(inject.Err(inject.SyncBefore), t.endLoad()); err != nil {
		return err
	}
	t.late(t.bulkEnd)
	if err := t.part.Sync(); err != nil {
		return err
	}
	t.answer(handoff.StagingSynced{Summary: t.part.Summary()})
	return nil
}

func (t *targetStream) storeSeal(ctx context.Context, seal topology.Seal) error {
	r := &sealCopy{session: t.session, seal: seal, reply: make(chan error, 1)}
	t.host.system.Root.Send(t.vnode, r)
	select {
	case err := <-r.reply:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.host.ctx.Done():
		return ErrStopped
	}
	t.answer(handoff.SealStored{})
	return nil
}

// awaitView looks at the record by a linearizable read (F5), so that a session
// this node has not heard of yet is not refused.
func (t *targetStream) awaitView(known uint64) {
	ctx, cancel := context.WithTimeout(t.ctx, viewWait)
	defer cancel()
	if state, err := t.host.opts.Agreement.Read(ctx); err == nil {
		t.host.applyState(state)
	}
	for t.host.View().Version() <= known {
		select {
		case <-t.host.View().Changed():
		case <-ctx.Done():
			t.answer(handoff.ViewTimedOut{})
			return
		case <-t.host.ctx.Done():
			t.answer(handoff.ViewTimedOut{})
			return
		}
	}
	t.answer(handoff.ViewApplied{View: t.view()})
}

func (t *targetStream) send(typ messages.Type, seq uint64, payload []byte) {
	f := messages.Frame{Header: messages.Header{
		Type: typ, Kind: t.id.Kind, Partition: uint32(t.id.Partition), Session: t.session,
		RingVersion: t.host.View().Version(), Seq: seq,
	}, Payload: payload}
	if err := t.stream.Send(f); err != nil {
		t.answer(handoff.StreamLost{Err: err})
	}
}

// sealCopy makes a verified copy's seal durable.
func (a *vnodeActor) sealCopy(m *sealCopy) {
	if s, ok := a.life.State().(vnode.Staging); !ok || s.Session != m.session {
		m.reply <- fmt.Errorf("seal %v for session %d in state %v: %w", a.id, m.session, a.life.State(), messages.ErrUnknownSession)
		return
	}
	if !a.keep(func() { a.record.Sealed, a.record.Seal = m.session, &m.seal }) {
		m.reply <- fmt.Errorf("seal of %v not stored: %w", a.id, messages.ErrInternal)
		return
	}
	inject.At(inject.SealedAfter)
	m.reply <- nil
}

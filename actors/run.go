package actors

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/pipe"
)

// Run is one running pipe, held by the node that started it. Safe for
// concurrent use.
type Run struct {
	host    *Host
	spec    *pipe.Spec
	encoded []byte // spec

	coordinator, sink *actor.PID
	senders           atomic.Uint64 // handed out
	inputs            atomic.Uint64 // items of the senders that are done

	ctx    context.Context // ends with the run
	cancel context.CancelFunc

	results  chan pipe.Batch // room for all that the sink was told to deliver
	progress atomic.Pointer[Progress]

	mu       sync.Mutex
	over     chan struct{} // closed once the outcome stands
	complete chan struct{} // closed once no result will follow
	released chan struct{} // closed once every partition has forgotten the pipe
	err      error
	counts   []pipe.Progress
}

// Progress is how far a run is, as its workers noted it. It is for people:
// notes may be late, and one that is lost is not sent again.
type Progress struct {
	Inputs []uint64 // items taken, by fitting
	Bytes  []uint64
}

// resultBatches is how many batches of results wait for the consumer.
const resultBatches = 64

// RunOptions configures a run.
type RunOptions struct {
	// Kind and Query feed the pipe with every partition of a vnode kind, which
	// must be a vnode.Folder; the first fitting's route must be Direct. Empty:
	// the pipe is fed by Senders.
	Kind  string
	Query []byte
	// OnFailure says what becomes of the pipe when a worker fails at an input
	// for the second time.
	OnFailure pipe.Policy
	// Progress hears about progress; optional. It must not block.
	Progress func(Progress)
	// Trace names the notes that OnTrace hears: tags (the Trace constants of
	// package pipe), fittings, nodes, or pipe.TraceAll. Notes may be lost. OnTrace
	// must not block.
	Trace   []string
	OnTrace func(TraceNote)
}

// Start runs a pipe of these fittings.
func (h *Host) Start(fittings []pipe.Fitting, o RunOptions) (*Run, error) {
	if h.ctx.Err() != nil {
		return nil, ErrStopped
	}
	r := &Run{
		host: h, results: make(chan pipe.Batch, resultBatches), over: make(chan struct{}),
		complete: make(chan struct{}), released: make(chan struct{}),
	}
	r.ctx, r.cancel = context.WithCancel(h.ctx)
	spec := &pipe.Spec{RingSize: h.View().RingSize(), OnFailure: o.OnFailure, Trace: o.Trace, Fittings: fittings}
	rand.Read(spec.ID[:])
	r.progress.Store(&Progress{Inputs: make([]uint64, len(fittings)), Bytes: make([]uint64, len(fittings))})
	coordinator, sink := &mailbox{host: h}, &mailbox{host: h}
	spec.Coordinator, spec.Sink = coordinator.open(), sink.open()
	r.spec = spec
	if err := spec.Validate(h.opts.Workers); err != nil {
		coordinator.close()
		sink.close()
		return nil, fmt.Errorf("start pipe: %w", err)
	}
	var err error
	if r.encoded, err = spec.AppendBinary(nil); err == nil {
		err = r.spawn(coordinator, sink, o)
	}
	if err != nil {
		coordinator.close()
		sink.close()
		return nil, fmt.Errorf("start pipe %v: %w", spec.ID, err)
	}
	return r, nil
}

func (r *Run) spawn(coordinator, sink *mailbox, o RunOptions) error {
	s := &sinkActor{run: r, box: sink, machine: pipe.NewSink(pipe.SinkOptions{Spec: r.spec})}
	c := &coordinatorActor{run: r, box: coordinator, opts: o, machine: pipe.NewCoordinator(pipe.CoordinatorOptions{Spec: r.spec})}
	var err error
	if r.sink, err = r.spawnActor("sink", s); err != nil {
		return err
	}
	sink.start(r.sink)
	if r.coordinator, err = r.spawnActor("coordinator", c); err != nil {
		r.host.system.Root.Stop(r.sink)
		return err
	}
	coordinator.start(r.coordinator)
	r.host.busy.add()
	return nil
}

func (r *Run) spawnActor(role string, a actor.Actor) (*actor.PID, error) {
	props := actor.PropsFromProducer(func() actor.Actor { return a }, actor.WithSupervisor(stopOnPanic), actor.WithDispatcher(r.host.dispatch))
	return r.host.system.Root.SpawnNamed(props, fmt.Sprintf("%s/%v", role, r.spec.ID))
}

// ID names the pipe in the cluster.
func (r *Run) ID() pipe.ID { return r.spec.ID }

// Sender returns a new sender of inputs. Each must be closed by CloseSender.
func (r *Run) Sender() (*Sender, error) {
	from := r.senders.Add(1)
	s, err := r.host.newSender(r.spec, pipe.Stream{Fitting: pipe.Input, From: from, Attempt: 1})
	if err != nil {
		return nil, err
	}
	s.from = from
	context.AfterFunc(r.ctx, func() { s.stopped(r.cause()) })
	return s, nil
}

// Context ends with the run.
func (r *Run) Context() context.Context { return r.ctx }

func (r *Run) cause() error {
	if err := r.Err(); err != nil {
		return err
	}
	return fmt.Errorf("pipe %v has ended: %w", r.spec.ID, pipe.ErrCancelled)
}

// CloseSender waits until all that the sender sent is acknowledged.
func (r *Run) CloseSender(ctx context.Context, s *Sender) error {
	sent, err := s.Close(ctx)
	if err != nil {
		return err
	}
	if r.ctx.Err() != nil {
		// It ended before this sender was done, so what was acknowledged since is
		// in no pipe.
		return r.cause()
	}
	r.host.system.Root.Send(r.coordinator, &pipe.SenderDone{Pipe: r.spec.ID, From: s.from, Sent: sent})
	return nil
}

// EndInputs says that there are no more senders than those handed out.
func (r *Run) EndInputs() {
	r.host.system.Root.Send(r.coordinator, pipe.EndOfInputs{Senders: int(r.senders.Load())})
}

// Cancel ends the pipe; cause nil means pipe.ErrCancelled.
func (r *Run) Cancel(cause error) {
	r.host.system.Root.Send(r.coordinator, pipe.Cancel{Cause: cause})
}

// Next returns the next batch of results, blocking until there is one. It
// returns false at the end of a complete run, and the error of one that is not.
func (r *Run) Next() (pipe.Batch, bool, error) {
	select {
	case b := <-r.results:
		return r.took(b)
	default:
	}
	select {
	case b := <-r.results:
		return r.took(b)
	case <-r.complete:
	case <-r.host.ctx.Done():
		return pipe.Batch{}, false, ErrStopped
	}
	select {
	case b := <-r.results:
		return r.took(b)
	default:
	}
	<-r.over
	return pipe.Batch{}, false, r.Err()
}

func (r *Run) took(b pipe.Batch) (pipe.Batch, bool, error) {
	r.host.system.Root.Send(r.sink, pipe.Want{Batches: 1})
	return b, true, nil
}

// Over is closed once the outcome stands. A run whose results nobody takes does
// not come to its end.
func (r *Run) Over() <-chan struct{} { return r.over }

// Released is closed once nothing of the pipe is left in the cluster, as far as
// its nodes can be reached.
func (r *Run) Released() <-chan struct{} { return r.released }

// Err returns what ended the run, nil while it runs and after a complete end. A
// *pipe.SetAsideError comes after all results of the other inputs.
func (r *Run) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Counts returns the items in and out of each fitting, which add up, once the
// run is over.
func (r *Run) Counts() []pipe.Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// Inputs returns the items that outside senders and folds put in, of those that
// are done.
func (r *Run) Inputs() uint64 { return r.inputs.Load() }

// Progress returns how far the workers are.
func (r *Run) Progress() Progress { return *r.progress.Load() }

func (r *Run) finish(f *pipe.Finished) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.over:
		return
	default:
	}
	r.err, r.counts = f.Err, f.Progress
	close(r.over)
	r.cancel()
}

// mailbox makes an actor an endpoint.
type mailbox struct {
	host *Host
	id   uint64
	pid  atomic.Pointer[actor.PID]
}

func (m *mailbox) open() pipe.Address {
	m.id = m.host.ends.add(m)
	return pipe.Address{Node: m.host.opts.Self.Node, Incarnation: m.host.opts.Self.Incarnation, Endpoint: m.id}
}

func (m *mailbox) start(pid *actor.PID) {
	m.pid.Store(pid)
	m.host.pipes.add(m.host.pipes.others, pid)
}

func (m *mailbox) close() { m.host.ends.remove(m.id) }

func (m *mailbox) take(l *letter) {
	if pid := m.pid.Load(); pid != nil {
		m.host.system.Root.Send(pid, l)
	}
}

func (m *mailbox) link(LinkEvent) {}
func (m *mailbox) viewed(*View)   {}
func (m *mailbox) stopped(error)  {}

// sinkActor is the shell of a run's sink.
type sinkActor struct {
	run     *Run
	box     *mailbox
	machine *pipe.Sink
	ended   bool // the consumer knows that there are no more results
}

// Receive turns messages into the sink's events.
func (s *sinkActor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		s.do(s.machine.Step(pipe.Want{Batches: resultBatches}))
	case *letter:
		s.letter(m)
	case pipe.SinkEvent:
		s.do(s.machine.Step(m))
	case *actor.Stopped:
		// A stop overtakes what is queued, the end of a failed run too.
		s.complete()
		s.box.close()
		s.run.host.pipes.remove(s.run.host.pipes.others, ctx.Self())
	}
}

func (s *sinkActor) complete() {
	if !s.ended {
		s.ended = true
		close(s.run.complete)
	}
}

func (s *sinkActor) letter(l *letter) {
	body, err := l.open()
	if e, ok := body.(pipe.SinkEvent); ok && err == nil {
		s.do(s.machine.Step(e))
	}
}

func (s *sinkActor) do(actions []pipe.SinkAction) {
	h := s.run.host
	for _, action := range actions {
		switch x := action.(type) {
		case pipe.Deliver:
			s.run.results <- x.Batch // never blocks: the sink was told of the room
		case *pipe.Ack:
			h.reply(x.To, x.Stream, 0, x)
		case *pipe.Refuse:
			h.reply(x.To, x.Stream, 0, x)
		case *pipe.SinkDone:
			h.system.Root.Send(s.run.coordinator, x)
		case *pipe.Complete:
			s.complete()
		}
	}
}

// coordinatorActor is the shell of a run's coordinator and of the folds that
// feed it.
type coordinatorActor struct {
	run     *Run
	box     *mailbox
	opts    RunOptions
	machine *pipe.Coordinator
	folds   *pipe.Folds
}

// Receive turns messages into the machines' events.
func (c *coordinatorActor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		c.started()
	case *letter:
		c.letter(ctx, m)
	case pipe.Tick:
		c.fold(ctx, m)
		c.do(ctx, c.machine.Step(m))
	case pipe.SourceLost:
		c.fold(ctx, m)
	case *pipe.SenderDone:
		c.senderDone(ctx, m)
	case pipe.CoordinatorEvent:
		c.do(ctx, c.machine.Step(m))
	case *actor.Stopping:
		c.run.finish(&pipe.Finished{Err: ErrStopped})
	case *actor.Stopped:
		c.box.close()
		c.run.cancel()
		c.run.host.busy.done()
		c.run.host.pipes.remove(c.run.host.pipes.others, ctx.Self())
		c.run.host.system.Root.Stop(c.run.sink)
		close(c.run.released)
	}
}

func (c *coordinatorActor) started() {
	if c.opts.Kind == "" {
		return
	}
	c.folds = pipe.NewFolds(c.run.spec.ID, c.run.spec.RingSize)
	for _, a := range c.folds.Start() {
		c.doFold(nil, a)
	}
}

func (c *coordinatorActor) letter(ctx actor.Context, l *letter) {
	body, err := l.open()
	if err != nil {
		c.run.host.log.Warn("message to a coordinator not read", "err", err)
		return
	}
	switch m := body.(type) {
	case *messages.FoldOpened:
		c.fold(ctx, foldOpened(m))
	case *messages.FoldDone:
		c.fold(ctx, foldDone(m))
	case *messages.Progress:
		c.progress(m)
	case *messages.Trace:
		c.run.traced(l, m, c.opts.OnTrace)
	case pipe.CoordinatorEvent:
		c.do(ctx, c.machine.Step(m))
	}
}

func foldOpened(m *messages.FoldOpened) pipe.FoldsEvent {
	p := ring.Partition(m.Partition)
	if err := m.Error.Err(); err != nil {
		return pipe.FoldFailed{Partition: p, Attempt: m.Attempt, Err: err}
	}
	return pipe.FoldOpened{Partition: p, Attempt: m.Attempt, Source: addressIn(m.Source)}
}

func foldDone(m *messages.FoldDone) pipe.FoldsEvent {
	p := ring.Partition(m.Partition)
	if err := m.Error.Err(); err != nil {
		return pipe.FoldFailed{Partition: p, Attempt: m.Attempt, Err: err}
	}
	return pipe.FoldDone{Partition: p, Attempt: m.Attempt, Items: m.Items}
}

func (c *coordinatorActor) progress(m *messages.Progress) {
	old := c.run.progress.Load()
	if int(m.Fitting) >= len(old.Inputs) || m.Fitting < 0 {
		return
	}
	now := Progress{Inputs: append([]uint64(nil), old.Inputs...), Bytes: append([]uint64(nil), old.Bytes...)}
	now.Inputs[m.Fitting] += m.In
	now.Bytes[m.Fitting] += m.Bytes
	c.run.progress.Store(&now)
	if c.opts.Progress != nil {
		c.opts.Progress(now)
	}
}

func (c *coordinatorActor) do(ctx actor.Context, actions []pipe.CoordinatorAction) {
	h := c.run.host
	// What stopFolds says comes back here, and the machine's slice is good for
	// one step only.
	for _, action := range slices.Clone(actions) {
		switch x := action.(type) {
		case *pipe.SpecKnown:
			h.toPipe(x.Partition, x)
		case *pipe.SpecGone:
			h.toPipe(x.Partition, x)
		case *pipe.EOI:
			h.toPipe(x.Partition, x)
		case *pipe.Destroy:
			h.toPipe(x.Partition, x)
		case *pipe.SinkEnd:
			h.system.Root.Send(c.run.sink, x)
		case *pipe.Finished:
			c.run.finish(x)
			c.stopFolds(x.Err)
		case pipe.Ended:
			ctx.Stop(ctx.Self())
		}
	}
}

func (c *coordinatorActor) senderDone(ctx actor.Context, m *pipe.SenderDone) {
	for _, s := range m.Sent {
		c.run.inputs.Add(s.Items)
	}
	c.do(ctx, c.machine.Step(m))
}

func (c *coordinatorActor) stopFolds(err error) {
	if c.folds == nil || err == nil {
		return
	}
	for p := range c.run.spec.RingSize {
		// A failed run releases its sources wherever they are.
		c.fold(nil, pipe.FoldFailed{Partition: ring.Partition(p), Attempt: 1, Err: err})
	}
}

func (c *coordinatorActor) fold(ctx actor.Context, e pipe.FoldsEvent) {
	if c.folds == nil {
		return
	}
	for _, a := range c.folds.Step(e) {
		c.doFold(ctx, a)
	}
}

func (c *coordinatorActor) doFold(ctx actor.Context, action pipe.FoldsAction) {
	h := c.run.host
	id := c.run.spec.ID
	switch x := action.(type) {
	case pipe.OpenFold:
		h.toVnode(c.opts.Kind, x.Partition, &messages.FoldOpen{
			Pipe: id[:], Partition: uint32(x.Partition), Attempt: x.Attempt,
			ReplyTo: addressOut(c.run.spec.Coordinator), Query: c.opts.Query, Spec: c.run.encoded,
		})
	case pipe.StartFold:
		h.toEndpoint(x.Source, x.Partition, &messages.FoldStart{Pipe: id[:], Partition: uint32(x.Partition), Attempt: x.Attempt})
	case pipe.CloseFold:
		m := &messages.FoldClose{Pipe: id[:], Partition: uint32(x.Partition), Attempt: x.Attempt}
		if x.Source.IsZero() {
			h.toVnode(c.opts.Kind, x.Partition, m)
		} else {
			h.toEndpoint(x.Source, x.Partition, m)
		}
	case *pipe.SenderDone:
		c.senderDone(ctx, x)
	case pipe.EndOfInputs:
		c.do(ctx, c.machine.Step(x))
	case pipe.Cancel:
		c.do(ctx, c.machine.Step(x))
	}
}

var errFoldClosed = errors.New("fold closed by the pipe")

package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff/history"
	"github.com/dee2748c/baton/handoff/session"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// Options configures a Host. All fields without a default are required.
type Options struct {
	// Self is this node, its incarnation as issued by the record, and its address.
	Self Peer
	// Lineage goes into the identity of what this node's vnodes write: it is
	// another one for each beginning of the node's data, so that a node which was
	// set back to a backup never gives a number twice. Zero is one like others.
	Lineage uint32
	// Agreement is the node's handle on the replicated record.
	Agreement cluster.Store
	// Transport reaches the other nodes. The Host serves and closes it.
	Transport Transport
	// Engine keeps what must survive the process. The Host closes it.
	Engine store.Engine
	// Volatile keeps the partitions of volatile kinds. The Host closes it.
	Volatile store.Engine
	// Kinds are the vnode kinds that this node serves, beside the pipe.
	Kinds []vnode.Kind
	// Workers are the pipe's workers and hash functions by name.
	Workers *pipe.Registry
	// Log receives the host's messages; nil discards them.
	Log *slog.Logger
	// Up says which nodes seem to answer. It is advice: it chooses who stands in
	// for a primary, never who owns. It must be quick and safe for concurrent
	// use; nil means all members.
	Up func(ring.NodeID) bool
	// RetryAfter is how long senders wait before they repeat what was not
	// answered; default 250 ms.
	RetryAfter time.Duration
	// Queue is how many requests may wait for one vnode; more are refused with
	// vnode.ErrOverloaded before they are queued. Default DefaultQueue; negative
	// means no limit.
	Queue int
	// Slow is how long a request may wait for a vnode before this node says that
	// it does not keep up; default DefaultSlow.
	Slow time.Duration
	// BeforeFold, if not nil, is called before a partition of a kind is read into a
	// pipe: it makes the copy hold what a reader has to see, while the vnode goes on
	// serving. Its error refuses the fold. It runs in a goroutine of its own, once
	// for each pipe and partition; ctx ends when the fold is not wanted any more,
	// and when the host stops.
	BeforeFold func(ctx context.Context, kind topology.Kind, p ring.Partition, query []byte) error
	// PipeWorkers is how many workers of pipes run at a partition at a time; the
	// others take turns. 0: the default of pipe.QueuesOptions.
	PipeWorkers int
	// History is where the ends of transfers are written down; nil: in memory. The Host closes it.
	History *history.Log
	// Events hears about transfers and jobs; optional.
	Events Events
}

// Events are told of what an operator or a test wants to see. They are called
// from the host's goroutines and must not block.
type Events struct {
	// Flipped: a partition that this node handed off is owned by its target.
	Flipped func(FlipEvent)
	// Struggling: the node does not keep up with its requests, for a reason; or
	// it does again, without one.
	Struggling func(reason string)
	// WorkerArchived: a pipe worker was taken apart to move with its partition.
	WorkerArchived func(pipe.ID, ring.Partition)
}

// FlipEvent says what moved with a partition.
type FlipEvent struct {
	Kind      topology.Kind
	Partition ring.Partition
	Session   uint64
	Source    ring.NodeID
	Target    ring.NodeID
	Seal      topology.Seal
	Freeze    time.Duration
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.RetryAfter <= 0 {
		o.RetryAfter = 250 * time.Millisecond
	}
	if o.Slow <= 0 {
		o.Slow = DefaultSlow
	}
	if o.Queue == 0 {
		o.Queue = DefaultQueue
	}
	return o
}

// Host runs one node: its vnodes and pipe workers as actors, its side of every
// transfer, and the way from and to other nodes. Safe for concurrent use.
type Host struct {
	opts     Options
	log      *slog.Logger
	system   *actor.ActorSystem
	kinds    map[topology.Kind]*kindEntry
	sessions *session.Registry
	dispatch *dispatcher
	proposer *proposer
	syncer   *syncer
	ends     endpoints
	directs  sync.Pool // of *direct, which no run came of
	clock    *clock
	pipes    *pipes
	busy     busy
	incoming incoming

	chronicler        *chronicler
	appliedAfterClose atomic.Uint64 // frames; see Late

	progress progresses

	strain    vnode.Strain            // of the clock's goroutine
	leaksTold map[session.Holder]bool // of the same
	struggles atomic.Pointer[string]

	foldsMu sync.Mutex
	folds   map[foldKey]*foldSource

	applying sync.Mutex // views are applied one at a time
	view     atomic.Pointer[View]

	ctx    context.Context // ends when the host stops
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup // owned goroutines
	// mending is what may be deep in an engine, and ends when that is closed.
	mending sync.WaitGroup
	damaged []*damages // of what can be mended; the first is of undecoded

	endDispatch context.CancelFunc // when the last actor has ended
	stop        sync.Once
}

// kindEntry is one kind with the actors of its partitions on this node.
type kindEntry struct {
	kind     vnode.Kind
	spec     topology.KindSpec
	engine   store.Engine
	volatile bool
	unsynced bool                      // engine has nothing to make durable
	reader   vnode.Reader              // kind, if it serves reads beside its vnodes
	serving  []atomic.Pointer[serving] // by partition, for reader
	lates    []late                    // by partition

	mu     sync.RWMutex
	vnodes []*inbox // by partition; nil where no vnode was started

	fallbacks map[ring.Partition]*fallback // those that were started
}

// Start makes the node take part: it follows the record, serves what it owns
// and moves what has to move. ctx bounds the start only.
func Start(ctx context.Context, o Options) (*Host, error) {
	o = o.withDefaults()
	state, err := o.Agreement.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("start node %s: read the record: %w", o.Self.Node, err)
	}
	h := &Host{opts: o, log: o.Log.With("node", string(o.Self.Node)), sessions: session.New(), folds: make(map[foldKey]*foldSource)}
	h.progress.line = make(chan struct{}, 1)
	h.progress.line <- struct{}{}
	h.ctx, h.cancel = context.WithCancelCause(context.Background())
	if err := h.registerKinds(state); err != nil {
		return nil, err
	}
	h.system = actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet(h.log) }),
		// Its timer is a goroutine that outlives the system.
		actor.WithDeadLetterThrottleInterval(time.Millisecond),
	)
	var kept context.Context
	kept, h.endDispatch = context.WithCancel(context.Background())
	h.dispatch = newDispatcher(kept)
	h.proposer = newProposer(h.ctx, o.Agreement, o.Self, h.log)
	h.syncer = newSyncer(h.ctx)
	if h.opts.History == nil {
		if h.opts.History, err = history.Open("", history.Options{}); err != nil {
			return nil, err
		}
	}
	h.chronicler = newChronicler(h.ctx, h.opts.History, h.log)
	h.clock = newClock()
	h.pipes = newPipes(h)
	h.damaged = append(h.damaged, newDamages(h, undecoded{}))
	if x, ok := o.Engine.(store.Exciser); ok {
		h.damaged = append(h.damaged, newDamages(h, x))
	}
	h.catchUp(state)
	h.applyState(state)
	if err := h.recoverFallbacks(); err != nil {
		h.shutdown(ctx)
		return nil, err
	}
	if err := o.Transport.Serve(h); err != nil {
		h.shutdown(ctx)
		return nil, fmt.Errorf("start node %s: %w", o.Self.Node, err)
	}
	h.own(h.proposer.run)
	h.own(h.syncer.run)
	h.own(h.chronicler.run)
	h.own(func() { h.clock.run(h.ctx, h.sweep) })
	h.own(h.follow)
	for _, d := range h.damaged {
		d.engine.OnDamage(d.add)
		h.mending.Go(d.run)
	}
	return h, nil
}

func (h *Host) registerKinds(state topology.State) error {
	h.kinds = make(map[topology.Kind]*kindEntry)
	add := func(k vnode.Kind) error {
		name := k.Name()
		if _, dup := h.kinds[name]; dup {
			return fmt.Errorf("start node %s: vnode kind %q is registered twice; register each kind once", h.opts.Self.Node, name)
		}
		e := &kindEntry{kind: k, engine: h.opts.Engine, vnodes: make([]*inbox, state.RingSize()), lates: make([]late, state.RingSize())}
		if r, ok := k.(vnode.Reader); ok {
			e.reader, e.serving = r, make([]atomic.Pointer[serving], state.RingSize())
		}
		if p, ok := k.(vnode.Properties); ok && p.Volatile() {
			e.volatile, e.engine = true, h.opts.Volatile
		}
		_, e.unsynced = e.engine.(store.Volatile)
		e.spec, _ = state.Kind(name)
		h.kinds[name] = e
		return nil
	}
	for _, k := range append(h.opts.Kinds, pipeKind{h}) {
		if err := add(k); err != nil {
			return err
		}
	}
	for _, spec := range state.Kinds() {
		if _, ok := h.kinds[spec.Name]; !ok {
			return fmt.Errorf("start node %s: the cluster has vnode kind %q: %w; register it in Options.Kinds",
				h.opts.Self.Node, spec.Name, topology.ErrMissingKind)
		}
	}
	return nil
}

// own runs f in a goroutine that Stop waits for.
func (h *Host) own(f func()) {
	h.tasks.Add(1)
	go func() {
		defer h.tasks.Done()
		f()
	}()
}

// Self returns this node's name, life and address.
func (h *Host) Self() Peer { return h.opts.Self }

// View returns the newest record applied here.
func (h *Host) View() *View { return h.view.Load() }

// Stop ends the node: no further frames are taken, actors finish what they
// hold, goroutines end. What other nodes ask of it afterwards fails there.
func (h *Host) Stop(ctx context.Context) error {
	var err error
	h.stop.Do(func() { err = h.shutdown(ctx) })
	return err
}

func (h *Host) shutdown(ctx context.Context) error {
	h.cancel(ErrStopped)
	err := h.opts.Transport.Close(ctx)
	h.pipes.close()
	h.stopVnodes()
	h.tasks.Wait()
	h.ends.failAll(ErrStopped)
	h.system.Shutdown()
	h.endDispatch()
	err = errors.Join(err, h.opts.Engine.Close(), h.opts.Volatile.Close(), h.opts.History.Close())
	h.mending.Wait()
	return err
}

// send is post for letters that nobody misses: whoever needs an answer asks again.
func (h *Host) send(l *letter) {
	if err := h.post(l); err != nil {
		h.log.Debug("letter not sent", "to", l.To, "type", l.Type, "err", err)
	}
}

// post delivers a letter to its node: at once when it is this one, else through
// the transport. An error says that it will not arrive. To names the node, the
// rest of the envelope is filled in here.
func (h *Host) post(l *letter) error {
	if l.To == string(h.opts.Self.Node) {
		if l.ToIncarnation != 0 && l.ToIncarnation != h.opts.Self.Incarnation {
			return fmt.Errorf("letter for life %d of %s: %w", l.ToIncarnation, l.To, messages.ErrIncarnation)
		}
		l.once = true
		h.deliver(l)
		return nil
	}
	peer, ok := h.View().Peer(ring.NodeID(l.To))
	if !ok {
		return fmt.Errorf("letter for %q: %w", l.To, topology.ErrNotMember)
	}
	f, err := l.frame()
	if err != nil {
		return err
	}
	return h.opts.Transport.Send(peer, f)
}

// HandleFrame takes a frame from another node.
func (h *Host) HandleFrame(f messages.Frame) {
	h.deliver(&letter{Header: f.Header, payload: f.Payload})
}

// HandleLink hears that a link came up or went down.
func (h *Host) HandleLink(e LinkEvent) {
	if !e.Up {
		h.log.Debug("link down", "peer", string(e.Peer.Node), "err", e.Err)
	}
	for i := range e.Unsent {
		if d, ok := h.ends.get(e.Unsent[i].Endpoint); ok && e.Unsent[i].Type == messages.TypeRequest {
			if r, ok := d.(*run); ok {
				r.unsent(e.Unsent[i].Seq, fmt.Errorf("link to %s: %w", e.Peer.Node, e.Err))
			}
		}
	}
	h.ends.each(func(d endpoint) { d.link(e) })
}

// deliver hands a letter to the vnode or endpoint that it addresses.
func (h *Host) deliver(l *letter) {
	if l.Kind == "" {
		if d, ok := h.ends.get(l.Endpoint); ok {
			d.take(l)
		} else if l.Type == messages.TypeFoldOpened {
			h.unwanted(l)
		}
		return
	}
	id := store.ID{Kind: l.Kind, Partition: ring.Partition(l.Partition)}
	var to *inbox
	if l.Type == messages.TypeRequest && l.Flags&requestFallback != 0 {
		to = h.fallback(id)
	} else {
		to = h.vnode(id)
	}
	if to == nil {
		h.refuse(l, messages.CodeNotFound, fmt.Sprintf("no vnode kind %q with partition %d here", l.Kind, l.Partition))
		return
	}
	if l.Type == messages.TypeRequest {
		if !to.gate.enter(h.opts.Queue) {
			h.shed(h.kinds[l.Kind], l)
			return
		}
		l.gate = &to.gate
	}
	h.system.Root.Send(to.pid, l)
}

// refuse answers a letter that was not served, if anyone waits for it.
func (h *Host) refuse(l *letter, code messages.Code, text string) {
	h.respondError(l, &messages.Error{Code: uint32(code), Op: l.Type.String(), Operand: l.Kind, Message: text})
}

// sweep looks at all runs and fallbacks for what no message ends.
func (h *Host) sweep(now time.Time) {
	for _, e := range h.kinds {
		h.tellFallbacks(e, fallbackTick{})
	}
	h.look(now)
	h.warn(now)
	h.ends.each(func(d endpoint) {
		if r, ok := d.(*run); ok {
			r.sweep(now)
		}
	})
}

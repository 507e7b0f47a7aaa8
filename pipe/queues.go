package pipe

import "github.com/dee2748c/baton/cluster/ring"

// QueuesEvent is what happened to a pipe vnode: *Enqueue, *SpecKnown,
// *SpecGone, *EOI, *Destroy from other nodes; NextInput, *Archived,
// *WorkerQuiet, *WorkerDone, *WorkerExited, *WorkerFault from its workers;
// Opened, FoldReq, HandoffCancelled, Seal, NodeGone, Tick from its runtime.
type QueuesEvent interface{ queuesEvent() }

// QueuesAction is what the shell of a pipe vnode must do, in the order given:
// send *Ack, *Refuse, *SpecRequest, *Done, *Failed, *Destroyed; tell a worker
// StartWorker, *Give, *GiveArchives, GiveProbe, GiveDone, OrderArchive, Park, StopWorker; tell
// the runtime Dirty; note Traced.
type QueuesAction interface{ queuesAction() }

// Events of workers.
type (
	// NextInput asks for inputs: everything given before is processed.
	NextInput struct {
		Worker  WorkerID
		Settled bool   // and all outputs are acknowledged
		In, Out uint64 // items so far
	}
	// Archived answers OrderArchive; the worker has ended.
	Archived struct {
		Worker  WorkerID
		Archive []byte
		Quiet   bool // nothing in it has to be processed or sent
	}
	// WorkerDone answers GiveDone: the worker has ended and all its outputs are
	// acknowledged. Archive is what a later start goes on from.
	WorkerDone struct {
		Worker  WorkerID
		Counts  Counts
		Archive []byte
	}
	// WorkerQuiet answers GiveProbe: the worker waits for input, with these
	// counts, and all its outputs are acknowledged.
	WorkerQuiet struct {
		Worker WorkerID
		Counts Counts
	}
	// WorkerExited: the worker failed or its actor died.
	WorkerExited struct {
		Worker WorkerID
		Err    *WorkerError
	}
)

// Events of the runtime.
type (
	// Opened: the vnode starts to serve at the owner epoch. What it takes over
	// has been given to Queues.Import before. A second Opened, after more
	// imports, merges them.
	Opened struct{ Epoch uint64 }
	// FoldReq is the second step of a handoff's start. Nothing before it
	// concerns this machine.
	FoldReq struct{ Session uint64 }
	// HandoffCancelled: the vnode keeps the partition after all.
	HandoffCancelled struct{}
	// Seal: the vnode is frozen; everything not exported in its final form is
	// named by Dirty.
	Seal struct{}
	// NodeGone: a node left or restarted; pipes coordinated by an earlier
	// incarnation of it are dropped.
	NodeGone struct {
		Node        ring.NodeID
		Incarnation uint64 // the lowest that is alive
	}
)

// Orders to workers. They are events of Runner.
type (
	// StartWorker starts a worker; it asks NextInput when it is ready.
	StartWorker struct {
		Worker    WorkerID
		Spec      *Spec
		Partition ring.Partition
		Attempt   uint32   // names the worker's streams unless an archive does
		Archives  [][]byte // merged before the first input
	}
	// Give answers NextInput.
	Give struct {
		Worker  WorkerID
		Batches []Batch
	}
	// GiveArchives answers NextInput: merge, then ask again.
	GiveArchives struct {
		Worker   WorkerID
		Archives [][]byte
	}
	// GiveProbe asks a worker to say when there is nothing to do.
	GiveProbe struct{ Worker WorkerID }
	// GiveDone answers NextInput: there are no more inputs.
	GiveDone struct{ Worker WorkerID }
	// OrderArchive asks a worker for its archive at its next boundary between
	// inputs, whatever it waits for. Each run of a worker is asked once.
	OrderArchive struct{ Worker WorkerID }
	// Park asks for the archive as OrderArchive does, to make room for another
	// worker.
	Park struct{ Worker WorkerID }
	// StopWorker ends a worker at once; nothing it says later counts.
	StopWorker struct{ Worker WorkerID }
)

// Other actions.
type (
	// Dirty: the exported item of the key has changed or gone; see
	// Queues.ExportItem.
	Dirty struct{ Key []byte }
	// Traced is a note for whoever watches, if Spec.Trace or QueuesOptions.Trace
	// asks for it. It is sent once and may be lost.
	Traced struct {
		Key
		To    Address  // the pipe's coordinator
		Tag   string   // see the Trace constants
		N     int      // items
		Items [][]byte // some of them, of what was queued
		Cause string   // of a failure
	}
)

func (*Enqueue) queuesEvent()         {}
func (*SpecKnown) queuesEvent()       {}
func (*SpecGone) queuesEvent()        {}
func (*EOI) queuesEvent()             {}
func (*Destroy) queuesEvent()         {}
func (NextInput) queuesEvent()        {}
func (*Archived) queuesEvent()        {}
func (*WorkerDone) queuesEvent()      {}
func (*WorkerExited) queuesEvent()    {}
func (*WorkerFault) queuesEvent()     {}
func (*WorkerQuiet) queuesEvent()     {}
func (Opened) queuesEvent()           {}
func (FoldReq) queuesEvent()          {}
func (HandoffCancelled) queuesEvent() {}
func (Seal) queuesEvent()             {}
func (NodeGone) queuesEvent()         {}
func (Tick) queuesEvent()             {}

func (*Ack) queuesAction()          {}
func (*Refuse) queuesAction()       {}
func (*SpecRequest) queuesAction()  {}
func (*Done) queuesAction()         {}
func (*Failed) queuesAction()       {}
func (*Destroyed) queuesAction()    {}
func (*StartWorker) queuesAction()  {}
func (*Give) queuesAction()         {}
func (*GiveArchives) queuesAction() {}
func (GiveDone) queuesAction()      {}
func (GiveProbe) queuesAction()     {}
func (OrderArchive) queuesAction()  {}
func (Park) queuesAction()          {}
func (StopWorker) queuesAction()    {}
func (Dirty) queuesAction()         {}
func (Traced) queuesAction()        {}

// QueuesOptions configures a pipe vnode.
type QueuesOptions struct {
	Partition  ring.Partition
	GiveItems  int         // items given to a worker at a time, at least one batch; default 1024
	GiveBytes  int         // and their bytes, so that a handoff never waits long for a boundary and no one for a turn; default 64 KiB
	MaxHeld    int         // bytes of batches held back per fitting beyond the queue's limit, one batch excepted, default 16 MiB
	MaxWorkers int         // that run at a time, default 64; the others take turns
	Trace      bool        // emit Traced for all pipes
	Node       ring.NodeID // the node's name, for Spec.Trace
	LeaseTicks int         // after so many without a word from its coordinator, though asked, a pipe is dropped; default 120
}

// Tags of Traced.
const (
	TraceStart     = "start"      // a worker is started
	TraceRestart   = "restart"    // a worker is started again after it was done or archived
	TraceQueued    = "queued"     // items were taken
	TraceFull      = "queue_full" // items were held back unacknowledged
	TraceUnblock   = "unblocking" // items held back were taken
	TraceDequeue   = "dequeue"    // items were given to the worker
	TraceWaiting   = "waiting"    // the worker waits for items
	TraceLimit     = "limit"      // no worker could be started for now, as many are running
	TraceEOI       = "eoi"        // the end of inputs was announced
	TraceDone      = "done"       // the worker has finished
	TraceArchive   = "archive"    // the worker was archived
	TraceMerge     = "merge"      // archives were given to a running worker
	TraceRetry     = "retry"      // the worker failed at an input, which is tried again
	TraceAside     = "aside"      // the worker failed at an input, which was set aside
	TraceFailed    = "failed"     // the worker failed, and the pipe with it
	TraceDestroyed = "destroyed"  // the pipe was dropped
)

// DefaultLease is QueuesOptions.LeaseTicks.
const DefaultLease = 120

const (
	defaultGiveItems = 1024
	defaultGiveBytes = 64 << 10
	defaultMaxHeld   = 16 << 20
)

// Queues is one pipe vnode: for each pipe and fitting that has input at this
// partition a bounded queue and a worker.
//
// Until FoldReq it is in normal operation; it has no notion of a handoff that
// starts. From FoldReq every live worker is asked for its archive and none is
// started; batches are still taken and acknowledged, and become items to export
// as they come. After Seal nothing changes until HandoffCancelled, or until the
// vnode is thrown away.
//
// Not safe for concurrent use.
type Queues struct {
	opt      QueuesOptions
	epoch    uint64
	open     bool
	moving   bool
	sealed   bool
	instance uint64
	pipes    map[ID]*pipeState
	order    []*pipeState // by first appearance
	imports  map[Key]*imports
	live     int        // workers that have not ended
	parking  int        // of them, about to make room for others
	waiting  []*fitting // for room to start a worker
	out      []QueuesAction
}

// pipeState is what the partition knows of one pipe.
type pipeState struct {
	id          ID
	coordinator Address
	spec        *Spec // nil until known
	fittings    []*fitting
	live        int      // workers that have not ended
	early       []Traced // from before the spec was known
	silent      int      // ticks since the coordinator was heard
}

// NewQueues returns a vnode that serves nothing until Opened.
func NewQueues(opt QueuesOptions) *Queues {
	if opt.GiveItems <= 0 {
		opt.GiveItems = defaultGiveItems
	}
	if opt.GiveBytes <= 0 {
		opt.GiveBytes = defaultGiveBytes
	}
	if opt.LeaseTicks <= 0 {
		opt.LeaseTicks = DefaultLease
	}
	if opt.MaxWorkers <= 0 {
		opt.MaxWorkers = defaultMaxWorkers
	}
	if opt.MaxHeld <= 0 {
		opt.MaxHeld = defaultMaxHeld
	}
	return &Queues{opt: opt, pipes: make(map[ID]*pipeState)}
}

// Empty reports whether the vnode holds nothing of any pipe.
func (q *Queues) Empty() bool { return len(q.pipes) == 0 && len(q.imports) == 0 }

// Step applies one event. The result is valid until the next call.
func (q *Queues) Step(e QueuesEvent) []QueuesAction {
	clear(q.out)
	q.out = q.out[:0]
	if q.sealed {
		if _, ok := e.(HandoffCancelled); ok {
			q.cancelled()
		}
		return q.out
	}
	switch e := e.(type) {
	case *Enqueue:
		q.enqueue(e)
	case NextInput:
		q.nextInput(e)
	case *Archived:
		q.archived(e)
	case *WorkerDone:
		q.workerDone(e)
	case *WorkerExited:
		q.workerExited(e)
	case *WorkerQuiet:
		q.workerQuiet(e)
	case *WorkerFault:
		q.workerFault(e)
	case *SpecKnown:
		q.specKnown(e.Spec)
	case *SpecGone:
		q.drop(e.Pipe)
	case *EOI:
		q.eoi(e)
	case *Destroy:
		q.drop(e.Pipe)
		q.emit(&Destroyed{To: e.ReplyTo, Pipe: e.Pipe, Partition: q.opt.Partition})
	case NodeGone:
		q.nodeGone(e)
	case Tick:
		q.tick()
	case Opened:
		q.opened(e)
	case FoldReq:
		q.foldRequested()
	case HandoffCancelled:
		q.cancelled()
	case Seal:
		q.seal()
	}
	return q.out
}

func (q *Queues) emit(a QueuesAction) { q.out = append(q.out, a) }

// pipe returns the pipe's state; a pipe not yet known is asked for.
func (q *Queues) pipe(id ID, coordinator Address) *pipeState {
	p := q.pipes[id]
	if p == nil {
		p = q.add(id, coordinator)
		q.askSpec(p)
	}
	return p
}

func (q *Queues) add(id ID, coordinator Address) *pipeState {
	p := &pipeState{id: id, coordinator: coordinator}
	q.pipes[id] = p
	q.order = append(q.order, p)
	if q.moving {
		q.emit(Dirty{Key: specKey(id)})
	}
	return p
}

func (q *Queues) askSpec(p *pipeState) {
	q.emit(&SpecRequest{To: p.coordinator, Pipe: p.id, Partition: q.opt.Partition})
}

// find returns the fitting's state, nil if there is none.
func (q *Queues) find(k Key) *fitting {
	if p := q.pipes[k.Pipe]; p != nil && k.Fitting >= 0 && k.Fitting < len(p.fittings) {
		return p.fittings[k.Fitting]
	}
	return nil
}

// fitting returns the fitting's state, made if there is none; nil for a fitting
// that the pipe does not have.
func (p *pipeState) fitting(i int) *fitting {
	if i < 0 || i >= MaxFittings || p.spec != nil && i >= len(p.spec.Fittings) {
		return nil
	}
	for len(p.fittings) <= i {
		p.fittings = append(p.fittings, nil)
	}
	f := p.fittings[i]
	if f == nil {
		f = &fitting{pipe: p, key: Key{Pipe: p.id, Fitting: i}, seen: make(map[Stream]*window)}
		p.fittings[i] = f
	}
	return f
}

// each calls visit for every fitting, in a fixed order.
func (q *Queues) each(visit func(*fitting)) {
	for _, p := range q.order {
		for _, f := range p.fittings {
			if f != nil {
				visit(f)
			}
		}
	}
}

func (q *Queues) specKnown(s *Spec) {
	p := q.pipes[s.ID]
	if p == nil {
		return
	}
	p.silent = 0
	if p.spec != nil {
		return
	}
	p.spec = s
	q.traceLate(p)
	if q.moving {
		q.emit(Dirty{Key: specKey(p.id)})
	}
	for i, f := range p.fittings {
		if f != nil && i < len(s.Fittings) {
			q.feed(f)
		}
	}
}

// drop forgets a pipe and stops its workers.
func (q *Queues) drop(id ID) {
	p := q.pipes[id]
	if p == nil {
		return
	}
	var stopped []*fitting
	for _, f := range p.fittings {
		if f == nil {
			continue
		}
		q.unwait(f)
		if f.worker != nil {
			q.emit(StopWorker{Worker: f.worker.id})
			stopped = append(stopped, f)
		}
		q.trace(f, TraceDestroyed, f.items)
		q.unexport(f)
	}
	if q.moving {
		q.emit(Dirty{Key: specKey(id)})
	}
	delete(q.pipes, id)
	for i, o := range q.order {
		if o == p {
			q.order = append(q.order[:i], q.order[i+1:]...)
			break
		}
	}
	for _, f := range stopped {
		q.ended(f)
	}
}

func (q *Queues) nodeGone(e NodeGone) {
	var gone []ID
	for _, p := range q.order {
		if p.coordinator.Node == e.Node && p.coordinator.Incarnation < e.Incarnation {
			gone = append(gone, p.id)
		}
	}
	for _, id := range gone {
		q.drop(id)
	}
}

// tick repeats what waits for an answer.
func (q *Queues) tick() {
	q.turns()
	var gone []ID
	for _, p := range q.order {
		p.silent++
		if p.silent >= q.opt.LeaseTicks {
			gone = append(gone, p.id)
			continue
		}
		if p.spec == nil || p.silent%max(1, q.opt.LeaseTicks/8) == 0 {
			q.askSpec(p)
		}
		for _, f := range p.fittings {
			if f != nil && f.failed != nil {
				q.emit(f.failed)
			}
		}
	}
	for _, id := range gone {
		q.drop(id)
	}
}

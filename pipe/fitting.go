package pipe

import (
	"errors"
	"slices"
	"strings"
)

// maxCause bounds the text of a failure, in bytes.
const maxCause = 4 << 10

// fitting is one fitting's life at one partition: its queue, what is held back,
// and its worker.
type fitting struct {
	pipe *pipeState
	key  Key

	queue  []Batch // taken and acknowledged
	head   uint64  // number of queue[0] among all batches ever queued
	items  int     // in queue
	in     uint64  // processed, as the worker said last
	out    uint64  // emitted, likewise
	faults uint64
	bytes  int     // in queue
	own    []Batch // what the fitting sent to itself, the newest last: it goes first
	owned  int     // bytes in own

	held      []*Enqueue // beyond the queue's limit, in order of arrival; none while queue is empty
	heldBytes int
	seen      map[Stream]*window

	worker   *worker
	started  bool     // some worker ran before
	waits    bool     // for room to start its worker
	parked   bool     // archives have nothing left to do or to send
	quiet    *Counts  // what the worker that left them said of itself last
	archives [][]byte // of earlier workers, not yet merged, the oldest first
	eoi      *EOI
	done     *result
	failed   *Failed

	exported bool // archives and queue have been named dirty
}

// window is how far one stream has come.
type window struct {
	accepted uint64 // highest in queue or held
	acked    uint64 // highest in queue
}

// worker is a live worker.
type worker struct {
	id      WorkerID
	waiting bool // asked, and there was nothing to give
	ordered bool // told to archive
	parking bool // to make room for another
	stale   bool // has not asked since the last tick
	gives   int  // inputs given so often
}

// result is what a done worker left.
type result struct {
	counts  Counts
	archive []byte
}

func (f *fitting) limits() (items, bytes int) {
	if s := f.pipe.spec; s != nil && f.key.Fitting < len(s.Fittings) {
		return s.Fittings[f.key.Fitting].queueItems(), s.Fittings[f.key.Fitting].queueBytes()
	}
	return DefaultQueueItems, DefaultQueueBytes
}

// fits reports whether the queue takes a batch now. An empty queue takes any.
func (f *fitting) fits(b Batch) bool {
	if len(f.queue) == 0 {
		return true
	}
	items, bytes := f.limits()
	return f.items+b.Len() <= items && f.bytes+b.Size() <= bytes
}

func (f *fitting) push(b Batch) {
	f.queue = append(f.queue, b)
	f.items += b.Len()
	f.bytes += b.Size()
}

// pop takes batches off the queue: at least one, and no more than the limits.
func (f *fitting) pop(maxItems, maxBytes int) []Batch {
	n, items, size := 0, 0, 0
	for n < len(f.queue) && (n == 0 || items+f.queue[n].Len() <= maxItems && size+f.queue[n].Size() <= maxBytes) {
		items += f.queue[n].Len()
		size += f.queue[n].Size()
		n++
	}
	f.bytes -= size
	given := slices.Clone(f.queue[:n])
	f.queue = slices.Delete(f.queue, 0, n)
	f.head += uint64(n)
	f.items -= items
	return given
}

// enqueue takes a batch, holds it back, knows it already, or refuses it.
func (q *Queues) enqueue(e *Enqueue) {
	if !q.open {
		return
	}
	f := q.pipe(e.Pipe, e.Coordinator).fitting(e.Fitting)
	if f == nil || f.failed != nil {
		return
	}
	f.exported = q.moving && f.worker == nil
	w := f.window(e.Stream)
	switch {
	case e.Seq <= w.acked:
		q.ack(f, e, w.acked)
	case e.Seq <= w.accepted:
		f.readdress(e)
	case e.Seq > w.accepted+1:
		q.emit(&Refuse{
			To: e.ReplyTo, Pipe: e.Pipe, Fitting: e.Fitting, Partition: q.opt.Partition,
			Stream: e.Stream, Expected: w.accepted + 1, Round: e.Round,
		})
	case e.Batch.own:
		w.accepted = e.Seq
		q.takeOwn(f, e)
	case len(f.held) == 0 && f.fits(e.Batch):
		w.accepted = e.Seq
		q.take(f, e)
		q.feed(f)
	case len(f.held) == 0 || f.heldBytes+e.Batch.Size() <= q.opt.MaxHeld:
		w.accepted = e.Seq
		f.held = append(f.held, e)
		f.heldBytes += e.Batch.Size()
		q.trace(f, TraceFull, e.Batch.Len())
	}
}

// window returns how far a stream has come, a new one if it is not known yet.
func (f *fitting) window(s Stream) *window {
	w := f.seen[s]
	if w == nil {
		w = new(window)
		f.seen[s] = w
	}
	return w
}

// readdress notes where a held batch's sender is now.
func (f *fitting) readdress(e *Enqueue) {
	for i, h := range f.held {
		if h.Stream == e.Stream && h.Seq == e.Seq {
			f.held[i] = e
		}
	}
}

// take queues a batch and acknowledges it.
func (q *Queues) take(f *fitting, e *Enqueue) {
	w := f.seen[e.Stream]
	w.acked = e.Seq
	f.push(e.Batch)
	if f.exported {
		q.emit(Dirty{Key: queueKey(f.key, f.head+uint64(len(f.queue))-1)})
	}
	q.traceBatch(f, TraceQueued, e.Batch)
	q.ack(f, e, e.Seq)
}

// takeOwn takes what the fitting sent to itself: never held back, so that full
// queues do not wait for one another.
func (q *Queues) takeOwn(f *fitting, e *Enqueue) {
	f.seen[e.Stream].acked = e.Seq
	f.own = append(f.own, e.Batch)
	f.owned += e.Batch.Size()
	if f.exported {
		q.emit(Dirty{Key: itemKey(f.key, itemOwn, uint64(len(f.own)-1))})
	}
	q.traceBatch(f, TraceQueued, e.Batch)
	q.ack(f, e, e.Seq)
	if f.owned > maxOwn {
		q.fail(f, nil, ErrRecursion)
		return
	}
	q.feed(f)
}

// popOwn takes the newest batch that the fitting sent to itself.
func (f *fitting) popOwn() Batch {
	last := len(f.own) - 1
	b := f.own[last]
	f.own[last] = Batch{}
	f.own = f.own[:last]
	f.owned -= b.Size()
	return b
}

// pending reports whether there is anything for a worker but the end.
func (f *fitting) pending() bool {
	return len(f.queue) > 0 || len(f.own) > 0 || len(f.archives) > 0
}

func (q *Queues) ack(f *fitting, e *Enqueue, seq uint64) {
	q.emit(&Ack{
		To: e.ReplyTo, Pipe: e.Pipe, Fitting: f.key.Fitting, Partition: q.opt.Partition,
		Stream: e.Stream, Seq: seq,
	})
}

// unblock moves held batches to the queue, as far as they fit.
func (q *Queues) unblock(f *fitting) {
	n := 0
	for n < len(f.held) && f.fits(f.held[n].Batch) {
		e := f.held[n]
		n++
		f.heldBytes -= e.Batch.Size()
		q.trace(f, TraceUnblock, e.Batch.Len())
		q.take(f, e)
	}
	f.held = slices.Delete(f.held, 0, n)
}

// feed brings a fitting's worker and what there is for it together.
func (q *Queues) feed(f *fitting) {
	switch {
	case f.failed != nil || q.moving || !q.open:
	case f.pipe.spec == nil || f.key.Fitting >= len(f.pipe.spec.Fittings):
	case f.worker == nil:
		if f.needsWorker() {
			q.admit(f)
		}
	case f.worker.waiting:
		q.answer(f)
	}
}

func (f *fitting) needsWorker() bool {
	return len(f.queue) > 0 || len(f.own) > 0 || len(f.archives) > 0 && !f.parked ||
		f.eoi != nil && f.done == nil && !f.wasQuiet()
}

// wasQuiet reports whether a probe is answered by what a parked worker said.
func (f *fitting) wasQuiet() bool {
	return f.eoi.Probe && f.parked && f.quiet != nil && len(f.queue) == 0 && len(f.own) == 0
}

// start starts a worker from all that earlier ones left.
func (q *Queues) start(f *fitting) {
	if f.done != nil {
		f.archives = append([][]byte{f.done.archive}, f.archives...)
		f.done = nil
	}
	q.instance++
	f.worker = &worker{id: WorkerID{Key: f.key, Instance: q.instance}}
	q.live++
	f.pipe.live++
	f.parked, f.quiet = false, nil
	q.emit(&StartWorker{
		Worker: f.worker.id, Spec: f.pipe.spec, Partition: q.opt.Partition,
		Attempt: uint32(q.epoch), Archives: f.archives,
	})
	f.archives = nil
	tag := TraceStart
	if f.started {
		tag = TraceRestart
	}
	f.started = true
	q.trace(f, tag, f.items)
}

// answer gives a worker that asks for input the first of: archives to merge,
// inputs, the end. It waits when there is nothing.
func (q *Queues) answer(f *fitting) {
	f.worker.waiting, f.worker.stale = false, false
	f.worker.gives++
	switch {
	case len(f.archives) > 0:
		q.trace(f, TraceMerge, len(f.archives))
		q.emit(&GiveArchives{Worker: f.worker.id, Archives: f.archives})
		f.archives = nil
	case len(f.own) > 0:
		f.quiet = nil
		b := f.popOwn()
		q.trace(f, TraceDequeue, b.Len())
		q.emit(&Give{Worker: f.worker.id, Batches: []Batch{b}})
	case len(f.queue) > 0:
		f.quiet = nil
		before := f.items
		given := f.pop(q.opt.GiveItems, q.opt.GiveBytes)
		q.trace(f, TraceDequeue, before-f.items)
		q.emit(&Give{Worker: f.worker.id, Batches: given})
		q.unblock(f)
	case f.eoi != nil && f.eoi.Probe:
		f.worker.waiting = true
		q.emit(GiveProbe{Worker: f.worker.id})
	case f.eoi != nil:
		q.emit(GiveDone{Worker: f.worker.id})
	default:
		f.worker.waiting = true
		q.trace(f, TraceWaiting, 0)
		if !q.answered() {
			q.emit(GiveProbe{Worker: f.worker.id})
		}
	}
}

// running returns the fitting whose live worker w is, nil if w has ended or was
// stopped.
func (q *Queues) running(w WorkerID) *fitting {
	f := q.find(w.Key)
	if f == nil || f.worker == nil || f.worker.id != w {
		return nil
	}
	return f
}

func (q *Queues) nextInput(e NextInput) {
	f := q.running(e.Worker)
	if f == nil {
		return
	}
	f.in, f.out = e.In, e.Out
	if !f.worker.ordered && !q.turnOver(f, e.Settled) {
		q.answer(f)
	}
}

func (q *Queues) ended(f *fitting) {
	if f.worker.parking {
		q.parking--
	}
	f.worker = nil
	q.live--
	f.pipe.live--
	q.promote()
}

// archived takes a worker's archive. Out of a handoff, when it was cancelled
// meanwhile, the worker goes on from it at once.
func (q *Queues) archived(e *Archived) {
	f := q.running(e.Worker)
	if f == nil {
		return
	}
	f.parked = e.Quiet && f.worker.parking && len(f.archives) == 0
	f.archives = append(f.archives, e.Archive)
	q.ended(f)
	q.trace(f, TraceArchive, len(e.Archive))
	q.settle(f)
}

// settle does what follows the end of a worker: the next one starts, or what
// there is is exported.
func (q *Queues) settle(f *fitting) {
	if q.moving {
		q.export(f)
	} else {
		q.feed(f)
	}
}

func (q *Queues) workerDone(e *WorkerDone) {
	f := q.running(e.Worker)
	if f == nil {
		return
	}
	q.ended(f)
	f.done = &result{counts: e.Counts, archive: e.Archive}
	q.trace(f, TraceDone, int(e.Counts.In))
	if !f.pending() {
		q.reportDone(f)
	}
	q.settle(f)
}

func (q *Queues) reportDone(f *fitting) {
	if f.eoi != nil {
		q.emit(&Done{
			To: f.eoi.Coordinator, Pipe: f.key.Pipe, Fitting: f.key.Fitting,
			Partition: q.opt.Partition, Counts: f.done.counts,
		})
	}
}

// workerQuiet tells the coordinator that a probed fitting had nothing to do.
// A worker that was given something meanwhile spoke of the time before.
func (q *Queues) workerQuiet(e *WorkerQuiet) {
	f := q.running(e.Worker)
	if f == nil || !f.worker.waiting || f.pending() || f.worker.ordered {
		return
	}
	f.quiet = &e.Counts
	if f.eoi != nil && f.eoi.Probe {
		q.reportQuiet(f)
	}
	if !q.answered() {
		q.park(f)
	}
}

func (q *Queues) reportQuiet(f *fitting) {
	q.emit(&Done{
		To: f.eoi.Coordinator, Pipe: f.key.Pipe, Fitting: f.key.Fitting,
		Partition: q.opt.Partition, Probe: true, Counts: *f.quiet,
	})
}

func (q *Queues) workerFault(e *WorkerFault) {
	if f := q.running(e.Worker); f != nil {
		tag := TraceRetry
		if e.Aside {
			tag = TraceAside
		}
		f.faults++
		if q.traced(f) {
			q.note(f, Traced{Tag: tag, N: 1, Items: [][]byte{e.Err.Input}, Cause: reportable(e.Err.Cause)})
		}
	}
}

func (q *Queues) workerExited(e *WorkerExited) {
	f := q.running(e.Worker)
	if f == nil {
		return
	}
	cause := errors.New("worker ended without a reason")
	var input []byte
	if e.Err != nil {
		input = e.Err.Input
		if e.Err.Cause != nil {
			cause = e.Err.Cause
		}
	}
	q.ended(f)
	q.fail(f, input, cause)
}

// fail gives a fitting up, and so the pipe.
func (q *Queues) fail(f *fitting, input []byte, cause error) {
	q.unwait(f)
	if f.worker != nil {
		q.emit(StopWorker{Worker: f.worker.id})
		q.ended(f)
	}
	q.unexport(f)
	f.failed = &Failed{
		To: f.pipe.coordinator, Pipe: f.key.Pipe, Fitting: f.key.Fitting,
		Partition: q.opt.Partition, Input: input, Cause: reportable(cause),
	}
	// The pipe will be destroyed; nothing here is processed any more.
	f.queue, f.items, f.bytes, f.held, f.heldBytes, f.archives = nil, 0, 0, nil, 0, nil
	f.own, f.owned = nil, 0
	if q.traced(f) {
		q.note(f, Traced{Tag: TraceFailed, Items: [][]byte{input}, Cause: f.failed.Cause})
	}
	q.emit(f.failed)
}

// reportable is an error's text in a form that can travel: user code may panic
// with anything.
func reportable(cause error) string {
	text := cause.Error()
	return strings.ToValidUTF8(text[:min(len(text), maxCause)], "\uFFFD")
}

// eoi notes that no more inputs will come and finishes as soon as the queue is
// empty.
func (q *Queues) eoi(e *EOI) {
	if !q.open {
		return
	}
	if q.find(Key{Pipe: e.Pipe, Fitting: e.Fitting}) == nil && !e.RunEmpty {
		q.emit(&Done{To: e.Coordinator, Pipe: e.Pipe, Fitting: e.Fitting, Partition: q.opt.Partition, Probe: e.Probe})
		return
	}
	f := q.pipe(e.Pipe, e.Coordinator).fitting(e.Fitting)
	switch {
	case f == nil:
	case f.failed != nil:
		q.emit(f.failed)
	case f.done != nil && !f.pending():
		f.eoi = e
		q.reportDone(f)
	default:
		if f.eoi == nil {
			q.trace(f, TraceEOI, f.items)
		}
		f.exported = q.moving && f.worker == nil
		if f.eoi == nil || f.eoi.Probe {
			f.eoi = e // a probe that comes late takes nothing back
		}
		if f.worker == nil && f.wasQuiet() {
			q.reportQuiet(f)
		}
		q.feed(f)
	}
}

package pipe

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/dee2748c/baton/cluster/ring"
)

// RunnerEvent is what happened to a worker: *Give, *GiveArchives, GiveProbe,
// GiveDone, OrderArchive, Park from its vnode; *Ack, *Refuse, Retry, Tick for its outputs.
type RunnerEvent interface{ runnerEvent() }

// RunnerAction is what the shell of a worker must do: tell its vnode NextInput,
// *WorkerFault, *WorkerQuiet, *Archived, *WorkerDone, *WorkerExited; send Transmit. After one of Archived,
// WorkerDone and WorkerExited the worker has ended.
type RunnerAction interface{ runnerAction() }

func (*Give) runnerEvent()         {}
func (*GiveArchives) runnerEvent() {}
func (GiveDone) runnerEvent()      {}
func (GiveProbe) runnerEvent()     {}
func (OrderArchive) runnerEvent()  {}
func (Park) runnerEvent()          {}
func (*Ack) runnerEvent()          {}
func (*Refuse) runnerEvent()       {}
func (Retry) runnerEvent()         {}
func (Tick) runnerEvent()          {}

func (NextInput) runnerAction()     {}
func (*Archived) runnerAction()     {}
func (*WorkerDone) runnerAction()   {}
func (*WorkerExited) runnerAction() {}
func (*WorkerFault) runnerAction()  {}
func (*WorkerQuiet) runnerAction()  {}
func (Transmit) runnerAction()      {}

// RunnerOptions configures a worker's outbox.
type RunnerOptions struct {
	ReplyTo  Address // zero: the vnode of the worker's partition
	Window   int     // see OutboxOptions
	MaxBytes int     // see OutboxOptions
	// Context is given to the worker; default: one that does not end.
	Context context.Context
}

// PanicError is what a worker panicked with.
type PanicError struct {
	Value any
	Stack []byte
}

// Error returns the panic's value.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

type phase uint8

const (
	working   phase = iota // takes inputs
	finishing              // Done was called; outputs are not all acknowledged
	ended                  // nothing more will happen
)

// Runner runs one worker:
//
//	ask --Give--> process item by item, waiting when the outbox is full --> ask
//	ask --GiveArchives--> merge --> ask
//	ask --GiveDone--> Done --> wait until all outputs are acknowledged --> WorkerDone
//	any --OrderArchive--> Archived, at the next boundary between items
//
// Step calls the worker's code. Not safe for concurrent use.
type Runner struct {
	id      WorkerID
	context WorkerContext
	opt     OutboxOptions
	reg     *Registry
	factory Factory
	worker  Worker
	phase   phase
	asked   bool
	in      uint64
	outs    []*Outbox // [0] takes what is emitted; the others came in archives and drain
	todo    []Batch
	cursor  Cursor
	nval    int
	tried   int     // partitions that had the input in hand before
	own     *Outbox // to the worker's own fitting, if it was ever used
	scratch []byte
	probed  bool   // asked to say when there is nothing to do
	ending  bool   // Done is being called
	before  Cursor // before the item in hand
	input   []byte // in hand
	tries   int    // failures at it
	bad     error  // of the first output that could not be sent
	memory  memory
	aside   uint64
	letters []Letter
	out     []RunnerAction
}

// NewRunner starts a worker. The actions are NextInput and what an archive had
// left to send, or WorkerExited when the start failed.
func NewRunner(start *StartWorker, reg *Registry, opt RunnerOptions) (*Runner, []RunnerAction) {
	f := start.Spec.Fittings[start.Worker.Fitting]
	if opt.Context == nil {
		opt.Context = context.Background()
	}
	r := &Runner{
		id: start.Worker, reg: reg,
		context: WorkerContext{
			Pipe: start.Worker.Pipe, Fitting: start.Worker.Fitting, Name: f.Name, Arg: f.Arg,
			Partition: start.Partition, RingSize: start.Spec.RingSize, Context: opt.Context,
		},
		opt: OutboxOptions{
			Spec:      start.Spec,
			Stream:    Stream{Fitting: start.Worker.Fitting, From: uint64(start.Partition), Attempt: start.Attempt},
			Partition: start.Partition, ReplyTo: opt.ReplyTo, Window: opt.Window, MaxBytes: opt.MaxBytes,
		},
	}
	r.nval = max(1, f.NVal)
	if err := r.start(f.Worker, start.Archives); err != nil {
		r.fail(err)
	} else {
		r.work()
	}
	return r, r.out
}

// Ended reports whether the worker has ended.
func (r *Runner) Ended() bool { return r.phase == ended }

// Counts returns what the worker has done so far, its earlier runs included.
func (r *Runner) Counts() Counts {
	c := Counts{In: r.in, Aside: r.aside, Letters: r.letters}
	for _, o := range r.outs {
		if o.opt.Own {
			c.Own = mergeSent(c.Own, o.Sent())
		} else {
			c.Sent = mergeSent(c.Sent, o.Sent())
		}
	}
	return c
}

// mergeSent adds up two ordered lists.
func mergeSent(a, b []Sent) []Sent {
	if len(a) == 0 {
		return b
	}
	var all []Sent
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].Partition < b[0].Partition:
			all, a = append(all, a[0]), a[1:]
		case a[0].Partition > b[0].Partition:
			all, b = append(all, b[0]), b[1:]
		default:
			all = append(all, Sent{Partition: a[0].Partition, Items: a[0].Items + b[0].Items})
			a, b = a[1:], b[1:]
		}
	}
	return append(append(all, a...), b...)
}

func (r *Runner) start(name string, archives [][]byte) error {
	var ok bool
	if r.factory, ok = r.reg.Worker(name); !ok {
		return fmt.Errorf("%q: %w", name, ErrUnknownWorker)
	}
	if err := r.init(); err != nil {
		return err
	}
	_, r.memory.kept = r.worker.(Archiver)
	if err := r.merge(archives); err != nil {
		return err
	}
	if len(r.outs) == 0 {
		o, err := NewOutbox(r.opt, r.reg)
		if err != nil {
			return err
		}
		r.outs = []*Outbox{o}
	}
	return nil
}

// guard calls the worker's code and turns a panic into an error.
func (r *Runner) guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	if err := f(); err != nil {
		return err
	}
	return r.bad
}

// Step applies one event. The result is valid until the next call.
func (r *Runner) Step(e RunnerEvent) []RunnerAction {
	if r.phase == ended {
		return nil
	}
	clear(r.out)
	r.out = r.out[:0]
	var err error
	switch e := e.(type) {
	case *Give:
		r.asked = false
		r.todo = append(r.todo, e.Batches...)
	case *GiveArchives:
		r.asked = false
		err = r.merge(e.Archives)
	case GiveDone:
		r.asked = false
		err = r.finish()
	case GiveProbe:
		r.probed = true
	case OrderArchive, Park:
		if err = r.archive(); err == nil {
			return r.out
		}
	case *Ack:
		err = r.deliver(e)
	case *Refuse:
		err = r.deliver(e)
	case Retry:
		err = r.deliver(e)
	case Tick:
		err = r.deliver(e)
	}
	if err != nil {
		r.fail(err)
	} else {
		r.work()
	}
	return r.out
}

// deliver gives an event to the outboxes; it concerns the one whose stream it
// names.
func (r *Runner) deliver(e OutboxEvent) error {
	for _, o := range r.outs {
		if err := r.send(o.Step(e)); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) send(actions []OutboxAction) error {
	for _, a := range actions {
		switch a := a.(type) {
		case Transmit:
			r.out = append(r.out, a)
		case Lost:
			return fmt.Errorf("send to partition %d: %w", a.Partition, ErrLost)
		}
	}
	return nil
}

// work goes on until something has to be waited for.
func (r *Runner) work() {
	for len(r.todo) > 0 || r.cursor.left > 0 {
		if r.blocked() {
			break
		}
		if err := r.process(); err != nil {
			r.fail(err)
			return
		}
	}
	for _, o := range r.outs {
		if err := r.send(o.Flush()); err != nil {
			r.fail(err)
			return
		}
	}
	switch {
	case r.phase == finishing && r.idle():
		done := &WorkerDone{Worker: r.id, Counts: r.Counts(), Archive: r.encode(nil, false)}
		r.phase = ended
		r.out = append(r.out, done)
	case r.phase == working && !r.asked && r.cursor.left == 0 && len(r.todo) == 0 && !r.blocked():
		r.asked = true
		r.out = append(r.out, NextInput{Worker: r.id, Settled: r.idle(), In: r.in, Out: r.emitted()})
	default:
		r.quiet()
	}
}

// emitted counts the items of all outboxes.
func (r *Runner) emitted() uint64 {
	var n uint64
	for _, o := range r.outs {
		n += o.items
	}
	return n
}

func (r *Runner) idle() bool {
	for _, o := range r.outs {
		if !o.Idle() {
			return false
		}
	}
	return true
}

// process takes inputs until the outbox is full or a batch is used up.
func (r *Runner) process() error {
	if r.cursor.left == 0 {
		b := r.todo[0]
		r.todo = r.todo[1:]
		if bw := r.batchwise(b.own); bw != nil {
			r.begin()
			err := r.guard(func() error { return bw.ProcessBatch(b, output{r}) })
			if err == nil {
				r.in += uint64(b.Len())
				return r.processed(b)
			}
			r.memory.since = Cursor{}
			if err = r.failed(err, false); err != nil {
				return err
			}
			// Item by item tells which it is.
		}
		r.cursor = b.Cursor()
		r.memory.since = r.cursor
	}
	for {
		err := r.guard(r.processItems)
		if err == nil {
			break
		}
		if err = r.retry(err); err != nil {
			return err
		}
	}
	r.input = nil
	if r.cursor.left > 0 {
		return nil
	}
	return r.processed(r.memory.since.until(r.cursor))
}

func (r *Runner) processItems() error {
	out := output{r}
	for !r.blocked() {
		r.before = r.cursor
		item, ok := r.next(&r.cursor)
		if !ok {
			return nil
		}
		r.input = item
		r.begin()
		if err := r.call(item, out); err != nil {
			return err
		}
		if r.bad != nil {
			return r.bad
		}
		r.in++
		r.tries = 0
	}
	return nil
}

// call gives the worker one input, and hands it on if the worker says so.
func (r *Runner) call(item []byte, out output) error {
	err := r.worker.Process(item, out)
	if err != nil && errors.Is(err, ErrForward) {
		return r.forward(item)
	}
	return err
}

func (r *Runner) fail(cause error) {
	r.phase = ended
	r.out = append(r.out, &WorkerExited{Worker: r.id, Err: r.workerError(cause)})
}

func (r *Runner) workerError(cause error) *WorkerError {
	err := &WorkerError{Pipe: r.id.Pipe, Fitting: r.context.Name, Partition: r.context.Partition, Cause: cause}
	if r.input != nil {
		err.Input = append([]byte(nil), r.input[:min(len(r.input), MaxErrorInput)]...)
	}
	return err
}

// output is what the worker's code emits through.
type output struct{ r *Runner }

func (o output) Emit(item []byte) {
	if !o.r.repeated(item, seedEmit) {
		o.note(o.r.outs[0].Emit(item))
	}
}

func (o output) EmitTo(p ring.Partition, item []byte) {
	if !o.r.repeated(item, seedTo(p)) {
		o.note(o.r.outs[0].EmitTo(p, item))
	}
}

func (o output) note(err error) {
	if err != nil && o.r.bad == nil {
		o.r.bad = err
	}
}

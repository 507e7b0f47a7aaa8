package pipe

import (
	"errors"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
)

// What workers send to their own fitting goes by an outbox of its own, whose
// items begin with one byte: how many partitions of the item's preference list
// have had it before.

// maxOwn bounds what one partition holds of inputs that a fitting sent to
// itself, in bytes.
const maxOwn = 256 << 20

const initTries = 3 // before a worker counts as one that can't be started

const seedOwn = 1 << 33 // see outputs.add

// forwarder stands in for a worker that can't be started.
type forwarder struct{ cause error }

func (forwarder) Process([]byte, Output) error { return ErrForward }
func (forwarder) Done(Output) error            { return nil }

// init makes a worker, or what hands its inputs on when it can't be started.
func (r *Runner) init() error {
	var err error
	for range initTries {
		err = r.guard(func() (err error) {
			r.worker, err = r.factory.Init(r.context)
			if err == nil && r.worker == nil {
				err = errors.New("factory returned no worker")
			}
			return err
		})
		if err == nil {
			return nil
		}
	}
	if r.nval == 1 || r.memory.kept {
		return err
	}
	r.worker = forwarder{err}
	return nil
}

// batchwise returns the worker if it takes the batch as a whole: an input that
// may have been tried elsewhere, or may have to be, comes alone.
func (r *Runner) batchwise(own bool) BatchWorker {
	if own || r.nval > 1 {
		return nil
	}
	bw, _ := r.worker.(BatchWorker)
	return bw
}

// next takes the next item of the cursor in hand.
func (r *Runner) next(c *Cursor) (item []byte, ok bool) {
	item, ok = c.Next()
	r.tried = 0
	if c.own && len(item) > 0 {
		r.tried, item = int(item[0]), item[1:]
	}
	return item, ok
}

// forward hands an input on to the next partition of its preference list; of
// what the worker did for it nothing is sent.
func (r *Runner) forward(item []byte) error {
	if r.tried+1 >= r.nval {
		if f, ok := r.worker.(forwarder); ok {
			return fmt.Errorf("%w: %w", ErrPreflist, f.cause)
		}
		return ErrPreflist
	}
	if !r.memory.again {
		r.undo()
	}
	next := ring.Partition((int(r.context.Partition) + 1) % r.context.RingSize)
	if r.repeated(item, seedOwn) {
		return nil
	}
	o, err := r.ownOutbox()
	if err != nil {
		return err
	}
	r.scratch = append(append(r.scratch[:0], byte(r.tried+1)), item...)
	return o.emit(next, r.scratch)
}

// Recurse sends an item to the worker's own fitting.
func (o output) Recurse(item []byte) {
	r := o.r
	if !r.opt.Spec.Fittings[r.id.Fitting].Recursive || r.phase != working || r.ending {
		o.note(fmt.Errorf("recurse: %w", ErrRoute))
		return
	}
	if r.repeated(item, seedOwn) {
		return
	}
	box, err := r.ownOutbox()
	if err == nil {
		var p ring.Partition
		if p, err = box.destination(item); err == nil {
			r.scratch = append(append(r.scratch[:0], 0), item...)
			err = box.emit(p, r.scratch)
		}
	}
	o.note(err)
}

// Last reports whether no other partition may be tried for the input in hand.
func (o output) Last() bool { return o.r.tried+1 >= o.r.nval }

// ownOutbox returns the outbox to the worker's own fitting.
func (r *Runner) ownOutbox() (*Outbox, error) {
	if r.own != nil {
		return r.own, nil
	}
	opt := r.opt
	opt.Own = true
	o, err := NewOutbox(opt, r.reg)
	if err != nil {
		return nil, err
	}
	o.Mark()
	r.own = o
	r.outs = append(r.outs, o)
	return o, nil
}

// blocked reports whether the worker has to wait for acknowledgements.
func (r *Runner) blocked() bool {
	return r.outs[0].Blocked() || r.own != nil && r.own.Blocked()
}

// undo takes back what the call under way has emitted.
func (r *Runner) undo() {
	r.outs[0].Undo()
	if r.own != nil {
		r.own.Undo()
	}
	r.memory.sum = r.memory.mark
}

// quiet answers a probe once there is nothing to do and every output is
// acknowledged.
func (r *Runner) quiet() {
	if r.probed && r.asked && r.idle() {
		r.probed = false
		r.out = append(r.out, &WorkerQuiet{Worker: r.id, Counts: r.Counts()})
	}
}

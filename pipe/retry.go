package pipe

import (
	"errors"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/dee2748c/baton/cluster/ring"
)

const (
	retries   = 1         // of an input at which a worker failed
	keepSize  = 256 << 10 // bytes of inputs after which a state is archived anew, at least
	keepTimes = 8         // and times the last archive
	failState = 64 << 10  // the largest state that is kept for a pipe that ends at its first bad input
)

// WorkerFault is a note for whoever watches: a worker failed at an input, which
// is tried again or was set aside.
type WorkerFault struct {
	Worker WorkerID
	Aside  bool
	Err    *WorkerError
}

// memory is what a worker with a state can be made anew from: a state that it
// once had, the inputs since, and what it emitted for them.
type memory struct {
	kept  bool
	base  [][]byte
	log   []Batch
	since Cursor // of the batch in hand, where its part of the log begins
	bytes int    // of log
	sum   outputs
	mark  outputs // sum before the call under way
	again bool    // the inputs are being repeated
}

// outputs tells apart what a worker emitted, in whatever order.
type outputs struct{ items, sum uint64 }

func (o *outputs) add(item []byte, seed uint64) {
	o.items++
	o.sum += xxh3.HashSeed(item, seed)
}

// Seeds of outputs.add.
const seedEmit = 1 << 32

func seedTo(p ring.Partition) uint64 { return uint64(p) }

func (m *memory) baseBytes() int {
	n := 0
	for _, b := range m.base {
		n += len(b)
	}
	return n
}

func (m *memory) push(b Batch) {
	if b.Len() > 0 {
		m.log = append(m.log, b)
		m.bytes += b.Size()
	}
}

// forgo keeps nothing any more: the first failure of the worker is its last.
func (m *memory) forgo() { *m = memory{} }

// repeated counts an output of a worker with a state and reports whether it has
// left before.
func (r *Runner) repeated(item []byte, seed uint64) bool {
	m := &r.memory
	if m.kept {
		m.sum.add(item, seed)
	}
	return m.again
}

// restored notes that a state was merged into the worker's.
func (r *Runner) restored(state []byte) {
	if !r.memory.kept {
		return
	}
	r.memory.base = append(r.memory.base, state)
	if r.tooLarge(r.memory.baseBytes()) {
		r.memory.forgo()
	}
}

func (r *Runner) tooLarge(state int) bool {
	return r.opt.Spec.OnFailure == FailPipe && state > failState
}

// processed notes that a batch is used up.
func (r *Runner) processed(b Batch) error {
	m := &r.memory
	if !m.kept {
		return nil
	}
	m.push(b)
	m.since = Cursor{}
	if m.bytes < keepSize || m.bytes < keepTimes*m.baseBytes() {
		return nil
	}
	return r.checkpoint()
}

// checkpoint takes the worker's state as what it is made anew from.
func (r *Runner) checkpoint() error {
	var state []byte
	err := r.guard(func() (err error) {
		state, err = r.worker.(Archiver).Archive()
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("archive: %w", err)
	case r.tooLarge(len(state)):
		r.memory.forgo()
	default:
		r.memory = memory{kept: true, base: [][]byte{state}, since: r.cursor}
	}
	return nil
}

// begin sets the mark to which a failed call goes back.
func (r *Runner) begin() {
	r.outs[0].Mark()
	if r.own != nil {
		r.own.Mark()
	}
	r.memory.mark = r.memory.sum
}

// failed takes back the call under way and makes a new worker with the state
// from before it. It returns the cause when there is nothing to go on with.
func (r *Runner) failed(cause error, last bool) error {
	if _, state := r.worker.(Archiver); state && !r.memory.kept || last && r.opt.Spec.OnFailure == FailPipe {
		return cause
	}
	r.out = append(r.out, &WorkerFault{Worker: r.id, Aside: last, Err: r.workerError(cause)})
	r.undo()
	r.bad = nil
	if err := r.revive(); err != nil {
		return errors.Join(cause, err)
	}
	return nil
}

// revive makes a new worker with the state of the last input that is done.
func (r *Runner) revive() error {
	if err := r.init(); err != nil {
		return fmt.Errorf("start again: %w", err)
	}
	m := &r.memory
	if !m.kept {
		return nil
	}
	want := m.sum
	m.sum, m.again = outputs{}, true
	err := r.guard(r.repeat)
	m.again = false
	switch {
	case err != nil:
		return fmt.Errorf("repeat inputs: %w", err)
	case m.sum != want:
		return ErrReplay
	case m.bytes > 0 || m.since.left != r.cursor.left:
		return r.checkpoint()
	}
	return nil
}

// repeat restores what the worker began from and gives it the inputs since.
func (r *Runner) repeat() error {
	for _, state := range r.memory.base {
		if err := r.worker.(Archiver).Restore(state); err != nil {
			return err
		}
	}
	out := output{r}
	for _, b := range r.memory.log {
		var err error
		if bw := r.batchwise(b.own); bw != nil {
			err = bw.ProcessBatch(b, out)
		} else {
			err = r.repeatItems(b.Cursor(), 0, out)
		}
		if err != nil {
			return err
		}
	}
	return r.repeatItems(r.memory.since, r.cursor.left, out)
}

func (r *Runner) repeatItems(c Cursor, left int, out output) error {
	for c.left > left {
		item, _ := r.next(&c)
		if err := r.call(item, out); err != nil {
			return err
		}
	}
	return nil
}

// retry goes back to the item in hand after a failure: to try it once more, or
// to set it aside.
func (r *Runner) retry(cause error) error {
	r.cursor = r.before
	r.tries++
	last := r.tries > retries
	if err := r.failed(cause, last); err != nil || !last {
		return err
	}
	item, _ := r.next(&r.cursor)
	r.tries = 0
	r.setAside(item, cause)
	r.memory.since = r.cursor
	return nil
}

// finish calls Done, once more if it fails.
func (r *Runner) finish() error {
	r.ending = true
	for try := 0; ; try++ {
		r.begin()
		err := r.guard(func() error { return r.worker.Done(output{r}) })
		if err == nil {
			r.phase = finishing
			r.memory.forgo()
			return nil
		}
		if try == retries {
			return err
		}
		if err := r.failed(err, false); err != nil {
			return err
		}
	}
}

// until returns the items from c to end, a later cursor of the same batch.
func (c Cursor) until(end Cursor) Batch {
	return Batch{count: c.left - end.left, own: c.own, buf: c.rest[:len(c.rest)-len(end.rest)]}
}

package pipe

import (
	"encoding/binary"
	"fmt"
)

const archiveVersion = 1

// A worker's archive is everything that its successor goes on from: counts, the
// state of the worker's code, inputs given and not yet processed, outputs not
// yet acknowledged. What a done worker leaves is the same without the last
// three: its sequences and counts.

// archive ends the worker and gives its archive to the vnode.
func (r *Runner) archive() error {
	r.input = nil
	var state []byte
	a, ok := r.worker.(Archiver)
	if ok = ok && r.phase == working; ok {
		err := r.guard(func() (err error) {
			state, err = a.Archive()
			return err
		})
		if err != nil {
			return fmt.Errorf("archive: %w", err)
		}
	}
	all := r.encode(state, ok)
	quiet := r.phase == working && r.idle() && r.cursor.left == 0 && len(r.todo) == 0
	r.phase = ended
	r.out = append(r.out, &Archived{Worker: r.id, Archive: all, Quiet: quiet})
	return nil
}

func (r *Runner) encode(state []byte, has bool) []byte {
	b := []byte{archiveVersion}
	b = appendBool(b, r.phase == finishing && !r.idle())
	b = binary.AppendUvarint(b, r.in)
	b = appendAside(b, r.aside, r.letters)
	b = appendBool(b, has)
	b = appendBytes(b, state)
	inputs := r.todo
	if r.cursor.left > 0 {
		inputs = append([]Batch{r.cursor.Rest()}, inputs...)
	}
	b = binary.AppendUvarint(b, uint64(len(inputs)))
	for _, in := range inputs {
		b = appendBatch(b, in)
	}
	b = binary.AppendUvarint(b, uint64(len(r.outs)))
	for _, o := range r.outs {
		outbox, _ := o.AppendBinary(nil) // has no error
		b = appendBytes(b, outbox)
	}
	return b
}

// merge takes archives, the oldest first, into the present state. Finishing goes on only when
// nothing else is there: a worker that has more to do finishes again later.
func (r *Runner) merge(archives [][]byte) error {
	allFinishing := len(archives) > 0 && len(r.outs) == 0
	for _, a := range archives {
		finishing, err := r.mergeOne(a)
		if err != nil {
			return fmt.Errorf("restore archive of %d bytes: %w", len(a), err)
		}
		allFinishing = allFinishing && finishing
	}
	if allFinishing {
		r.phase = finishing
	}
	if len(r.memory.log) > 0 && len(archives) > 0 {
		return r.checkpoint() // what was restored came after the inputs
	}
	return nil
}

func (r *Runner) mergeOne(data []byte) (finishing bool, err error) {
	rd := reader{b: data}
	rd.version(archiveVersion)
	finishing = rd.bool()
	in := rd.uvarint()
	aside, letters := rd.aside()
	has, state := rd.bool(), rd.bytes()
	var inputs []Batch
	for n := rd.count(); n > 0 && rd.err == nil; n-- {
		inputs = append(inputs, rd.batch())
	}
	var outs []*Outbox
	for n := rd.count(); n > 0 && rd.err == nil; n-- {
		data := rd.bytes()
		if rd.err != nil {
			break
		}
		o, err := RestoreOutbox(r.opt, r.reg, data)
		if err != nil {
			return false, err
		}
		outs = append(outs, o)
	}
	if err := rd.end(); err != nil {
		return false, err
	}
	for _, o := range outs {
		for _, mine := range r.outs {
			if mine.Stream() == o.Stream() && mine.opt.Own == o.opt.Own {
				return false, fmt.Errorf("stream %v: %w", o.Stream(), ErrConflict)
			}
		}
		r.outs = append(r.outs, o)
		if o.opt.Own && r.own == nil {
			r.own = o
		}
	}
	r.in += in
	r.aside += aside
	r.letters = append(r.letters, letters...)
	r.letters = r.letters[:min(len(r.letters), workerLetters)]
	r.todo = append(r.todo, inputs...)
	if f, ok := r.worker.(forwarder); ok && has {
		return false, f.cause // nobody takes the state
	}
	if a, ok := r.worker.(Archiver); ok && has {
		if err := r.guard(func() error { return a.Restore(state) }); err != nil {
			return false, err
		}
		r.restored(state)
	}
	return finishing, nil
}

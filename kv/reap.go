package kv

import (
	"encoding/binary"
	"fmt"

	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/replica"
)

// A Reap removes tombstones of one head from all copies, when all of them hold
// the identical tombstone and each says for itself that no older state of the
// key can come to it any more (K6). Copies that do not answer, or say otherwise,
// keep it everywhere.
//
//	ask all n copies --ready at each--> tell all n to remove it
//
// A copy that was told and did not do it gives the tombstone back to the others
// in an exchange: it is reaped again later.
type Reap struct {
	set     replica.Set
	tombs   []Tombstone
	ready   []int    // copies that are, by tombstone
	need    []uint64 // the grace period that each copy must have reached
	grace   uint64   // the highest of a copy that has answered
	do      bool
	waiting int
	done    bool
	err     error
	reaped  int
}

// NewReap returns the machine that reaps tombstones whose copies are set.
func NewReap(set replica.Set, tombs []Tombstone) *Reap {
	return &Reap{set: set, tombs: tombs, ready: make([]int, len(tombs)), need: make([]uint64, len(tombs))}
}

// Ready implements replica.Machine.
func (r *Reap) Ready() bool { return r.done }

// Done implements replica.Machine.
func (r *Reap) Done() bool { return r.done }

// Result returns how many tombstones all copies have removed. The error is that
// of a copy which did not answer.
func (r *Reap) Result() (reaped int, err error) { return r.reaped, r.err }

// Step implements replica.Machine.
func (r *Reap) Step(e replica.Event, sends []replica.Send) []replica.Send {
	if r.done {
		return sends
	}
	switch e.Type {
	case replica.Begin:
		return r.send(sends)
	case replica.Answer:
		if err := r.answered(e.Body); err != nil {
			r.done, r.err = true, fmt.Errorf("reap at %v: %w", r.set.Copies[e.Send%len(r.set.Copies)].Entry, err)
			return sends
		}
	case replica.Fail:
		r.done, r.err = true, e.Err
		return sends
	default:
		r.done, r.err = true, errSliceExpired
		return sends
	}
	if r.waiting--; r.waiting > 0 {
		return sends
	}
	if r.do {
		r.finish()
		return sends
	}
	r.agreed()
	return r.send(sends)
}

// send asks all copies, or ends if there is nothing to ask.
func (r *Reap) send(sends []replica.Send) []replica.Send {
	n := len(r.set.Copies)
	if n == 0 || len(r.tombs) == 0 {
		r.done = true
		return sends
	}
	body := []byte{opReap, 0}
	need := uint64(0)
	if r.do {
		body[1], need = 1, r.grace
		for _, g := range r.need {
			need = max(need, g)
		}
	}
	body = binary.AppendUvarint(body, need)
	for i := range r.tombs {
		body = appendBytes(append(body, r.tombs[i].Digest[:]...), r.tombs[i].StoreKey)
	}
	first := 0
	if r.do {
		first = n
	}
	for i := range r.set.Copies {
		sends = append(sends, replica.Send{ID: first + i, To: r.set.Copies[i].Entry, Body: body})
	}
	r.waiting = n
	return sends
}

// answered counts what one copy says.
func (r *Reap) answered(body []byte) error {
	a, err := cutAnswer(body)
	if err != nil {
		return err
	}
	// A copy that lags may not know yet what kept another one from reaping.
	r.grace = max(r.grace, a.grace)
	rest := a.rest
	for i := range r.tombs {
		if len(rest) == 0 {
			return ErrReply
		}
		state := reapState(rest[0])
		grace, after, ok := cutUvarint(rest[1:])
		if !ok {
			return ErrReply
		}
		rest = after
		if state == reapReady {
			r.ready[i]++
			r.need[i] = max(r.need[i], grace+reapAfter)
		}
	}
	if len(rest) > 0 {
		return ErrReply
	}
	return nil
}

// agreed keeps the tombstones that all copies are ready to remove.
func (r *Reap) agreed() {
	r.do = true
	kept := 0
	for i := range r.tombs {
		if r.ready[i] == len(r.set.Copies) {
			r.tombs[kept], r.need[kept], r.ready[kept] = r.tombs[i], r.need[i], 0
			kept++
		}
	}
	r.tombs, r.need, r.ready = r.tombs[:kept], r.need[:kept], r.ready[:kept]
}

func (r *Reap) finish() {
	r.done = true
	for _, n := range r.ready {
		if n == len(r.set.Copies) {
			r.reaped++
		}
	}
}

// CopiesOf returns the number of copies of a store key by the catalog.
func CopiesOf(c *bucket.Catalog, storeKey []byte) (int, error) {
	_, bucketType, name, _, err := DecodeKey(storeKey)
	if err != nil {
		return 0, err
	}
	if own, err := c.Lookup(bucketType, name); err == nil {
		return own.NVal, nil
	}
	return defaultCopies(c), nil
}

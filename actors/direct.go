package actors

import (
	"runtime"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/replica"
	"github.com/dee2748c/baton/vnode"
)

// direct runs a machine in the goroutine of its caller, as far as its Sends go
// to vnodes of this node that answer at once: they are read beside, or are idle
// and served by the caller. All else makes it a run, which has what waiting
// needs: an endpoint, a lock, retries. What is a run is not direct any more.
//
//	Step -> Send -> vnode here, at once -> Answer -> Step ... -> done
//	             -> elsewhere, busy, refused, parked          -> run
type direct struct {
	host     *Host
	kind     topology.Kind
	entry    *kindEntry // of kind; nil if there is none
	view     *View      // by which the present Send goes
	machine  replica.Machine
	ring     uint64 // version of the record at the beginning
	deadline time.Time

	sends  []replica.Send // all of the machine's
	send   replica.Send   // being served
	event  replica.Event  // its end
	served bool           // event is set
	kept   bool           // a vnode may have the letter beyond its call
	local  bool           // some Send was served
	left   []replica.Send // that can't be served at once
	run    *run           // what it has become, nil so far

	letter letter
	reads  vnode.Reads
	room   [4]replica.Send
}

// busyTries is how often a direct asks a vnode that another caller holds. That
// takes some microseconds as a rule; a run would have two goroutines woken, and
// the vnode held till then, which makes runs of the next requests too.
const busyTries = 4

// newDirect returns a direct from the pool, to which it goes back unless a vnode
// may have its letter.
func (h *Host) newDirect(kind topology.Kind, m replica.Machine, deadline time.Time) *direct {
	d, ok := h.directs.Get().(*direct)
	if !ok {
		d = new(direct)
	}
	d.host, d.kind, d.entry, d.machine, d.deadline, d.ring = h, kind, h.kinds[kind], m, deadline, h.View().Version()
	d.sends = d.room[:0]
	return d
}

// drive steps the machine until it is done, or returns the run that goes on.
func (d *direct) drive() *run {
	m := d.machine
	d.sends = m.Step(replica.Event{Type: replica.Begin}, d.sends)
	next := 0
	for ; next < len(d.sends) && d.run == nil; next++ {
		d.send = d.sends[next]
		switch {
		case d.serve():
			d.local, d.served = true, false
			d.sends = m.Step(d.event, d.sends)
		case d.run == nil:
			d.left = append(d.left, d.send)
		}
	}
	if d.run == nil && len(d.left) == 0 && m.Done() {
		d.free()
		return nil
	}
	r := d.become()
	r.mu.Lock()
	if d.local {
		r.used = append(r.used, d.host.opts.Self.Node)
	}
	for _, s := range append(d.left, d.sends[next:]...) {
		r.flights = append(r.flights, flight{send: s})
	}
	if !d.kept {
		d.free()
	}
	r.settle(false)
	r.driving = false
	r.drive()
	return r
}

// free gives the direct back to its pool.
func (d *direct) free() {
	h := d.host
	*d = direct{}
	h.directs.Put(d)
}

// become makes the run. Until drive hands over, nobody steps its machine.
func (d *direct) become() *run {
	if d.run == nil {
		d.run = newRun(d)
		d.run.id = d.host.ends.add(d.run)
	}
	return d.run
}

// serve gives the present Send to its vnode and reports whether that has answered.
func (d *direct) serve() bool {
	s, e := &d.send, d.entry
	if s.To.Fallback || s.Session != 0 || e == nil || int(s.To.Partition) >= len(e.serving) {
		return false
	}
	at := e.serving[s.To.Partition].Load()
	if at == nil {
		return false
	}
	if d.view = d.host.View(); d.view.Fence() > d.ring {
		return false
	}
	if d.host.read(e, at, d.view, s, &d.reads, &d.event) {
		return true
	}
	if !e.unsynced {
		return false // it may be long until the write is durable
	}
	l := &d.letter
	*l = letter{Header: messages.Header{
		Type: messages.TypeRequest, To: string(d.host.opts.Self.Node), Kind: d.kind, Partition: uint32(s.To.Partition),
		RingVersion: d.view.Version(), Epoch: at.partition.Epoch,
	}, payload: s.Body, own: true, once: true, direct: d}
	if s.Volatile {
		l.Flags = requestVolatile
	}
	for try := 1; !at.box.serveNow(l); try++ {
		if try == busyTries {
			return false
		}
		runtime.Gosched()
	}
	if !d.served {
		l.keep() // whoever has it may answer yet
	}
	return d.served
}

// answer takes the reply to the letter that is being served.
func (d *direct) answer(body []byte) {
	d.letter.direct = nil
	d.event, d.served = replica.Event{Type: replica.Answer, Send: d.send.ID, Body: body}, true
}

// keep comes before a letter is kept beyond the call that serves it, sent on or
// refused: from then on its answer may come from anywhere, at any time.
func (l *letter) keep() {
	d := l.direct
	if d == nil {
		return
	}
	l.direct, d.kept = nil, true
	r, self := d.become(), &d.host.opts.Self
	l.From, l.FromIncarnation = string(self.Node), self.Incarnation
	l.Endpoint, l.Seq = r.id, d.host.ends.number()
	r.mu.Lock()
	r.used = append(r.used, self.Node)
	r.flights = append(r.flights, flight{send: d.send, node: self.Node, seq: l.Seq, view: d.view})
	r.mu.Unlock()
}

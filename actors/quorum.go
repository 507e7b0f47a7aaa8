package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/replica"
)

// Flags of a request's header.
const (
	// requestVolatile lets the vnode answer before what it wrote is durable.
	requestVolatile uint8 = 1 << iota
	// requestFallback addresses the vnode that stands in for the partition's owner.
	requestFallback
)

// A vnode that has too many requests is asked again this often, after twice the
// pause and twice as long each time. Senders that insist make overload worse.
const (
	overloadTries = 3
	overloadPause = 5 * time.Millisecond
)

// lingerLimit is how long a machine goes on at most after its outcome is decided.
const lingerLimit = 10 * time.Second

var (
	errNotUp   = errors.New("node does not seem to answer")
	errNoOwner = errors.New("no such vnode kind or partition")
)

// Run runs a request to several replicas and returns when its outcome is
// decided: the error is nil and the machine knows it. The machine goes on in the
// background until it is done, 10 s are over, or the deadline of ctx has passed.
// When ctx ends before, the machine is told to decide with what it has. The error
// is not nil when it is not Ready even then: ctx's, or that the host has stopped.
//
// The machine is stepped by whichever goroutine brings an answer, one at a time.
// Steps after Ready must not write to what the caller reads of it when Run has
// returned.
func (h *Host) Run(ctx context.Context, kind topology.Kind, m replica.Machine) error {
	_, err := h.RunAlone(ctx, kind, m)
	return err
}

// RunAlone is Run, and reports whether the caller alone has the machine and what
// it has sent: it may be used again.
func (h *Host) RunAlone(ctx context.Context, kind topology.Kind, m replica.Machine) (alone bool, err error) {
	if ctx.Err() != nil {
		return false, fmt.Errorf("run on %s: %w", kind, context.Cause(ctx))
	}
	if h.ctx.Err() != nil {
		return false, fmt.Errorf("run on %s: %w", kind, ErrStopped)
	}
	deadline, _ := ctx.Deadline()
	r := h.newDirect(kind, m, deadline).drive()
	if r == nil {
		return true, nil
	}
	return false, h.wait(ctx, r)
}

// wait returns when the outcome of a run is decided.
func (h *Host) wait(ctx context.Context, r *run) error {
	if h.ctx.Err() != nil {
		r.stopped(ErrStopped) // the table may have been told before r was in it
	}
	select {
	case <-r.wake:
	case <-ctx.Done():
		r.expire()
		<-r.wake
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.decided:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("run on %s: %w", r.kind, context.Cause(ctx))
	}
	return fmt.Errorf("run on %s: %w", r.kind, ErrStopped)
}

// run is one machine at work. It is never reused: a late frame may still find it.
type run struct {
	host     *Host
	kind     topology.Kind
	id       uint64        // its endpoint
	wake     chan struct{} // holds one: the caller is woken once
	deadline time.Time     // of the caller's context; zero if it has none

	mu      sync.Mutex
	machine replica.Machine
	ring    uint64          // version of the record at the beginning
	events  []replica.Event // not yet stepped
	sends   []replica.Send  // the machine's, used again by each step
	flights []flight        // Sends that have not ended
	failed  []ring.Entry    // where Sends have failed
	used    []ring.NodeID   // to whom there was a Send
	driving bool            // a goroutine is in drive
	woken   bool
	decided bool      // the machine was Ready when the caller was woken
	linger  time.Time // when the background ends; set with woken
	ended   bool      // Done, or Expire was stepped: no event counts any more

	room struct { // what most requests need
		flights [3]flight
		events  [3]replica.Event
		sends   [3]replica.Send
		letters [3]letter
		used    [3]ring.NodeID
		next    int // free letter
	}
}

// newRun returns what a direct run becomes when it has to wait. It is being
// driven: what comes is queued.
func newRun(d *direct) *run {
	r := &run{host: d.host, kind: d.kind, machine: d.machine, ring: d.ring, deadline: d.deadline, driving: true, wake: make(chan struct{}, 1)}
	r.flights, r.events, r.sends, r.used = r.room.flights[:0], r.room.events[:0], r.room.sends[:0], r.room.used[:0]
	return r
}

// flight is a Send that has not ended. It is out under a sequence number of its
// own, which is a new one only after a refusal; or it is to go out, at once or
// when due.
type flight struct {
	send    replica.Send
	node    ring.NodeID // where it is
	seq     uint64      // 0: not out
	view    *View       // that it was addressed by
	due     time.Time   // zero: at once
	refused int32       // times
	shed    int32       // times, because too many requests wait there
}

// drive steps the machine until nothing is left to do, and releases the lock,
// which the caller holds. One goroutine drives at a time, and sends outside of
// the lock: an answer that comes within a send is queued like any other.
func (r *run) drive() {
	if r.driving {
		r.mu.Unlock()
		return
	}
	r.driving = true
	for {
		if len(r.events) > 0 {
			r.step()
			continue
		}
		l := r.outgoing()
		if l != nil {
			r.transmit(l)
			continue
		}
		if len(r.events) == 0 {
			break
		}
	}
	r.driving = false
	if r.ended {
		r.flights = nil
	}
	ended := r.ended
	r.mu.Unlock()
	if ended {
		r.host.ends.remove(r.id)
	}
}

// step gives the machine the next event.
func (r *run) step() {
	e := r.events[0]
	n := copy(r.events, r.events[1:])
	r.events[n] = replica.Event{}
	r.events = r.events[:n]
	if r.ended {
		return
	}
	r.sends = r.machine.Step(e, r.sends[:0])
	for i := range r.sends {
		r.flights = append(r.flights, flight{send: r.sends[i]})
	}
	clear(r.sends)
	r.settle(e.Type == replica.Expire)
}

// settle wakes the caller once the outcome is decided, or will not be.
func (r *run) settle(expired bool) {
	r.ended = expired || r.machine.Done()
	if ready := r.machine.Ready(); !r.woken && (ready || r.ended) {
		r.woken, r.decided = true, ready
		r.linger = time.Now().Add(lingerLimit)
		if !r.deadline.IsZero() && r.deadline.Before(r.linger) {
			r.linger = r.deadline
		}
		r.wake <- struct{}{}
	}
}

// outgoing makes the letter of the next Send that is to go out now, nil if there
// is none. A Send to a node that is not up ends here.
func (r *run) outgoing() *letter {
	for i := 0; i < len(r.flights); i++ {
		f := &r.flights[i]
		if f.seq != 0 || !f.due.IsZero() {
			continue
		}
		h := r.host
		v := h.View()
		to := f.send.To
		owner, epoch := v.Owner(r.kind, to.Partition)
		f.node, f.view = owner, v
		var flags uint8
		if to.Fallback {
			f.node, flags = to.Node, requestFallback
		}
		if f.send.Volatile {
			flags |= requestVolatile
		}
		switch {
		case owner == "":
			r.fail(i, fmt.Errorf("%s/%d: %w", r.kind, to.Partition, errNoOwner), false)
			return nil
		case v.Fence() > r.ring: // F16: what was answered before may be of a copy that was given up
			r.fail(i, fmt.Errorf("%s/%d: begun by ring %d, the fence is %d: %w", r.kind, to.Partition, r.ring, v.Fence(), messages.ErrStaleRing), false)
			return nil
		case !h.up(v, f.node):
			r.fail(i, fmt.Errorf("%s: %w", f.node, errNotUp), false)
			return nil
		}
		f.seq = h.ends.number()
		r.used = append(r.used, f.node)
		l := r.letter()
		*l = letter{Header: messages.Header{
			Type: messages.TypeRequest, Flags: flags, From: string(h.opts.Self.Node), FromIncarnation: h.opts.Self.Incarnation,
			To: string(f.node), Kind: r.kind, Partition: uint32(to.Partition),
			Session: f.send.Session, RingVersion: v.Version(), Epoch: epoch, Seq: f.seq, Endpoint: r.id,
		}, payload: f.send.Body, own: true}
		return l
	}
	return nil
}

func (r *run) letter() *letter {
	if r.room.next == len(r.room.letters) {
		return new(letter)
	}
	r.room.next++
	return &r.room.letters[r.room.next-1]
}

// transmit sends a letter without the lock.
func (r *run) transmit(l *letter) {
	seq := l.Seq
	r.mu.Unlock()
	err := r.host.post(l)
	r.mu.Lock()
	if err == nil {
		return
	}
	if i := r.find(seq); i >= 0 {
		r.fail(i, err, false)
	}
}

// find returns the flight that is out under a number, -1 if it has ended.
func (r *run) find(seq uint64) int {
	for i := range r.flights {
		if r.flights[i].seq == seq && seq != 0 {
			return i
		}
	}
	return -1
}

// end takes a flight out, whose end the caller queues.
func (r *run) end(i int) flight {
	f := r.flights[i]
	n := copy(r.flights[i:], r.flights[i+1:])
	r.flights[i+n] = flight{}
	r.flights = r.flights[:i+n]
	return f
}

// fail ends a flight without an answer.
func (r *run) fail(i int, err error, unknown bool) {
	f := r.end(i)
	r.failed = append(r.failed, ring.Entry{Partition: f.send.To.Partition, Node: f.node})
	e := replica.Event{Type: replica.Fail, Send: f.send.ID, Err: err, Unknown: unknown}
	if !errors.Is(err, messages.ErrOverloaded) {
		// Nobody stands in for a vnode that has too much to do: that makes two
		// writes of each one.
		e.Spare = r.spare(f.send.To.Partition)
	}
	r.events = append(r.events, e)
}

// spare returns who may be tried next for a copy; empty if nobody.
func (r *run) spare(p ring.Partition) ring.NodeID {
	v := r.host.View()
	owner, _ := v.Owner(r.kind, p)
	return r.host.spare(v, r.kind, p, func(n ring.NodeID) bool {
		return slices.Contains(r.used, n)
	}, func(n ring.NodeID) bool {
		return n == owner || slices.Contains(r.failed, ring.Entry{Partition: p, Node: n})
	})
}

// answered ends the flight of a number with its answer.
func (r *run) answered(seq uint64, body []byte) {
	r.mu.Lock()
	if i := r.find(seq); i >= 0 {
		f := r.end(i)
		r.events = append(r.events, replica.Event{Type: replica.Answer, Send: f.send.ID, Body: body})
	}
	r.drive()
}

// take gets a replica's answer or refusal.
func (r *run) take(l *letter) {
	if l.Code == messages.CodeOK {
		r.answered(l.Seq, l.payload)
		return
	}
	r.mu.Lock()
	if i := r.find(l.Seq); i >= 0 {
		if !r.again(&r.flights[i], l.Code) {
			r.fail(i, decodeError(l), mayBeDone(l.Code))
		}
	}
	r.drive()
}

// again makes a refused flight to a primary ready to go out once more: on a
// newer view, or after a pause.
func (r *run) again(f *flight, code messages.Code) bool {
	if f.send.To.Fallback {
		return false
	}
	atOnce, pause := false, retryPause(f.refused)
	switch code {
	case messages.CodeWrongOwner, messages.CodeStaleRing:
		atOnce = r.host.View() != f.view
	case messages.CodeFrozen:
	case messages.CodeOverloaded:
		if f.shed++; f.shed > overloadTries {
			return false
		}
		pause = overloadPause << f.shed
	default:
		return false
	}
	f.seq = 0
	if !atOnce {
		f.due = time.Now().Add(pause)
		r.host.clock.at(f.due, r)
	}
	f.refused++
	return true
}

// retryPause is how long a refused command waits if no newer view comes before.
func retryPause(refused int32) time.Duration {
	return min(time.Millisecond<<min(refused, 6), 50*time.Millisecond)
}

// mayBeDone reports whether a command that was answered by this code may have
// been done: the vnode broke while it worked on it. One that stopped refuses what
// it had not begun.
func mayBeDone(c messages.Code) bool { return c < messages.CodeDamaged && c != messages.CodeClosed }

// link hears of a link that went down: what was on it may have arrived.
func (r *run) link(e LinkEvent) {
	if e.Up || e.Inbound || len(e.Unsent) > 0 {
		return
	}
	r.mu.Lock()
	for i := len(r.flights) - 1; i >= 0; i-- {
		if f := &r.flights[i]; f.seq != 0 && f.node == e.Peer.Node {
			r.fail(i, fmt.Errorf("link to %s: %w", e.Peer.Node, e.Err), true)
		}
	}
	r.drive()
}

// unsent hears that a letter was given up before it was on a link.
func (r *run) unsent(seq uint64, err error) {
	r.mu.Lock()
	if i := r.find(seq); i >= 0 {
		r.fail(i, err, false)
	}
	r.drive()
}

// viewed sends what was refused once more, on the newer record.
func (r *run) viewed(*View) { r.retry(time.Time{}) }

// retry sends what is due at that time, or all that waits if it is zero.
func (r *run) retry(now time.Time) {
	r.mu.Lock()
	for i := range r.flights {
		if f := &r.flights[i]; now.IsZero() || !f.due.After(now) {
			f.due = time.Time{}
		}
	}
	r.drive()
}

// sweep ends a machine whose time in the background is over, and fails what was
// sent to nodes that have restarted since or do not seem to answer any more.
func (r *run) sweep(now time.Time) {
	r.mu.Lock()
	if r.woken && now.After(r.linger) {
		r.events = append(r.events, replica.Event{Type: replica.Expire})
	}
	v := r.host.View()
	for i := len(r.flights) - 1; i >= 0; i-- {
		f := &r.flights[i]
		if f.seq == 0 {
			continue
		}
		before, _ := f.view.Peer(f.node)
		if now, _ := v.Peer(f.node); now.Incarnation != before.Incarnation || !r.host.up(v, f.node) {
			r.fail(i, fmt.Errorf("%s: %w", f.node, errNotUp), true)
		}
	}
	r.drive()
}

// expire tells the machine that the time is up.
func (r *run) expire() {
	r.mu.Lock()
	r.events = append(r.events, replica.Event{Type: replica.Expire})
	r.drive()
}

// stopped ends the machine because the host stops.
func (r *run) stopped(err error) {
	r.mu.Lock()
	for len(r.flights) > 0 {
		i := len(r.flights) - 1
		r.fail(i, err, r.flights[i].seq != 0)
	}
	r.events = append(r.events, replica.Event{Type: replica.Expire})
	r.drive()
}

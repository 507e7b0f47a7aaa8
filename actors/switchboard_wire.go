package actors

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dee2748c/baton/messages"
)

// parcel is one frame on its way: encoded, or as it is on a switchboard that works by reference.
type parcel struct {
	frame messages.Frame
	bytes []byte
	due   time.Time
}

// wrap makes a parcel of a frame.
func (sb *Switchboard) wrap(f *messages.Frame) (parcel, error) {
	if sb.opts.ByReference {
		return parcel{frame: *f}, nil
	}
	b, err := messages.AppendFrame(make([]byte, 0, f.Size()), f)
	return parcel{bytes: b}, err
}

func (p *parcel) size() int {
	if p.bytes != nil {
		return len(p.bytes)
	}
	return p.frame.Size()
}

// wire is the connection of one link: one direction from one life of a node to one life of another. Its goroutine
// delivers what is due.
type wire struct {
	sb     *Switchboard
	way    direction
	src    *SwitchboardTransport
	dst    *SwitchboardTransport
	from   Peer // src as the handshake named it
	in     inbound
	unhook func() bool   // forgets the link's context
	wake   chan struct{} // holds one token while there is something new
	room   chan struct{} // holds one token while there may be room again
	gone   chan struct{} // closed when the wire broke
	done   chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	ordered []parcel // due in this order
	late    []parcel // reordered frames, sorted by due
	timed   bool     // some frame was held back; until then nobody looks at the clock
	bytes   int      // on the wire
	ending  bool     // deliver what is left, then end
	err     error
}

func newWire(src, dst *SwitchboardTransport, way direction, from Peer) *wire {
	return &wire{
		sb: src.sb, way: way, src: src, dst: dst, from: from, in: inbound{id: dst.id, stats: &dst.stats},
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1), gone: make(chan struct{}), done: make(chan struct{}),
	}
}

// write puts frames on the wire, and waits while it is full.
func (w *wire) write(frames []messages.Frame) (int, error) {
	fates := w.sb.fates(w.way, frames)
	var now time.Time
	if fates != nil {
		now = time.Now()
	}
	for i := range frames {
		p, err := w.sb.wrap(&frames[i])
		if err != nil {
			return i, err
		}
		fate := fate{flip: -1}
		if fates != nil {
			fate = fates[i]
		}
		if err := w.enter(p, fate, now); err != nil {
			return i, err
		}
	}
	return len(frames), nil
}

// enter puts one frame on the wire as soon as there is room.
func (w *wire) enter(p parcel, f fate, now time.Time) error {
	for {
		w.mu.Lock()
		switch {
		case w.err != nil:
			w.mu.Unlock()
			return w.err
		case w.bytes < flowWindow:
			w.put(p, f, now)
			w.mu.Unlock()
			token(w.wake)
			return nil
		}
		w.mu.Unlock()
		select {
		case <-w.room:
		case <-w.gone:
		}
	}
}

// put makes of a frame what its fate says. The caller holds the lock.
func (w *wire) put(p parcel, f fate, now time.Time) {
	if f.drop {
		return
	}
	if p.due = now.Add(f.delay); !p.due.IsZero() {
		w.timed = true
	}
	if f.duplicate {
		w.append(p)
	}
	if f.flip >= 0 && p.bytes != nil {
		p.bytes = slices.Clone(p.bytes)
		p.bytes[f.flip/8] ^= 1 << (f.flip % 8)
	}
	if !f.late {
		w.append(p)
		return
	}
	at, _ := slices.BinarySearchFunc(w.late, p, func(a, b parcel) int { return a.due.Compare(b.due) })
	w.late = slices.Insert(w.late, at, p)
	w.bytes += p.size()
}

// append queues a frame behind those before it, whatever its delay. The caller holds the lock.
func (w *wire) append(p parcel) {
	w.ordered = append(w.ordered, p)
	w.bytes += p.size()
}

// run is the wire's goroutine.
func (w *wire) run() {
	defer close(w.done)
	defer w.sb.remove(w)
	var spare []parcel
	for {
		parcels, wait, end := w.take(spare)
		for i := range parcels {
			if err := w.deliver(&parcels[i]); err != nil {
				w.fail(err)
				break
			}
		}
		clear(parcels)
		spare = parcels[:0]
		if end || !w.sleep(wait) {
			return
		}
	}
}

// sleep waits for something new or due. It returns false when the wire broke.
func (w *wire) sleep(wait time.Duration) bool {
	var due <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-w.gone:
		return false
	case <-w.wake:
	case <-due:
	}
	return true
}

// take returns the frames that are due, how long until the next is, and whether nothing will follow.
func (w *wire) take(spare []parcel) (due []parcel, wait time.Duration, end bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return nil, 0, true
	}
	if !w.timed {
		due, w.ordered, w.bytes = w.ordered, spare, 0
		token(w.room)
		return due, 0, w.ending
	}
	now := time.Now()
	due = spare
	for {
		next := w.next()
		if next == nil {
			return due, 0, w.ending
		}
		if wait := (*next)[0].due.Sub(now); wait > 0 {
			return due, wait, false
		}
		due = append(due, (*next)[0])
		w.bytes -= (*next)[0].size()
		*next = (*next)[1:]
		token(w.room)
	}
}

// next returns the queue whose head is due first, nil when both are empty. The caller holds the lock.
func (w *wire) next() *[]parcel {
	switch {
	case len(w.ordered) == 0 && len(w.late) == 0:
		return nil
	case len(w.ordered) == 0 || len(w.late) > 0 && w.late[0].due.Before(w.ordered[0].due):
		return &w.late
	}
	return &w.ordered
}

// deliver gives one frame to the receiver.
func (w *wire) deliver(p *parcel) error {
	select {
	case <-w.gone:
		return w.cause()
	default:
	}
	h := w.dst.handler.Load()
	if p.bytes != nil {
		err := w.in.deliver(p.bytes, *h)
		if err != nil {
			w.dst.tell(LinkEvent{Peer: w.from, Inbound: true, Err: err})
		}
		return err
	}
	if w.in.admit(&p.frame, p.frame.Size()) {
		if !p.frame.Type.Known() {
			w.dst.stats.unknownTypes.Add(1)
			return nil
		}
		(*h).HandleFrame(p.frame)
	}
	return nil
}

// fail breaks the wire: what is on it is lost.
func (w *wire) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
		close(w.gone)
	}
}

func (w *wire) lost() <-chan struct{} { return w.gone }

func (w *wire) cause() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *wire) finish(ctx context.Context) {
	w.mu.Lock()
	w.ending = true
	token(w.wake)
	w.mu.Unlock()
	select {
	case <-w.done:
	case <-ctx.Done():
	}
	w.abort()
}

// abort breaks the wire. Its goroutine belongs to the receiver, and ends when the frame in its hands is handled.
func (w *wire) abort() {
	w.unhook()
	w.fail(fmt.Errorf("link from %s to %s: %w", w.way.from, w.way.to, messages.ErrClosed))
}

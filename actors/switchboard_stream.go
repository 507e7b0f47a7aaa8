package actors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dee2748c/baton/messages"
)

// call is one stream on the board: two ends, and a buffered way from each to the other.
type call struct {
	way              direction
	opener, acceptor *callEnd
}

// callEnd is one node's side of a call.
type callEnd struct {
	t        *SwitchboardTransport
	peer     Peer
	way      direction
	ctx      context.Context
	cancel   context.CancelCauseFunc
	in       inbound
	out, inn *flow
	opener   bool
	broken   error // what Recv returned last, if it was an error to stay
}

var _ Stream = (*callEnd)(nil)

// OpenStream opens a stream.
func (t *SwitchboardTransport) OpenStream(ctx context.Context, to Peer) (Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open stream to %s: %w", to.Node, context.Cause(ctx))
	}
	dst, from, err := t.shakeHands(to, true)
	if err != nil {
		if refused(err) {
			t.stats.refused.Add(1)
		}
		return nil, err
	}
	c := newCall(ctx, t, dst, to, from)
	t.sb.mu.Lock()
	// The line may have been cut during the handshake.
	if _, err := t.sb.reach(t, to, true); err != nil {
		t.sb.mu.Unlock()
		c.fail(err)
		return nil, err
	}
	t.sb.calls[c] = struct{}{}
	dst.work.Go(func() { c.serve(*dst.handler.Load()) })
	t.sb.mu.Unlock()
	context.AfterFunc(c.opener.ctx, func() {
		c.fail(fmt.Errorf("stream from %s: %w", from.Node, messages.ErrCancelled))
	})
	return c.opener, nil
}

func newCall(ctx context.Context, src, dst *SwitchboardTransport, to, from Peer) *call {
	there, back := newFlow(), newFlow()
	way := direction{src.id.opts.Node, to.Node}
	c := &call{
		way: way,
		opener: &callEnd{
			t: src, peer: to, way: way, in: inbound{id: src.id, stats: &src.stats}, out: there, inn: back, opener: true,
		},
		acceptor: &callEnd{
			t: dst, peer: from, way: way.back(), in: inbound{id: dst.id, stats: &dst.stats}, out: back, inn: there,
		},
	}
	c.opener.ctx, c.opener.cancel = context.WithCancelCause(ctx)
	c.acceptor.ctx, c.acceptor.cancel = context.WithCancelCause(dst.ctx)
	return c
}

// serve is the goroutine of the accepting end.
func (c *call) serve(h Handler) {
	err := h.HandleStream(c.acceptor)
	if err == nil {
		err = io.EOF
	} else {
		err = messages.ErrorOf(err).Err()
	}
	sb := c.opener.t.sb
	sb.mu.Lock()
	delete(sb.calls, c)
	sb.mu.Unlock()
	c.acceptor.out.end(err)
	c.acceptor.inn.shut()
	c.acceptor.cancel(nil)
}

// fail breaks the call on both ends. The acceptor comes first: the end of the opener's context, for whatever reason, is
// passed on to it as a cancellation.
func (c *call) fail(err error) {
	c.acceptor.cancel(err)
	c.opener.cancel(err)
}

func (e *callEnd) Context() context.Context { return e.ctx }

func (e *callEnd) Peer() Peer { return e.peer }

func (e *callEnd) Copies() bool { return !e.t.sb.opts.ByReference }

func (e *callEnd) CloseSend() error {
	if !e.opener {
		return fmt.Errorf("close the sending side of a stream from %s: %w", e.peer.Node, messages.ErrInvalid)
	}
	e.out.end(io.EOF)
	return nil
}

func (e *callEnd) Send(f messages.Frame) error {
	e.t.id.stamp(&f, e.peer)
	if err := f.Check(); err != nil {
		return fmt.Errorf("stream to %s: %w", e.peer.Node, err)
	}
	p, err := e.t.sb.wrap(&f)
	if err != nil {
		return fmt.Errorf("stream to %s: %w", e.peer.Node, err)
	}
	if d := e.t.sb.delay(e.way); d > 0 {
		p.due = time.Now().Add(d)
	}
	if err := e.out.put(e.ctx, p); err != nil {
		return fmt.Errorf("stream to %s: send %v: %w", e.peer.Node, f.Type, err)
	}
	e.t.stats.framesSent.Add(1)
	e.t.stats.bytesSent.Add(uint64(f.Size()))
	return nil
}

func (e *callEnd) Recv() (messages.Frame, error) {
	for e.broken == nil {
		f, ok, err := e.in.next()
		switch {
		case ok:
			return f, err
		case err != nil:
			e.breakOff(err)
			continue
		}
		p, err := e.inn.take(e.ctx)
		switch {
		case err != nil:
			e.breakOff(err)
		case p.bytes != nil:
			e.in.rest = p.bytes
		case e.in.admit(&p.frame, p.frame.Size()):
			return p.frame, e.known(&p.frame)
		}
	}
	return messages.Frame{}, e.broken
}

// breakOff remembers why nothing is received any more, and frees the opener's side.
func (e *callEnd) breakOff(err error) {
	if e.broken = err; !errors.Is(err, io.EOF) {
		e.broken = fmt.Errorf("stream with %s: %w", e.peer.Node, err)
	}
	if e.opener {
		e.cancel(e.broken)
	}
}

func (e *callEnd) known(f *messages.Frame) error {
	if f.Type.Known() {
		return nil
	}
	e.t.stats.unknownTypes.Add(1)
	return fmt.Errorf("stream with %s: %v: %w", e.peer.Node, f.Type, messages.ErrUnknownType)
}

// flow is one way of a call: frames in order, bounded in bytes. One goroutine puts, one takes.
type flow struct {
	readable, writable chan struct{} // hold one token while there may be something to do

	mu    sync.Mutex
	queue []parcel
	bytes int
	over  error // returned after the last frame
	dead  bool  // nobody takes any more
}

// flowWindow bounds what a stream holds in one direction, in bytes.
const flowWindow = 4 << 20

func newFlow() *flow {
	return &flow{readable: make(chan struct{}, 1), writable: make(chan struct{}, 1)}
}

// put queues a frame, and waits while the window is full.
func (w *flow) put(ctx context.Context, p parcel) error {
	size := p.size()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		w.mu.Lock()
		switch {
		case w.dead || w.over != nil:
			w.mu.Unlock()
			return messages.ErrClosed
		case w.bytes == 0 || w.bytes+size <= flowWindow:
			w.queue, w.bytes = append(w.queue, p), w.bytes+size
			w.mu.Unlock()
			token(w.readable)
			return nil
		}
		w.mu.Unlock()
		select {
		case <-w.writable:
		case <-ctx.Done():
		}
	}
}

// take returns the next frame that is due, and waits for it.
func (w *flow) take(ctx context.Context) (parcel, error) {
	for {
		if ctx.Err() != nil {
			return parcel{}, context.Cause(ctx)
		}
		w.mu.Lock()
		var wait time.Duration
		var over error
		switch {
		case len(w.queue) == 0:
			over = w.over
		case !w.queue[0].due.IsZero():
			wait = time.Until(w.queue[0].due)
		}
		if len(w.queue) > 0 && wait <= 0 {
			p := w.queue[0]
			w.bytes -= p.size()
			w.queue[0] = parcel{}
			w.queue = w.queue[1:]
			w.mu.Unlock()
			token(w.writable)
			return p, nil
		}
		w.mu.Unlock()
		if over != nil {
			return parcel{}, over
		}
		w.await(ctx, wait)
	}
}

// await returns when there may be something to take, or ctx has ended.
func (w *flow) await(ctx context.Context, wait time.Duration) {
	var due <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-w.readable:
	case <-due:
	case <-ctx.Done():
	}
}

// end says that nothing follows; err is what the other end reads then.
func (w *flow) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over == nil {
		w.over = err
	}
	token(w.readable)
}

// shut says that nobody takes any more.
func (w *flow) shut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead, w.queue, w.bytes = true, nil, 0
	token(w.writable)
}

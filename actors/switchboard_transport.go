package actors

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/dee2748c/baton/messages"
)

// SwitchboardTransport is one node's Transport on a Switchboard.
type SwitchboardTransport struct {
	sb      *Switchboard
	id      *identity
	stats   counters
	links   *links
	handler atomic.Pointer[Handler]

	// ctx ends when the node leaves the board, and with it all streams.
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	closing bool
	closed  chan struct{} // closed when all goroutines have ended
	work    sync.WaitGroup
}

var _ Transport = (*SwitchboardTransport)(nil)

func newSwitchboardTransport(sb *Switchboard, opts TransportOptions) *SwitchboardTransport {
	t := &SwitchboardTransport{sb: sb, id: newIdentity(opts, opts.Addr), closed: make(chan struct{})}
	t.links = newLinks(t.id, &t.stats, t.dialLink, t.tell)
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	return t
}

// Serve begins to accept peers and to deliver to h.
func (t *SwitchboardTransport) Serve(h Handler) error {
	if t.ctx.Err() != nil {
		return fmt.Errorf("serve on %s: transport: %w", t.Addr(), messages.ErrClosed)
	}
	if !t.handler.CompareAndSwap(nil, &h) {
		return fmt.Errorf("serve on %s a second time: %w", t.Addr(), messages.ErrInvalid)
	}
	return nil
}

// Addr returns the node's address on the board.
func (t *SwitchboardTransport) Addr() string { return t.id.addr }

// Send queues a frame for the peer.
func (t *SwitchboardTransport) Send(to Peer, f messages.Frame) error { return t.links.send(to, f) }

// Stats returns counters since the start.
func (t *SwitchboardTransport) Stats() TransportStats { return t.stats.snapshot() }

// tell passes a link event on and counts refusals.
func (t *SwitchboardTransport) tell(e LinkEvent) {
	if refused(e.Err) {
		t.stats.refused.Add(1)
	}
	if h := t.handler.Load(); h != nil {
		(*h).HandleLink(e)
	}
}

// Close ends the transport. When ctx ends first, it returns the context's error, and the rest ends on its own.
func (t *SwitchboardTransport) Close(ctx context.Context) error {
	t.mu.Lock()
	first := !t.closing
	t.closing = true
	t.mu.Unlock()
	if first {
		go t.shutdown(ctx)
	}
	select {
	case <-t.closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close transport of %s: %w", t.id.opts.Node, context.Cause(ctx))
	}
}

func (t *SwitchboardTransport) shutdown(ctx context.Context) {
	t.links.close(ctx)
	t.leave(fmt.Errorf("transport of %s: %w", t.id.opts.Node, messages.ErrClosed))
	t.work.Wait()
	close(t.closed)
}

// leave takes the node off the board and breaks all that reaches it.
func (t *SwitchboardTransport) leave(err error) {
	t.sb.mu.Lock()
	if t.sb.nodes[t.Addr()] == t {
		delete(t.sb.nodes, t.Addr())
	}
	for w := range t.sb.wires {
		if w.src == t || w.dst == t {
			w.fail(err)
		}
	}
	for c := range t.sb.calls {
		if c.opener.t == t || c.acceptor.t == t {
			c.fail(err)
		}
	}
	t.sb.mu.Unlock()
	t.cancel(err)
}

// dialLink connects to a peer for a link.
func (t *SwitchboardTransport) dialLink(ctx context.Context, to Peer) (linkConn, error) {
	dst, from, err := t.shakeHands(to, false)
	if err != nil {
		return nil, err
	}
	w := newWire(t, dst, direction{t.id.opts.Node, to.Node}, from)
	t.sb.mu.Lock()
	defer t.sb.mu.Unlock()
	// The line may have been cut during the handshake.
	if _, err := t.sb.reach(t, to, false); err != nil {
		return nil, err
	}
	t.sb.wires[w] = struct{}{}
	dst.work.Go(w.run)
	w.unhook = context.AfterFunc(ctx, func() { w.fail(fmt.Errorf("link to %s: %w", to.Node, messages.ErrClosed)) })
	return w, nil
}

// shakeHands does both sides of a handshake. It returns the peer's transport and this node as the peer sees it.
func (t *SwitchboardTransport) shakeHands(to Peer, bothWays bool) (*SwitchboardTransport, Peer, error) {
	t.sb.mu.Lock()
	dst, err := t.sb.reach(t, to, bothWays)
	t.sb.mu.Unlock()
	if err != nil {
		return nil, Peer{}, err
	}
	hello, err := t.id.hello(to)
	if err != nil {
		return nil, Peer{}, err
	}
	from, reply, refusal := dst.id.accept(hello)
	if refusal != nil {
		dst.tell(LinkEvent{Peer: from, Inbound: true, Err: refusal})
	}
	if err := t.id.check(reply, to); err != nil {
		return nil, Peer{}, fmt.Errorf("connect to %s at %s: %w", to.Node, to.Addr, err)
	}
	return dst, from, refusal
}

// reach returns the transport at a peer's address, if the lines to it are whole. The caller holds the board's lock.
func (sb *Switchboard) reach(from *SwitchboardTransport, to Peer, bothWays bool) (*SwitchboardTransport, error) {
	if from.ctx.Err() != nil {
		return nil, fmt.Errorf("connect to %s: transport: %w", to.Node, messages.ErrClosed)
	}
	dst := sb.nodes[to.Addr]
	if dst == nil || dst.handler.Load() == nil {
		return nil, fmt.Errorf("connect to %s at %s: nobody listens: %w", to.Node, to.Addr, messages.ErrUnavailable)
	}
	way := direction{from.id.opts.Node, to.Node}
	if sb.line(way).cut || bothWays && sb.line(way.back()).cut {
		return nil, fmt.Errorf("connect to %s at %s: %w", to.Node, to.Addr, cutError(way))
	}
	return dst, nil
}

// remove takes a wire that has ended off the board.
func (sb *Switchboard) remove(w *wire) {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	delete(sb.wires, w)
}

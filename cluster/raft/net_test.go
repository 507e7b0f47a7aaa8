package raft_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/dee2748c/baton/cluster/ring"
)

// A network carries connections between nodes over pipes, with a switch for each pair and direction.
// What is sent against a closed switch is lost, and with it the connection, though neither side is
// told before the switch opens again.
type network struct {
	mu    sync.Mutex
	ports map[string]*port // by address
	names map[ring.NodeID]string
	cuts  map[[2]string]chan struct{} // closed when it heals
	conns map[*wire]struct{}
	drop  map[loss]bool // what is lost next
}

// A loss is what happens to the next request of the node at an address about the record.
type loss struct {
	addr string
	what fault
}

func (n *network) lose(addr string, what fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drop[loss{addr, what}] = true
}

type fault int

const (
	loseAnswer fault = iota + 1
	loseRequest
)

func newNetwork() *network {
	return &network{
		ports: map[string]*port{}, names: map[ring.NodeID]string{}, cuts: map[[2]string]chan struct{}{},
		conns: map[*wire]struct{}{}, drop: map[loss]bool{},
	}
}

type port struct {
	net    *network
	addr   string
	queue  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *port) Accept() (net.Conn, error) {
	select {
	case c := <-p.queue:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *port) Close() error {
	p.once.Do(func() {
		close(p.closed)
		p.net.mu.Lock()
		defer p.net.mu.Unlock()
		if p.net.ports[p.addr] == p {
			delete(p.net.ports, p.addr)
		}
	})
	return nil
}

func (p *port) Addr() net.Addr { return p }

func (p *port) Network() string { return "pipe" }
func (p *port) String() string  { return p.addr }

// listen opens a port for a protocol of the node at addr.
func (n *network) listen(proto, addr string) *port {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := &port{net: n, addr: proto + "|" + addr, queue: make(chan net.Conn), closed: make(chan struct{})}
	n.ports[p.addr] = p
	return p
}

func (n *network) dialer(proto, from string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, to string) (net.Conn, error) {
		for {
			heals := n.cutEither(from, to)
			if heals == nil {
				break
			}
			select {
			case <-heals:
			case <-ctx.Done():
				return nil, fmt.Errorf("dial %s: %w", to, ctx.Err())
			}
		}
		n.mu.Lock()
		p := n.ports[proto+"|"+to]
		a, b := net.Pipe()
		near, far := &wire{Conn: a, net: n, from: from, to: to}, &wire{Conn: b, net: n, from: to, to: from}
		near.peer, far.peer = far, near
		if proto == "record" {
			near.faulty, far.faulty = loss{from, loseRequest}, loss{from, loseAnswer}
		}
		n.conns[near], n.conns[far] = struct{}{}, struct{}{}
		n.mu.Unlock()
		if p == nil {
			return nil, fmt.Errorf("dial %s: refused", to)
		}
		select {
		case p.queue <- far:
			return near, nil
		case <-p.closed:
			return nil, fmt.Errorf("dial %s: refused", to)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (n *network) cutEither(a, b string) chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.cuts[[2]string{a, b}]; c != nil {
		return c
	}
	return n.cuts[[2]string{b, a}]
}

// cut stops what one node sends to another.
func (n *network) cut(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cuts[[2]string{from, to}] == nil {
		n.cuts[[2]string{from, to}] = make(chan struct{})
	}
}

// heal opens all switches and resets connections that lost something.
func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for k, c := range n.cuts {
		close(c)
		delete(n.cuts, k)
	}
	for c := range n.conns {
		if c.lost {
			c.Conn.Close()
			c.peer.Conn.Close()
		}
	}
}

// A wire is one end of a connection.
type wire struct {
	net.Conn
	net      *network
	from, to string
	peer     *wire
	lost     bool // bytes from here were dropped
	faulty   loss // what an exchange on this end can suffer
}

func (w *wire) Write(b []byte) (int, error) {
	w.net.mu.Lock()
	if w.net.cuts[[2]string{w.from, w.to}] != nil {
		w.lost = true
	}
	lost, lossy := w.lost, w.net.drop[w.faulty]
	delete(w.net.drop, w.faulty)
	w.net.mu.Unlock()
	if lossy {
		return len(b), errors.Join(w.Conn.Close(), w.peer.Conn.Close())
	}
	if lost {
		return len(b), nil
	}
	return w.Conn.Write(b)
}

func (w *wire) Close() error {
	w.net.mu.Lock()
	delete(w.net.conns, w)
	w.net.mu.Unlock()
	return w.Conn.Close()
}

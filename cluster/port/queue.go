package port

import (
	"fmt"
	"net"
	"sync"
)

// queueSize is how many accepted connections of one protocol wait to be taken.
const queueSize = 128

// A queue is the net.Listener of one protocol.
type queue struct {
	proto Protocol
	addr  net.Addr
	conns chan net.Conn
	gone  chan struct{}

	mu       sync.Mutex
	err      error // set when closed
	reserved int   // places promised to connections that are being answered
}

func newQueue(proto Protocol, addr net.Addr) *queue {
	return &queue{proto: proto, addr: addr, conns: make(chan net.Conn, queueSize), gone: make(chan struct{})}
}

// reserve promises a place, which deliver takes or release gives back.
func (q *queue) reserve() verdict {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.err != nil:
		return notServed
	case len(q.conns)+q.reserved >= cap(q.conns):
		return busy
	}
	q.reserved++
	return accepted
}

func (q *queue) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reserved--
}

func (q *queue) deliver(c net.Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reserved--
	if q.err != nil {
		_ = c.Close()
		return
	}
	q.conns <- c // never blocks: the place was reserved
}

// Accept returns the next connection of the protocol, past its preface.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.gone:
		q.mu.Lock()
		defer q.mu.Unlock()
		return nil, q.err
	}
}

// Addr returns the port's address.
func (q *queue) Addr() net.Addr { return q.addr }

// Close ends Accept and the connections that wait; the port stays open.
func (q *queue) Close() error {
	q.end(fmt.Errorf("listener of %v at %v: %w", q.proto, q.addr, net.ErrClosed))
	return nil
}

func (q *queue) end(cause error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return
	}
	q.err = cause
	close(q.gone)
	for len(q.conns) > 0 {
		_ = (<-q.conns).Close()
	}
}

// open reports whether the listener still accepts.
func (q *queue) open() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err == nil
}

package swim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	// queueSize is how many packets wait for one peer; the oldest gives way.
	queueSize = 64
	// idleAfter is how long an unused connection is kept.
	idleAfter = time.Minute
	// writeWithin bounds one write, and the dial before it: a packet that is
	// later than that is of no use.
	writeWithin = time.Second
	// flushWithin bounds the writing of what waits when the transport closes.
	flushWithin = 200 * time.Millisecond
)

// transport is memberlist's network: names instead of addresses, frames on kept
// connections instead of UDP. It is safe for concurrent use.
type transport struct {
	listener net.Listener
	dial     func(ctx context.Context, addr string) (net.Conn, error)
	addr     func(name string) (string, bool) // where a member lives

	packets chan *memberlist.Packet
	streams chan net.Conn
	ctx     context.Context
	cancel  context.CancelFunc
	work    sync.WaitGroup

	mu    sync.Mutex
	peers map[string]chan []byte
	conns map[net.Conn]bool // accepted
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

func newTransport(l net.Listener, dial func(context.Context, string) (net.Conn, error), addr func(string) (string, bool)) *transport {
	t := &transport{
		listener: l, dial: dial, addr: addr,
		packets: make(chan *memberlist.Packet), streams: make(chan net.Conn),
		peers: make(map[string]chan []byte), conns: make(map[net.Conn]bool),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.work.Go(t.accept)
	return t
}

// nowhere is the address that memberlist gossips for everybody: names lead.
var nowhere = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}

// FinalAdvertiseAddr returns the address that stands for all addresses.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return nowhere.IP.To4(), nowhere.Port, nil
}

// WriteTo is not used by a memberlist that requires names.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// DialTimeout is not used by a memberlist that requires names.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// PacketCh returns the packets that arrive.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh returns the streams that arrive.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// WriteToAddress queues a packet and never blocks. A lost packet is no error.
func (t *transport) WriteToAddress(b []byte, to memberlist.Address) (time.Time, error) {
	if len(b) > maxPacket {
		return time.Time{}, fmt.Errorf("packet of %d bytes to %s", len(b), to.Name)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil {
		return time.Time{}, net.ErrClosed
	}
	queue := t.peers[to.Name]
	if queue == nil {
		queue = make(chan []byte, queueSize)
		t.peers[to.Name] = queue
		t.work.Go(func() { t.send(to.Name, queue) })
	}
	for {
		select {
		case queue <- frame(b):
			return time.Now(), nil
		default:
		}
		select {
		case <-queue:
		default:
		}
	}
}

// send writes a peer's packets until none came for a while.
func (t *transport) send(name string, queue chan []byte) {
	var conn net.Conn
	drop := func() {
		if conn != nil {
			_ = conn.Close()
			conn = nil
		}
	}
	defer func() { drop() }()
	idle := time.NewTimer(idleAfter)
	defer idle.Stop()
	for {
		select {
		case b := <-queue:
			if conn == nil {
				conn, _ = t.open(t.ctx, name, packets, writeWithin)
			}
			if conn == nil {
				break
			}
			_ = conn.SetWriteDeadline(time.Now().Add(writeWithin))
			if _, err := conn.Write(b); err != nil {
				drop()
			}
			idle.Reset(idleAfter)
		case <-idle.C:
			t.mu.Lock()
			if len(queue) == 0 {
				delete(t.peers, name)
				t.mu.Unlock()
				return
			}
			t.mu.Unlock()
			idle.Reset(idleAfter)
		case <-t.ctx.Done():
			flush(conn, queue)
			return
		}
	}
}

// flush writes what waits: the last packets of a node tell that it leaves.
func flush(conn net.Conn, queue chan []byte) {
	if conn == nil {
		return
	}
	_ = conn.SetWriteDeadline(time.Now().Add(flushWithin))
	for {
		select {
		case b := <-queue:
			if _, err := conn.Write(b); err != nil {
				return
			}
		default:
			return
		}
	}
}

// open connects to a member.
func (t *transport) open(ctx context.Context, name string, kind byte, timeout time.Duration) (net.Conn, error) {
	addr, ok := t.addr(name)
	if !ok {
		return nil, fmt.Errorf("%q is no member", name)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := t.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	_ = conn.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := conn.Write([]byte{kind}); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, conn.SetWriteDeadline(time.Time{})
}

// DialAddressTimeout opens a stream to a member.
func (t *transport) DialAddressTimeout(to memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.open(t.ctx, to.Name, stream, timeout)
}

// own opens a stream to this node's own memberlist.
func (t *transport) own() (net.Conn, error) {
	mine, theirs := net.Pipe()
	select {
	case t.streams <- theirs:
		return mine, nil
	case <-t.ctx.Done():
		_, _ = mine.Close(), theirs.Close()
		return nil, net.ErrClosed
	}
}

func (t *transport) accept() {
	for {
		c, err := t.listener.Accept()
		if err != nil {
			return // the port goes on after errors that pass
		}
		t.mu.Lock()
		if t.ctx.Err() != nil {
			t.mu.Unlock()
			_ = c.Close()
			return
		}
		t.conns[c] = true
		t.mu.Unlock()
		t.work.Go(func() { t.serve(c) })
	}
}

// serve reads a connection that a peer opened. A stream becomes memberlist's.
func (t *transport) serve(c net.Conn) {
	passed := false
	defer func() {
		t.mu.Lock()
		delete(t.conns, c)
		t.mu.Unlock()
		if !passed {
			_ = c.Close()
		}
	}()
	var kind [1]byte
	_ = c.SetReadDeadline(time.Now().Add(2 * idleAfter))
	if _, err := c.Read(kind[:]); err != nil {
		return
	}
	switch kind[0] {
	case stream:
		_ = c.SetReadDeadline(time.Time{})
		select {
		case t.streams <- c:
			passed = true
		case <-t.ctx.Done():
		}
	case packets:
		for r := bufio.NewReader(c); ; {
			_ = c.SetReadDeadline(time.Now().Add(2 * idleAfter))
			b, err := readFrame(r)
			if err != nil {
				return
			}
			select {
			case t.packets <- &memberlist.Packet{Buf: b, From: c.RemoteAddr(), Timestamp: time.Now()}:
			case <-t.ctx.Done():
				return
			}
		}
	}
}

// Shutdown ends the transport and waits for its goroutines. It is idempotent.
func (t *transport) Shutdown() error {
	t.mu.Lock()
	t.cancel()
	for c := range t.conns {
		_ = c.Close()
	}
	t.mu.Unlock()
	err := t.listener.Close()
	t.work.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

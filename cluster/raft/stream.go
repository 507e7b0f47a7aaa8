package raft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	hraft "github.com/hashicorp/raft"
)

// maxName bounds a server's name, in bytes: it is sent with its length in one byte.
const maxName = 255

// A stream is the transport's view of the network. Each connection begins with the name of the server
// it is meant for, and another server refuses it: a node that lost its data and came back at the same
// address must not vote or acknowledge for the server it was.
type stream struct {
	net.Listener
	id    string
	where func(server string) string
	dial  func(context.Context, string) (net.Conn, error)

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
}

// Addr returns this server's name, which stands for its address in all that raft says and keeps.
func (s *stream) Addr() net.Addr { return address(s.id) }

type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// Dial connects to a server.
func (s *stream) Dial(id hraft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	addr := s.where(string(id))
	if addr == "" {
		return nil, fmt.Errorf("dial server %s: nobody has said where it is", id)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := s.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	err = conn.SetWriteDeadline(time.Now().Add(timeout))
	if err == nil {
		_, err = conn.Write(append([]byte{byte(len(id))}, id...))
	}
	if err == nil {
		err = conn.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("dial server %s at %s: %w", id, addr, err), conn.Close())
	}
	return s.track(conn, true)
}

// Accept returns the next connection. Whom it is meant for is read with its first bytes, so that a
// silent one holds up nobody.
func (s *stream) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return s.track(conn, false)
}

func (s *stream) track(conn net.Conn, greeted bool) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	s.conns[conn] = struct{}{}
	return &streamConn{Conn: conn, stream: s, greeted: greeted}, nil
}

// Close ends the listener and every connection; the transport would leave those it accepted open.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
	return s.Listener.Close()
}

// A streamConn is read by one goroutine.
type streamConn struct {
	net.Conn
	stream  *stream
	greeted bool
}

func (c *streamConn) Read(b []byte) (int, error) {
	if !c.greeted {
		var name [1 + maxName]byte
		if _, err := io.ReadFull(c.Conn, name[:1]); err != nil {
			return 0, err
		}
		id := name[1 : 1+int(name[0])]
		if _, err := io.ReadFull(c.Conn, id); err != nil {
			return 0, err
		}
		if string(id) != c.stream.id {
			return 0, fmt.Errorf("connection from %s is meant for server %q, this is %q", c.RemoteAddr(), id, c.stream.id)
		}
		c.greeted = true
	}
	return c.Conn.Read(b)
}

func (c *streamConn) Close() error {
	c.stream.mu.Lock()
	delete(c.stream.conns, c.Conn)
	c.stream.mu.Unlock()
	return c.Conn.Close()
}

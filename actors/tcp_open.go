package actors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/dee2748c/baton/messages"
)

// streamMark is the first byte of a stream's connection, in clear. gRPC begins with another, 'P', and so does TLS.
const streamMark = 0xBA

// forking are the server's credentials, which every connection passes first: those that begin as a stream leave gRPC here.
type forking struct {
	credentials.TransportCredentials
	take func(net.Conn)
}

// ServerHandshake looks at the first byte.
func (f forking) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	var first [1]byte
	if _, err := io.ReadFull(c, first[:]); err != nil {
		return nil, nil, err
	}
	if first[0] == streamMark {
		f.take(c)
		return nil, nil, credentials.ErrConnDispatched
	}
	return f.TransportCredentials.ServerHandshake(&begun{Conn: c, first: first[:]})
}

// begun is a connection whose first bytes were read already.
type begun struct {
	net.Conn
	first []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.first)
	b.first = b.first[n:]
	return n, nil
}

// admitWork counts a stream among what Close waits for. The caller calls t.work.Done when it has ended.
func (t *GRPC) admitWork() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		return fmt.Errorf("transport of %s: %w", t.opts.Node, messages.ErrClosed)
	}
	t.work.Add(1)
	return nil
}

// OpenStream opens a stream on a connection of its own, so that bulk data never delays a link.
func (t *GRPC) OpenStream(ctx context.Context, to Peer) (Stream, error) {
	if err := t.admitWork(); err != nil {
		return nil, fmt.Errorf("open stream to %s: %w", to.Node, err)
	}
	s, err := t.openStream(ctx, to)
	if err != nil {
		t.work.Done()
		if refused(err) {
			t.stats.refused.Add(1)
		}
		return nil, fmt.Errorf("open stream to %s at %s: %w", to.Node, to.Addr, err)
	}
	s.begin(ctx)
	unhook := context.AfterFunc(t.ctx, func() { s.cancel(context.Cause(t.ctx)) })
	context.AfterFunc(s.ctx, func() {
		unhook()
		t.work.Done()
	})
	return s, nil
}

// openStream connects and does the opening side of the handshake, within its time.
func (t *GRPC) openStream(ctx context.Context, to Peer) (*tcpStream, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, t.opts.HandshakeTimeout,
		fmt.Errorf("no answer within %v: %w", t.opts.HandshakeTimeout, messages.ErrUnavailable))
	defer cancel()
	conn, err := t.opts.Dial(ctx, to.Addr)
	if err != nil {
		return nil, lost(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	s, err := t.greetStream(ctx, conn, to)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, lost(ctx, err)
	}
	return s, nil
}

// lost gives the failure of a connection that was being made a type, if it has none.
func lost(ctx context.Context, err error) error {
	var typed *messages.Error
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &typed) || refused(err):
		return err
	}
	return fmt.Errorf("%w: %w", messages.ErrUnavailable, err)
}

func (t *GRPC) greetStream(ctx context.Context, conn net.Conn, to Peer) (*tcpStream, error) {
	if _, err := conn.Write([]byte{streamMark}); err != nil {
		return nil, err
	}
	secured, _, err := t.opts.ClientCredentials.ClientHandshake(ctx, to.Addr, conn)
	if err != nil {
		return nil, err
	}
	s := newTCPStream(t, secured, to, true)
	hello, err := t.id.hello(to)
	if err != nil {
		return nil, err
	}
	if err := s.write(hello); err != nil {
		return nil, err
	}
	if err := s.sane(); err != nil {
		return nil, err
	}
	reply, err := s.first()
	if err != nil {
		return nil, err
	}
	return s, t.id.check(reply, to)
}

// tlsAlert is the first byte of what a server that wants TLS answers to anything else.
const tlsAlert = 0x15

// sane looks whether the peer answers as a node does. One of another release may close the connection, or speak gRPC.
func (s *tcpStream) sane() error {
	b, err := s.r.Peek(2)
	switch {
	case err != nil:
		return err
	case b[0] == tlsAlert:
		return fmt.Errorf("the peer wants TLS: %w", messages.ErrUnavailable)
	case !messages.IsFrame(b):
		return fmt.Errorf("answers with % x, which is no frame: %w", b, messages.ErrVersion)
	}
	return nil
}

// first reads the frame of a handshake.
func (s *tcpStream) first() (messages.Frame, error) {
	b, err := s.read(maxGreeting)
	if err != nil {
		return messages.Frame{}, err
	}
	f, _, err := messages.ParseFrame(b, &s.in.names)
	if err != nil {
		s.t.stats.damaged.Add(1)
	}
	return f, err
}

// takeStream serves a connection that began as a stream.
func (t *GRPC) takeStream(conn net.Conn) {
	if t.admitWork() != nil {
		_ = conn.Close()
		return
	}
	go func() {
		defer t.work.Done()
		defer conn.Close()
		ctx, cancel := context.WithTimeout(t.ctx, t.opts.HandshakeTimeout)
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		s, err := t.acceptStream(conn)
		ended := !stop()
		if cancel(); ended || err != nil {
			return
		}
		s.begin(t.ctx)
		s.finish((*t.handler.Load()).HandleStream(s))
	}()
}

// acceptStream is the accepting side of the handshake.
func (t *GRPC) acceptStream(conn net.Conn) (*tcpStream, error) {
	// gRPC gave the connection a time for its own handshake.
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	secured, _, err := t.opts.ServerCredentials.ServerHandshake(conn)
	if err != nil {
		return nil, err
	}
	s := newTCPStream(t, secured, Peer{}, false)
	first, err := s.first()
	if err != nil {
		return nil, err
	}
	peer, reply, refusal := t.id.accept(first)
	if refusal != nil {
		t.tell(LinkEvent{Peer: peer, Inbound: true, Err: refusal})
	}
	s.peer = peer
	if err := s.write(reply); err != nil {
		return nil, err
	}
	return s, refusal
}

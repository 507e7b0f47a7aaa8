package actors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"

	"github.com/dee2748c/baton/messages"
)

// serviceDesc describes the one service of a node by hand: nothing is generated, because nothing is marshalled.
var serviceDesc = grpc.ServiceDesc{
	ServiceName: "baton.Node",
	HandlerType: (*nodeService)(nil),
	Streams: []grpc.StreamDesc{
		{StreamName: "Peer", Handler: handlePeer, ServerStreams: true, ClientStreams: true},
	},
}

const peerMethod = "/baton.Node/Peer"

type nodeService interface {
	servePeer(s grpc.ServerStream) error
}

func handlePeer(srv any, s grpc.ServerStream) error {
	return toStatus(srv.(nodeService).servePeer(s))
}

// servePeer is the receiving end of a peer's link.
func (t *GRPC) servePeer(s grpc.ServerStream) error {
	in := &inbound{id: t.id, stats: &t.stats}
	peer, err := t.greet(s, in)
	if err != nil {
		return err
	}
	h := *t.handler.Load()
	var m inMessage
	for {
		if err := s.RecvMsg(&m); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fromStatus(err)
		}
		if err := in.deliver(m.bytes, h); err != nil {
			t.tell(LinkEvent{Peer: peer, Inbound: true, Err: err})
			return err
		}
	}
}

// greet is the accepting side of a handshake.
func (t *GRPC) greet(s grpc.ServerStream, in *inbound) (Peer, error) {
	var m inMessage
	if err := s.RecvMsg(&m); err != nil {
		return Peer{}, fromStatus(err)
	}
	first, _, err := messages.ParseFrame(m.bytes, &in.names)
	if err != nil {
		t.stats.damaged.Add(1)
		return Peer{}, err
	}
	peer, reply, refusal := t.id.accept(first)
	if refusal != nil {
		t.tell(LinkEvent{Peer: peer, Inbound: true, Err: refusal})
	}
	out, err := single(&reply)
	if err != nil {
		return peer, err
	}
	if err := s.SendMsg(out); err != nil {
		return peer, fromStatus(err)
	}
	return peer, refusal
}

// refused reports whether a handshake ended with err.
func refused(err error) bool {
	for _, refusal := range []error{
		messages.ErrVersion, messages.ErrClusterMismatch, messages.ErrWrongNode, messages.ErrIncarnation,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// newClient makes a connection to one address. It reconnects never: whoever opened it opens another.
func (t *GRPC) newClient(addr string) (*grpc.ClientConn, error) {
	cc, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(t.opts.ClientCredentials),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return t.opts.Dial(ctx, addr) }),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(frameCodec{}),
			grpc.MaxCallRecvMsgSize(maxMessageSize), grpc.MaxCallSendMsgSize(maxMessageSize)),
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connWindow),
		grpc.WithWriteBufferSize(ioBuffer),
		grpc.WithReadBufferSize(ioBuffer),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithIdleTimeout(0),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: t.opts.HandshakeTimeout}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: keepaliveEvery, Timeout: keepaliveWait, PermitWithoutStream: true,
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %v: %w", addr, err, messages.ErrInvalid)
	}
	return cc, nil
}

var streamDesc = grpc.StreamDesc{ServerStreams: true, ClientStreams: true}

// open opens a stream on cc and does the opening side of the handshake.
func (t *GRPC) open(ctx context.Context, cc *grpc.ClientConn, to Peer) (grpc.ClientStream, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(t.opts.HandshakeTimeout, func() {
		cancel(fmt.Errorf("no answer within %v: %w", t.opts.HandshakeTimeout, messages.ErrUnavailable))
	})
	s, err := t.shakeHands(ctx, cc, to)
	if err == nil && !late.Stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		late.Stop()
		err = fmt.Errorf("connect to %s at %s: %w", to.Node, to.Addr, causeOf(ctx, err))
		cancel(err)
		return nil, err
	}
	context.AfterFunc(s.Context(), func() { cancel(nil) })
	return s, nil
}

func (t *GRPC) shakeHands(ctx context.Context, cc *grpc.ClientConn, to Peer) (grpc.ClientStream, error) {
	s, err := cc.NewStream(ctx, &streamDesc, peerMethod)
	if err != nil {
		return nil, fromStatus(err)
	}
	hello, err := t.id.hello(to)
	if err != nil {
		return nil, err
	}
	out, err := single(&hello)
	if err != nil {
		return nil, err
	}
	// When sending fails, receiving tells why.
	if err := s.SendMsg(out); err != nil && !errors.Is(err, io.EOF) {
		return nil, fromStatus(err)
	}
	var m inMessage
	if err := s.RecvMsg(&m); err != nil {
		return nil, fromStatus(err)
	}
	reply, _, err := messages.ParseFrame(m.bytes, nil)
	if err != nil {
		t.stats.damaged.Add(1)
		return nil, err
	}
	return s, t.id.check(reply, to)
}

// grpcConn is the sending end of a link.
type grpcConn struct {
	cc     *grpc.ClientConn
	stream grpc.ClientStream
	gone   chan struct{}
	err    error // why the stream ended; written before gone is closed
}

// dialLink connects to a peer for a link.
func (t *GRPC) dialLink(ctx context.Context, to Peer) (linkConn, error) {
	cc, err := t.newClient(to.Addr)
	if err != nil {
		return nil, err
	}
	s, err := t.open(ctx, cc, to)
	if err != nil {
		_ = cc.Close()
		return nil, err
	}
	c := &grpcConn{cc: cc, stream: s, gone: make(chan struct{})}
	go c.watch()
	return c, nil
}

// watch waits for the end of the stream, which is all that the peer ever says on it. It ends when the connection closes.
func (c *grpcConn) watch() {
	var m inMessage
	err := c.stream.RecvMsg(&m)
	for err == nil {
		err = c.stream.RecvMsg(&m)
	}
	if c.err = fromStatus(err); errors.Is(err, io.EOF) {
		c.err = fmt.Errorf("link ended by the peer: %w", messages.ErrClosed)
	}
	close(c.gone)
}

func (c *grpcConn) write(frames []messages.Frame) (int, error) {
	for written := 0; written < len(frames); {
		m, n, err := pack(frames[written:])
		if err != nil {
			return written, err
		}
		if err := c.stream.SendMsg(m); err != nil {
			if !errors.Is(err, io.EOF) {
				return written, fromStatus(err)
			}
			<-c.gone
			return written, c.err
		}
		written += n
	}
	return len(frames), nil
}

func (c *grpcConn) lost() <-chan struct{} { return c.gone }

func (c *grpcConn) cause() error { return c.err }

// finish relies on the peer's answer to the end of the stream, which comes after it has taken all frames before.
func (c *grpcConn) finish(ctx context.Context) {
	if err := c.stream.CloseSend(); err == nil {
		select {
		case <-c.gone:
		case <-ctx.Done():
		}
	}
	c.abort()
}

// abort closes the connection and waits for the goroutine that watched it.
func (c *grpcConn) abort() {
	_ = c.cc.Close()
	<-c.gone
}

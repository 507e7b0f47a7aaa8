package actors

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/dee2748c/baton/messages"
)

// GRPCOptions configure the transport over gRPC.
type GRPCOptions struct {
	TransportOptions
	// Listener takes the place of listening at Addr; the transport closes it. Default: listen on TCP.
	Listener net.Listener
	// Dial makes connections to peers; default TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// ServerCredentials and ClientCredentials secure connections; default none.
	ServerCredentials, ClientCredentials credentials.TransportCredentials
}

// GRPC is the Transport of production: gRPC streams for the links, and a bare connection for each transfer, which costs a
// fraction of gRPC's CPU time for bulk data. Both are accepted at one address; the first byte tells them apart.
//
//	A                                               B
//	link   --- stream Peer: Hello ----------------> accept
//	       <--------------- HelloReply ------------
//	       --- frames, packed into messages ------> HandleFrame     one per direction and pair of nodes
//	stream --- BA, [TLS,] Hello ------------------> accept
//	       <--------------- HelloReply ------------
//	       <-- frames -------------------- frames -> HandleStream   one per transfer, on a connection of its own
type GRPC struct {
	opts     GRPCOptions
	id       *identity
	stats    counters
	links    *links
	listener net.Listener
	server   *grpc.Server
	handler  atomic.Pointer[Handler]

	// ctx ends when the transport closes, and with it all streams.
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	closing bool
	closed  chan struct{} // closed when all goroutines have ended
	work    sync.WaitGroup
}

var _ Transport = (*GRPC)(nil)

// The flow-control and buffer sizes of all connections.
const (
	streamWindow   = 4 << 20
	connWindow     = 16 << 20
	ioBuffer       = 128 << 10
	keepaliveEvery = 10 * time.Second
	keepaliveWait  = 3 * time.Second
)

// NewGRPC listens at the options' address. Nothing is delivered before Serve. The error is messages.ErrInvalid, or
// ErrAddrInUse when another process listens there.
func NewGRPC(opts GRPCOptions) (*GRPC, error) {
	opts.TransportOptions = opts.withDefaults()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if opts.ServerCredentials == nil {
		opts.ServerCredentials = insecure.NewCredentials()
	}
	if opts.ClientCredentials == nil {
		opts.ClientCredentials = insecure.NewCredentials()
	}
	if opts.Dial == nil {
		opts.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		}
	}
	if opts.Listener == nil {
		l, err := listen(opts.Addr)
		if err != nil {
			return nil, err
		}
		opts.Listener = l
	}
	t := &GRPC{opts: opts, listener: opts.Listener, closed: make(chan struct{})}
	t.id = newIdentity(opts.TransportOptions, t.Addr())
	t.links = newLinks(t.id, &t.stats, t.dialLink, t.tell)
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	t.server = newServer(forking{opts.ServerCredentials, t.takeStream})
	t.server.RegisterService(&serviceDesc, t)
	return t, nil
}

func listen(addr string) (net.Listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %s: %w: stop the process that uses it or choose another address", addr, ErrAddrInUse)
	case err != nil:
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return l, nil
}

func newServer(creds credentials.TransportCredentials) *grpc.Server {
	return grpc.NewServer(
		grpc.Creds(creds),
		grpc.ForceServerCodecV2(frameCodec{}),
		grpc.MaxRecvMsgSize(maxMessageSize),
		grpc.MaxSendMsgSize(maxMessageSize),
		grpc.InitialWindowSize(streamWindow),
		grpc.InitialConnWindowSize(connWindow),
		grpc.WriteBufferSize(ioBuffer),
		grpc.ReadBufferSize(ioBuffer),
		grpc.WaitForHandlers(true),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveEvery, Timeout: keepaliveWait}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveEvery / 2, PermitWithoutStream: true}),
	)
}

// Serve begins to accept peers and to deliver to h.
func (t *GRPC) Serve(h Handler) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		return fmt.Errorf("serve on %s: transport: %w", t.Addr(), messages.ErrClosed)
	}
	if !t.handler.CompareAndSwap(nil, &h) {
		return fmt.Errorf("serve on %s a second time: %w", t.Addr(), messages.ErrInvalid)
	}
	t.work.Go(func() {
		// A listener that breaks leaves the node unreachable; its peers' liveness finds that out.
		_ = t.server.Serve(t.listener)
	})
	return nil
}

// Addr returns the listener's address.
func (t *GRPC) Addr() string { return t.listener.Addr().String() }

// Send queues a frame for the peer.
func (t *GRPC) Send(to Peer, f messages.Frame) error { return t.links.send(to, f) }

// Stats returns counters since the start.
func (t *GRPC) Stats() TransportStats { return t.stats.snapshot() }

// tell passes a link event on and counts refusals.
func (t *GRPC) tell(e LinkEvent) {
	if refused(e.Err) {
		t.stats.refused.Add(1)
	}
	if h := t.handler.Load(); h != nil {
		(*h).HandleLink(e)
	}
}

// Close ends the transport. When ctx ends first, it returns the context's error, and the rest ends on its own.
func (t *GRPC) Close(ctx context.Context) error {
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
		return fmt.Errorf("close transport of %s: %w", t.opts.Node, context.Cause(ctx))
	}
}

func (t *GRPC) shutdown(ctx context.Context) {
	t.links.close(ctx)
	t.cancel(fmt.Errorf("transport of %s: %w", t.opts.Node, messages.ErrClosed))
	t.server.Stop()
	// Before Serve the server doesn't know the listener.
	_ = t.listener.Close()
	t.work.Wait()
	close(t.closed)
}

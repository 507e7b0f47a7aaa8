package port

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Options configure a Port.
type Options struct {
	// Node is this node's name, 1 to MaxNodeName bytes; required.
	Node ring.NodeID
	// Addr is where to listen, host:port; default a free port of the loopback.
	Addr string
	// Listener takes the place of listening at Addr; the port closes it.
	Listener net.Listener
	// DialTimeout bounds Dial, connection and preface together; default 5 s.
	DialTimeout time.Duration
	// PrefaceTimeout bounds how long an accepted connection may take over its
	// preface; default 5 s.
	PrefaceTimeout time.Duration
	// MaxPrefaces is how many connections may be in their preface; the oldest
	// gives way to a newer one. Default 256.
	MaxPrefaces int
	// Wrap secures a connection after its preface, on both sides, within the
	// time of the preface; default none. On an error it leaves conn alone.
	Wrap func(conn net.Conn, server bool) (net.Conn, error)
	// Logger takes refusals; default slog.Default.
	Logger *slog.Logger
}

const defaultTimeout = 5 * time.Second

func (o *Options) fill() error {
	if _, err := AppendPreface(nil, Preface{Node: o.Node}); err != nil {
		return fmt.Errorf("listen on %s: %w", o.Addr, err)
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = defaultTimeout
	}
	if o.PrefaceTimeout <= 0 {
		o.PrefaceTimeout = defaultTimeout
	}
	if o.MaxPrefaces <= 0 {
		o.MaxPrefaces = 256
	}
	if o.Wrap == nil {
		o.Wrap = func(conn net.Conn, _ bool) (net.Conn, error) { return conn, nil }
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

// A Port is one listening address for all protocols. It is safe for concurrent
// use.
type Port struct {
	opts     Options
	listener net.Listener
	work     sync.WaitGroup
	ctx      context.Context // ends with the port
	cancel   context.CancelCauseFunc

	mu       sync.Mutex
	cluster  topology.ClusterID
	queues   map[Protocol]*queue
	prefaces []net.Conn // accepted and not yet answered, oldest first
}

// Listen opens a port. The error is ErrAddrInUse when another process listens
// at the address, ErrPreface for a bad node name, or the network's.
func Listen(opts Options) (*Port, error) {
	if err := opts.fill(); err != nil {
		return nil, err
	}
	if opts.Listener == nil {
		l, err := net.Listen("tcp", opts.Addr)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			return nil, fmt.Errorf("listen on %s: %w: stop the process that uses it or choose another address",
				opts.Addr, ErrAddrInUse)
		case err != nil:
			return nil, fmt.Errorf("listen on %s: %w", opts.Addr, err)
		}
		opts.Listener = l
	}
	p := &Port{opts: opts, listener: opts.Listener, queues: make(map[Protocol]*queue)}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	p.work.Go(p.accept)
	return p, nil
}

// SetCluster makes id the cluster that this node belongs to, for connections
// that begin afterwards.
func (p *Port) SetCluster(id topology.ClusterID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cluster = id
}

// Cluster returns the cluster that this node belongs to; zero before SetCluster.
func (p *Port) Cluster() topology.ClusterID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cluster
}

// Addr returns the address that the port listens at.
func (p *Port) Addr() string { return p.listener.Addr().String() }

// Listener returns the listener of one protocol, which yields connections past
// their preface. Closing it leaves the port open, and the protocol free for
// another listener. While one is open, another's Accept returns ErrTaken, and
// that of an unknown protocol ErrProtocol.
func (p *Port) Listener(proto Protocol) net.Listener {
	q := newQueue(proto, p.listener.Addr())
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.queues[proto]
	switch {
	case p.ctx.Err() != nil:
		q.end(context.Cause(p.ctx))
	case !proto.known():
		q.end(fmt.Errorf("listen for %v: %w", proto, ErrProtocol))
	case old != nil && old.open():
		q.end(fmt.Errorf("listen for %v at %v: %w", proto, q.addr, ErrTaken))
	default:
		p.queues[proto] = q
	}
	return q
}

// Close ends the port, its listeners and what waits in them, and returns when
// its goroutines have ended. Connections that were taken belong to the takers.
// It is idempotent.
func (p *Port) Close() error {
	p.mu.Lock()
	p.cancel(fmt.Errorf("%w at %s: %w", ErrClosed, p.Addr(), net.ErrClosed))
	for _, c := range p.prefaces {
		_ = c.Close()
	}
	for _, q := range p.queues {
		q.end(context.Cause(p.ctx))
	}
	p.mu.Unlock()
	err := p.listener.Close()
	p.work.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// accept takes connections until the port closes. An error of one Accept (out
// of file descriptors, a connection that was reset early) only makes it pause.
func (p *Port) accept() {
	pause := time.Duration(0)
	for {
		c, err := p.listener.Accept()
		switch {
		case p.ctx.Err() != nil:
			if err == nil {
				_ = c.Close()
			}
			return
		case err == nil:
			pause = 0
			p.admit(c)
			continue
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		p.opts.Logger.Warn("cluster port: accept failed", "addr", p.Addr(), "err", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-p.ctx.Done():
		}
	}
}

// admit gives a connection a place among the prefaces, the oldest one's when
// none is free: an honest dialer needs a round trip, a silent one all the time
// that it gets.
func (p *Port) admit(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		_ = c.Close()
		return
	}
	if len(p.prefaces) >= p.opts.MaxPrefaces {
		_ = p.prefaces[0].Close()
		p.prefaces = slices.Delete(p.prefaces, 0, 1)
	}
	p.prefaces = append(p.prefaces, c)
	p.work.Go(func() {
		err := p.greet(c)
		p.mu.Lock()
		defer p.mu.Unlock()
		if i := slices.Index(p.prefaces, c); i >= 0 {
			p.prefaces = slices.Delete(p.prefaces, i, i+1)
		}
		if err != nil {
			_ = c.Close()
			p.opts.Logger.Warn("cluster port: connection refused", "addr", p.Addr(), "err", err)
		}
	})
}

// greet is the accepting side of a preface.
func (p *Port) greet(c net.Conn) error {
	from := c.RemoteAddr().String()
	if err := c.SetDeadline(time.Now().Add(p.opts.PrefaceTimeout)); err != nil {
		return err
	}
	preface, err := ReadPreface(c)
	if errors.Is(err, ErrVersion) {
		_, _ = c.Write(appendAnswer(nil, badVersion, p.Cluster()))
	}
	if err != nil {
		// Scanners and health checks come and go like this.
		p.opts.Logger.Debug("cluster port: no preface", "addr", p.Addr(), "from", from, "err", err)
		return c.Close()
	}
	v, q, cluster := p.judge(preface)
	if _, err := c.Write(appendAnswer(nil, v, cluster)); err != nil {
		if v == accepted {
			q.release()
		}
		return fmt.Errorf("answer %s: %w", from, err)
	}
	switch v {
	case accepted:
	case otherCluster:
		return &ClusterError{Local: cluster, Remote: preface.Cluster, Addr: from}
	default:
		return fmt.Errorf("%v from %s at %s: %w", preface.Protocol, preface.Node, from, verdicts[v])
	}
	wrapped, err := p.opts.Wrap(c, true)
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	if err != nil {
		q.release()
		return fmt.Errorf("secure %v from %s at %s: %w", preface.Protocol, preface.Node, from, err)
	}
	q.deliver(wrapped)
	return nil
}

// judge decides about a preface, and reserves a place for one that it accepts.
func (p *Port) judge(preface Preface) (verdict, *queue, topology.ClusterID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v := judge(p.cluster, preface.Cluster, preface.Protocol); v != accepted {
		return v, nil, p.cluster
	}
	q := p.queues[preface.Protocol]
	if q == nil {
		return notServed, nil, p.cluster
	}
	return q.reserve(), q, p.cluster
}

// Dial connects to the node at addr for one protocol. The errors are a
// *ClusterError, ErrNoCluster, ErrProtocol, ErrVersion, ErrNotServed, ErrBusy
// (which the node answered), ErrNotPort, ErrClosed, or the network's.
func (p *Port) Dial(ctx context.Context, addr string, proto Protocol) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.opts.DialTimeout)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	conn, err := p.dial(ctx, addr, proto)
	switch {
	case err == nil:
		return conn, nil
	case p.ctx.Err() != nil:
		err = context.Cause(p.ctx)
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return nil, fmt.Errorf("connect to %s for %v: %w", addr, proto, err)
}

func (p *Port) dial(ctx context.Context, addr string, proto Protocol) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	// A cancelled preface fails at once; a deadline that is long past does that.
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	conn, err := p.introduce(c, addr, proto)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return conn, nil
}

// introduce is the dialing side of a preface.
func (p *Port) introduce(c net.Conn, addr string, proto Protocol) (net.Conn, error) {
	local := p.Cluster()
	out, err := AppendPreface(nil, Preface{Protocol: proto, Cluster: local, Node: p.opts.Node})
	if err != nil {
		return nil, err
	}
	if _, err := c.Write(out); err != nil {
		return nil, err
	}
	v, remote, err := readAnswer(c)
	if err != nil {
		return nil, err
	}
	if v == accepted {
		v = judge(local, remote, proto)
	}
	switch v {
	case accepted:
		return p.opts.Wrap(c, false)
	case otherCluster:
		return nil, &ClusterError{Local: local, Remote: remote, Addr: addr}
	}
	if err := verdicts[v]; err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("refused for reason %d: %w", v, ErrVersion)
}

package netfault

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/dee2748c/baton/cluster/port"
	"github.com/dee2748c/baton/cluster/ring"
)

// A link is one connection through a proxy.
type link struct {
	way    pair // from the dialer to the node behind the proxy
	ctx    context.Context
	cancel context.CancelFunc
}

// close ends the link: its goroutines close the connections.
func (l *link) close() { l.cancel() }

const (
	prefaceWithin = 10 * time.Second
	answerSize    = 21 // of the cluster port's answer to a preface
)

func (n *Network) accept(node ring.NodeID, l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		n.work.Go(func() { n.serve(node, c) })
	}
}

// serve carries one connection until it ends.
func (n *Network) serve(to ring.NodeID, dialer net.Conn) {
	defer dialer.Close()
	stop := context.AfterFunc(n.ctx, func() { _ = dialer.Close() })
	defer stop()
	_ = dialer.SetReadDeadline(time.Now().Add(prefaceWithin))
	var head bytes.Buffer
	preface, err := port.ReadPreface(io.TeeReader(dialer, &head))
	if err != nil {
		return
	}
	_ = dialer.SetReadDeadline(time.Time{})

	k := &link{way: pair{preface.Node, to}}
	k.ctx, k.cancel = context.WithCancel(n.ctx)
	defer k.cancel()
	n.mu.Lock()
	n.links[k] = true
	n.passed[k.way] -= head.Len() // it is carried like what follows
	target := n.targets[to]
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.links, k)
	}()
	// A dialer that gave up during a cut is noticed when the preface may pass.
	if _, err := n.admit(k.ctx, k.way, 0, head.Len()); err != nil {
		return
	}
	var d net.Dialer
	acceptor, err := d.DialContext(k.ctx, "tcp", target)
	if err != nil {
		return
	}
	defer acceptor.Close()
	defer context.AfterFunc(k.ctx, func() { _, _ = dialer.Close(), acceptor.Close() })()
	var ways sync.WaitGroup
	greeting := head.Len()
	ways.Go(func() { n.carry(k, k.way, acceptor, io.MultiReader(&head, dialer), greeting) })
	ways.Go(func() { n.carry(k, pair{to, preface.Node}, dialer, acceptor, answerSize) })
	ways.Wait()
}

// carry moves one direction's bytes under its rule, and its end as well. The
// first greeting bytes are no part of a protocol.
func (n *Network) carry(k *link, way pair, dst net.Conn, src io.Reader, greeting int) {
	buf := make([]byte, 32<<10)
	for {
		size, err := src.Read(buf)
		n.wait(k.ctx, way)
		for rest := buf[:size]; len(rest) > 0; {
			pass, err := n.admit(k.ctx, way, len(rest), greeting)
			if err != nil {
				return
			}
			if _, err := dst.Write(rest[:pass]); err != nil {
				k.close()
				return
			}
			rest, greeting = rest[pass:], max(0, greeting-pass)
		}
		if err == nil {
			continue
		}
		if _, held := n.admit(k.ctx, way, 0, 0); held != nil {
			return
		}
		if err != io.EOF {
			k.close()
			return
		}
		_ = dst.(*net.TCPConn).CloseWrite()
		return
	}
}

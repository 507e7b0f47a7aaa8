package swim_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/swim"
	"github.com/dee2748c/baton/cluster/topology"
)

// patience ends a test that is stuck; no verdict depends on it.
const patience = 60 * time.Second

// network is loopback TCP in which bytes from one node to another can be made
// to vanish. A connection that lost bytes is reset by its next use.
type network struct {
	t       *testing.T
	mu      sync.Mutex
	cut     map[[2]ring.NodeID]bool
	addrs   map[ring.NodeID]string // of running detectors, the record's view
	owners  map[string]ring.NodeID
	running map[ring.NodeID]*swim.Detector
}

func newNetwork(t *testing.T) *network {
	return &network{
		t: t, cut: make(map[[2]ring.NodeID]bool), addrs: make(map[ring.NodeID]string),
		owners: make(map[string]ring.NodeID), running: make(map[ring.NodeID]*swim.Detector),
	}
}

// start opens a detector at a new address and tells all others of it.
func (n *network) start(node ring.NodeID, incarnation uint64) *swim.Detector {
	n.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	d, err := swim.Open(swim.Options{
		Node: node, Incarnation: incarnation, Cluster: topology.ClusterID{1}, Listener: l,
		Dial:       func(ctx context.Context, addr string) (net.Conn, error) { return n.dial(ctx, node, addr) },
		ProbeEvery: 50 * time.Millisecond, AckWithin: 20 * time.Millisecond,
		SuspectFor: 300 * time.Millisecond, RejoinEvery: 400 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { n.stop(node, d) })
	n.mu.Lock()
	n.addrs[node], n.owners[l.Addr().String()], n.running[node] = l.Addr().String(), node, d
	n.mu.Unlock()
	n.tell()
	return d
}

// tell gives every detector the record's members.
func (n *network) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.running {
		d.SetMembers(maps.Clone(n.addrs))
	}
}

func (n *network) stop(node ring.NodeID, d *swim.Detector) {
	n.t.Helper()
	n.mu.Lock()
	if n.running[node] == d {
		delete(n.running, node)
	}
	n.mu.Unlock()
	if err := d.Close(); err != nil {
		n.t.Error(err)
	}
}

// set cuts or heals the way from one node to others.
func (n *network) set(cut bool, from ring.NodeID, to ...ring.NodeID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, t := range to {
		n.cut[[2]ring.NodeID{from, t}] = cut
	}
}

func (n *network) isCut(from, to ring.NodeID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut[[2]ring.NodeID{from, to}]
}

func (n *network) dial(ctx context.Context, from ring.NodeID, addr string) (net.Conn, error) {
	n.mu.Lock()
	to := n.owners[addr]
	n.mu.Unlock()
	if n.isCut(from, to) || n.isCut(to, from) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	return &conn{Conn: c, n: n, from: from, to: to}, err
}

type conn struct {
	net.Conn
	n        *network
	from, to ring.NodeID
	mu       sync.Mutex
	lost     bool
}

// pass reports whether the bytes arrive, and whether the connection is broken.
func (c *conn) pass(from, to ring.NodeID) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n.isCut(from, to) {
		c.lost = true
		return false, nil
	}
	if c.lost {
		_ = c.Conn.Close()
		return false, io.ErrClosedPipe
	}
	return true, nil
}

func (c *conn) Write(b []byte) (int, error) {
	ok, err := c.pass(c.from, c.to)
	if !ok {
		return len(b), err
	}
	return c.Conn.Write(b)
}

func (c *conn) Read(b []byte) (int, error) {
	for {
		k, err := c.Conn.Read(b)
		ok, broken := c.pass(c.to, c.from)
		if ok || err != nil {
			return k, err
		}
		if broken != nil {
			return 0, broken
		}
	}
}

// await waits until the observer believes the reach of every node, and returns
// what else it believed of the last one meanwhile.
func await(t *testing.T, at *swim.Detector, want cluster.Reach, nodes ...ring.NodeID) []cluster.Reach {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var seen []cluster.Reach
	for h := range at.Watch(ctx) {
		all := true
		for _, node := range nodes {
			all = all && h.Of(node) == want
		}
		if all {
			return seen
		}
		seen = append(seen, h.Of(nodes[len(nodes)-1]))
	}
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Fatal("the watch ended")
	}
	t.Fatalf("%v did not become %v; seen: %v", nodes, want, seen)
	return nil
}

package netfault

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
)

// A pair is a direction between two nodes.
type pair struct{ from, to ring.NodeID }

// A rule is what happens to bytes of a pair.
type rule struct {
	cut   bool
	delay time.Duration
	stall bool // after left more bytes
	left  int
	mute  bool // all but prefaces and the answers to them
}

// A Network is a set of proxies and the rules between the nodes behind them. It
// is safe for concurrent use.
type Network struct {
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu        sync.Mutex
	rules     map[pair]rule
	held      map[pair]int  // reads that wait for the way to open
	passed    map[pair]int  // bytes, without prefaces
	changed   chan struct{} // closed and replaced when rules change
	targets   map[ring.NodeID]string
	listeners map[ring.NodeID]net.Listener
	links     map[*link]bool
}

// New returns a network without faults.
func New() *Network {
	n := &Network{
		rules: make(map[pair]rule), changed: make(chan struct{}),
		held: make(map[pair]int), passed: make(map[pair]int),
		targets: make(map[ring.NodeID]string), listeners: make(map[ring.NodeID]net.Listener),
		links: make(map[*link]bool),
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// Proxy opens the proxy of a node and returns the address that the node is to
// advertise. The node's own cluster port is at target; a further call moves it
// and keeps the proxy's address.
func (n *Network) Proxy(node ring.NodeID, target string) (addr string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.targets[node] = target
	l := n.listeners[node]
	if l == nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", fmt.Errorf("proxy of %s: %w", node, err)
		}
		n.listeners[node] = l
		n.work.Go(func() { n.accept(node, l) })
	}
	return l.Addr().String(), nil
}

// Cut lets nothing pass between a and b.
func (n *Network) Cut(a, b ring.NodeID) { n.CutOneWay(a, b); n.CutOneWay(b, a) }

// CutOneWay lets nothing pass from one node to the other; the way back is open.
func (n *Network) CutOneWay(from, to ring.NodeID) {
	n.change(from, to, func(r *rule) { r.cut = true })
}

// Split cuts every node of one side from every node of the other.
func (n *Network) Split(one, other []ring.NodeID) {
	for _, a := range one {
		for _, b := range other {
			n.Cut(a, b)
		}
	}
}

// Delay makes bytes from one node to the other arrive later by d.
func (n *Network) Delay(from, to ring.NodeID, d time.Duration) {
	n.change(from, to, func(r *rule) { r.delay = d })
}

// StallAfter lets that many more bytes pass from one node to the other, on all
// connections together, and then none.
func (n *Network) StallAfter(from, to ring.NodeID, bytes int) {
	n.change(from, to, func(r *rule) { r.stall, r.left = true, bytes })
}

// Mute lets connections be made, and nothing that one node says to the other on
// them pass: prefaces and the answers to them do.
func (n *Network) Mute(from, to ring.NodeID) {
	n.change(from, to, func(r *rule) { r.mute = true })
}

// Heal ends all faults between a and b, in both directions.
func (n *Network) Heal(a, b ring.NodeID) {
	n.change(a, b, func(r *rule) { *r = rule{} })
	n.change(b, a, func(r *rule) { *r = rule{} })
}

// HealAll ends all faults.
func (n *Network) HealAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.rules)
	n.announce()
}

// Held reports whether something that one node said to the other waits for a
// fault to be healed.
func (n *Network) Held(from, to ring.NodeID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.held[pair{from, to}] > 0
}

// Passed returns how many bytes have gone from one node to the other, on all
// connections together and without their prefaces.
func (n *Network) Passed(from, to ring.NodeID) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.passed[pair{from, to}]
}

// Reset ends all connections between a and b; new ones may be made.
func (n *Network) Reset(a, b ring.NodeID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for l := range n.links {
		if l.way == (pair{a, b}) || l.way == (pair{b, a}) {
			l.close()
		}
	}
}

// Close ends all proxies and connections, and returns when their goroutines
// have ended.
func (n *Network) Close() {
	n.cancel()
	n.mu.Lock()
	for _, l := range n.listeners {
		_ = l.Close()
	}
	for l := range n.links {
		l.close()
	}
	n.mu.Unlock()
	n.work.Wait()
}

func (n *Network) change(from, to ring.NodeID, f func(*rule)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.rules[pair{from, to}]
	f(&r)
	n.rules[pair{from, to}] = r
	n.announce()
}

func (n *Network) announce() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// admit blocks until at least one of size bytes may pass, and returns how many
// may; the first greeting bytes of a connection are its preface, or the answer.
// Of no bytes, which is an end, it waits until the way is open.
func (n *Network) admit(ctx context.Context, way pair, size, greeting int) (int, error) {
	for {
		n.mu.Lock()
		r, changed := n.rules[way], n.changed
		if !r.cut && (!r.stall || r.left > 0) && (!r.mute || greeting > 0) {
			if r.mute {
				size = min(size, greeting)
			}
			if r.stall {
				size = min(size, r.left)
				r.left -= size
				n.rules[way] = r
			}
			n.passed[way] += size
			n.mu.Unlock()
			return size, nil
		}
		n.held[way]++
		n.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		n.mu.Lock()
		n.held[way]--
		n.mu.Unlock()
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
}

// wait holds bytes back for as long as the pair's delay.
func (n *Network) wait(ctx context.Context, way pair) {
	n.mu.Lock()
	d := n.rules[way].delay
	n.mu.Unlock()
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/test/netfault"
)

// Net holds the connections between the nodes of a cluster: each node is reached at its proxy. Faults
// are between nodes that have no twin.
type Net struct {
	t      testing.TB
	faults *netfault.Network
}

func newNet(t testing.TB) *Net {
	n := &Net{t, netfault.New()}
	t.Cleanup(n.faults.Close)
	return n
}

// add opens the proxy of a node and chooses where the node itself listens: at the same place in all its
// lives.
func (n *Net) add(node *Node) (listen, addr string) {
	n.t.Helper()
	listen = n.free()
	addr, err := n.faults.Proxy(ring.NodeID(node.Label), listen)
	if err != nil {
		n.t.Fatal(err)
	}
	return listen, addr
}

// free returns a port that was free a moment ago on a loopback address of its own, so that nobody else
// takes it.
func (n *Net) free() string {
	n.t.Helper()
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		n.t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Cut lets nothing pass between two nodes.
func (n *Net) Cut(a, b *Node) { n.faults.Cut(a.Name, b.Name) }

// CutOneWay holds back all that one node says to the other; the way back is open.
func (n *Net) CutOneWay(from, to *Node) { n.faults.CutOneWay(from.Name, to.Name) }

// Mute lets connections be made, and holds back all that one node says to the other on them.
func (n *Net) Mute(from, to *Node) { n.faults.Mute(from.Name, to.Name) }

// AwaitHeld waits until something that one node says to the other is held back.
func (n *Net) AwaitHeld(from, to *Node) {
	n.t.Helper()
	await(n.t, fmt.Sprintf("%s to say something to %s", from.Name, to.Name), func() error {
		if !n.faults.Held(from.Name, to.Name) {
			return errNothing
		}
		return nil
	})
}

// AwaitPassed waits until one node has said something to the other, other than who it is.
func (n *Net) AwaitPassed(from, to *Node) {
	n.t.Helper()
	await(n.t, fmt.Sprintf("%s to be heard by %s", from.Name, to.Name), func() error {
		if n.faults.Passed(from.Name, to.Name) <= 0 {
			return errNothing
		}
		return nil
	})
}

// Reset ends all connections between two nodes; what was held back on them is lost.
func (n *Net) Reset(a, b *Node) { n.faults.Reset(a.Name, b.Name) }

// Redirect makes the address of one node lead to another.
func (n *Net) Redirect(of, to *Node) {
	n.t.Helper()
	if _, err := n.faults.Proxy(ring.NodeID(of.Label), to.Listen); err != nil {
		n.t.Fatal(err)
	}
}

// Heal ends all faults.
func (n *Net) Heal() { n.faults.HealAll() }

package sim

import (
	"slices"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
)

// A Network carries values between endpoints. What it carries is never changed by anybody.
type Network struct {
	// Each message takes MinDelay to MaxDelay, so that messages overtake one another.
	MinDelay, MaxDelay time.Duration
	// Drop and Double are the probabilities that a message is lost or arrives twice.
	Drop, Double float64

	w   *World
	to  map[ring.NodeID]func(from ring.NodeID, msg any)
	cut map[[2]ring.NodeID]bool
}

func newNetwork(w *World) *Network {
	return &Network{
		w: w, MinDelay: 100 * time.Microsecond, MaxDelay: time.Millisecond,
		to: map[ring.NodeID]func(ring.NodeID, any){}, cut: map[[2]ring.NodeID]bool{},
	}
}

// Listen makes f get what is sent to the name. It replaces a former one.
func (n *Network) Listen(name ring.NodeID, f func(from ring.NodeID, msg any)) { n.to[name] = f }

// Send sends a message. What is cut when it arrives is lost, too.
func (n *Network) Send(from, to ring.NodeID, msg any) {
	copies := 1
	if n.w.Chance(n.Drop) {
		copies = 0
	} else if n.w.Chance(n.Double) {
		copies = 2
	}
	for range copies {
		n.w.After(n.w.Between(n.MinDelay, n.MaxDelay), func() {
			if f := n.to[to]; f != nil && !n.cut[[2]ring.NodeID{from, to}] {
				f(from, msg)
			}
		})
	}
}

// Cut stops what goes from one name to another, in this direction only.
func (n *Network) Cut(from, to ring.NodeID) { n.cut[[2]ring.NodeID{from, to}] = true }

// Split cuts every pair of the two sides in both directions.
func (n *Network) Split(a, b []ring.NodeID) {
	for _, x := range a {
		for _, y := range b {
			n.Cut(x, y)
			n.Cut(y, x)
		}
	}
}

// Heal takes all cuts back.
func (n *Network) Heal() { clear(n.cut) }

// Reach reports whether both directions between two names are open.
func (n *Network) Reach(a, b ring.NodeID) bool {
	return !slices.ContainsFunc([][2]ring.NodeID{{a, b}, {b, a}}, func(p [2]ring.NodeID) bool { return n.cut[p] })
}

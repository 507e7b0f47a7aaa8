package sim

import (
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/vnode"
)

// Histories that TestChaos found to end with a partition that nobody serves.

// The target made the copy of a durable kind its own and died before it could say so. When it comes back
// it has the copy, and serves.
func TestFound_targetDiesAfterItsPromotion(t *testing.T) {
	for _, seed := range seeds(1, 5) {
		c := rebalance(Options{Seed: seed, Nodes: 3, RingSize: 16})
		killed := false
		c.hooks.stepped = func(x *partition) {
			if _, ok := x.life.State().(vnode.Owner); ok && x.n.ID == "n4" && !x.spec.Volatile {
				killed = die(x.n, killed)
			}
		}
		if err := c.Run(func() bool { return killed && c.everybody() && c.Settled() }, time.Minute); err != nil {
			rerun(t, seed, err)
		}
	}
}

// die ends a node for a second, once.
func die(n *Node, already bool) bool {
	if !already {
		n.Crash()
		n.c.W.After(time.Second, n.Restart)
	}
	return true
}

// Both processes of a transfer of a volatile kind die between the flip and its activation. There is no
// copy left, and the owner begins anew.
func TestFound_bothDieBeforeTheActivation(t *testing.T) {
	for _, seed := range seeds(1, 5) {
		c := rebalance(Options{Seed: seed, Nodes: 5, RingSize: 32})
		killed := false
		c.hooks.commit = func(_ *Node, _ uint64, after bool) bool {
			for _, tr := range c.Newest().Transfers() {
				if after && !killed && tr.Kind == "queue" && tr.Stage == topology.StageDrain && !tr.Activated {
					die(c.Node(tr.Source), false)
					killed = die(c.Node(tr.Target), false)
				}
			}
			return false
		}
		if err := c.Run(func() bool { return killed && c.everybody() && c.Settled() }, time.Minute); err != nil {
			rerun(t, seed, err)
		}
	}
}

// The source died when its seal was in the record and its last message on the way to the target was lost.
// Nobody else has what the target waits for.
func TestFound_sourceDiesBeforeItsLastMessage(t *testing.T) {
	for _, seed := range seeds(1, 5) {
		c := rebalance(Options{Seed: seed, Nodes: 5, RingSize: 32})
		var victim *topology.Transfer
		killed := false
		c.hooks.commit = func(*Node, uint64, bool) bool {
			for _, tr := range c.Newest().Transfers() {
				switch {
				case victim == nil && tr.Kind == "register" && tr.Stage == topology.StageSeal && tr.Frozen == nil:
					victim = tr
					c.Net.Cut(tr.Source, tr.Target)
				case victim != nil && tr.Session == victim.Session && tr.Frozen != nil && !killed:
					killed = die(c.Node(tr.Source), false)
					c.Net.Heal()
				}
			}
			return false
		}
		if err := c.Run(func() bool { return killed && c.everybody() && c.Settled() }, time.Minute); err != nil {
			rerun(t, seed, err)
		}
	}
}

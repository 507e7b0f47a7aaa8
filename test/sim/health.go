package sim

import (
	"maps"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
)

// Times of the failure detector, which stands for cluster/swim.
const (
	watchEvery       = 500 * time.Millisecond
	suspectAfter     = time.Second
	unreachableAfter = 5 * time.Second
)

// watch tells the coordination from time to time which nodes seem to answer.
func (n *Node) watch() {
	now := n.c.W.now
	next := map[ring.NodeID]cluster.Reach{}
	for _, o := range n.c.Nodes {
		heard, known := n.since[o.ID]
		if !known || o == n || o.up && !o.paused && n.c.Net.open(n.ID, o.ID) {
			heard = now
			n.since[o.ID] = now
		}
		switch silent := now - heard; {
		case silent >= unreachableAfter:
			next[o.ID] = cluster.Unreachable
		case silent >= suspectAfter:
			next[o.ID] = cluster.Suspect
		}
	}
	if !maps.Equal(n.reach, next) {
		n.reach = next
		n.coordinate(cluster.HealthChanged{At: n.c.W.Clock(), Health: cluster.NewHealth(next)})
	}
	n.after(watchEvery, n.watch)
}

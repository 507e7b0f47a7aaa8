package actors

import (
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// View is the record as this node applied it, with what the data plane looks up
// often. Immutable.
type View struct {
	topology.State
	peers   map[ring.NodeID]Peer
	changed chan struct{} // closed when a newer view is applied
}

func newView(s topology.State) *View {
	v := &View{State: s, peers: make(map[ring.NodeID]Peer), changed: make(chan struct{})}
	for _, m := range s.Members() {
		if m.Status != topology.Removed {
			v.peers[m.Node] = Peer{Node: m.Node, Incarnation: m.Incarnation, Addr: m.Addr}
		}
	}
	return v
}

// Peer returns where a member is reached.
func (v *View) Peer(n ring.NodeID) (Peer, bool) {
	p, ok := v.peers[n]
	return p, ok
}

// Changed is closed when a newer view has been applied.
func (v *View) Changed() <-chan struct{} { return v.changed }

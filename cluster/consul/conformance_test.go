package consul_test

import (
	"slices"
	"testing"

	"github.com/dee2748c/baton/cluster/clustertest"
	"github.com/dee2748c/baton/cluster/consul"
	"github.com/dee2748c/baton/cluster/consul/consultest"
	"github.com/dee2748c/baton/cluster/ring"
)

func testConformance(t *testing.T, srv *consultest.Server) {
	clustertest.Run(t, func(t *testing.T, nodes []ring.NodeID) clustertest.Fixture {
		folder := prefix()
		gates, stores := make([]*gate, len(nodes)), make([]*consul.Store, len(nodes))
		start := func(i int) clustertest.Handle {
			gates[i] = newGate(t, srv.Addr)
			stores[i] = open(t, options(gates[i].addr, folder, nodes[i]))
			return stores[i]
		}
		kill := func(i int) {
			gates[i].setCut(true)
			stores[i].Close()
		}
		f := clustertest.Fixture{
			LoseAnswer:   func(i int) { gates[i].lose(0, 1) },
			LoseProposal: func(i int) { gates[i].lose(1, 0) },
			Cut:          func(i int) { gates[i].setCut(true) },
			Heal:         func(i int) { gates[i].setCut(false) },
			Kill:         kill,
			Restart:      start,
			KillLeader: func() int {
				pair, _, err := raw(t, srv.Addr).KV().Get(folder+"/leader", nil)
				if err != nil || pair == nil || pair.Session == "" {
					return -1
				}
				i := slices.Index(nodes, ring.NodeID(pair.Value))
				kill(i)
				return i
			},
			// Requests wait until the server is back: if each failed at once, the callers would do
			// nothing but fail, and leave more calls in doubt than the check can put in order.
			Outage: func() {
				for _, g := range gates {
					g.setShut(true)
				}
				srv.Kill()
				srv.Restart()
				for _, g := range gates {
					g.setShut(false)
				}
			},
		}
		for i := range nodes {
			f.Handles = append(f.Handles, start(i))
		}
		return f
	})
}

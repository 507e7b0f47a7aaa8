package consul_test

import (
	"testing"

	"github.com/dee2748c/baton/cluster/clustertest"
	"github.com/dee2748c/baton/cluster/consul/consultest"
	"github.com/dee2748c/baton/cluster/ring"
)

func testConformance(t *testing.T, srv *consultest.Server) {
	clustertest.Run(t, func(t *testing.T, nodes []ring.NodeID) clustertest.Fixture {
		folder := prefix()
		var gates []*gate
		f := clustertest.Fixture{
			LoseAnswer:   func(i int) { gates[i].lose(0, 1) },
			LoseProposal: func(i int) { gates[i].lose(1, 0) },
		}
		for _, n := range nodes {
			g := newGate(t, srv.Addr)
			gates = append(gates, g)
			f.Handles = append(f.Handles, open(t, options(g.addr, folder, n)))
		}
		return f
	})
}

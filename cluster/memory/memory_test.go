package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/dee2748c/baton/cluster/clustertest"
	"github.com/dee2748c/baton/cluster/memory"
	"github.com/dee2748c/baton/cluster/ring"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore_conformance(t *testing.T) {
	clustertest.Run(t, func(t *testing.T, nodes []ring.NodeID) clustertest.Fixture {
		log := memory.New()
		stores := make([]*memory.Store, len(nodes))
		f := clustertest.Fixture{
			LoseAnswer:   func(i int) { stores[i].LoseAnswers(1) },
			LoseProposal: func(i int) { stores[i].LoseProposals(1) },
			Cut:          func(i int) { stores[i].Cut() },
			Heal:         func(i int) { stores[i].Heal() },
			Kill:         func(i int) { stores[i].Close() },
			Restart: func(i int) clustertest.Handle {
				stores[i] = log.Store(nodes[i])
				return stores[i]
			},
		}
		for i, n := range nodes {
			stores[i] = log.Store(n)
			f.Handles = append(f.Handles, stores[i])
			t.Cleanup(func() { stores[i].Close() })
		}
		return f
	})
}

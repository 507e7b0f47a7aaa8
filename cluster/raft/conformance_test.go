package raft_test

import (
	"sync"
	"testing"

	"github.com/dee2748c/baton/cluster/clustertest"
	"github.com/dee2748c/baton/cluster/raft"
	"github.com/dee2748c/baton/cluster/ring"
)

// The suite's records are about nodes that do not exist, so the servers vote as they were set up. The
// last one leads at first, and what the others ask it can be lost on the way.
func TestStore_conformance(t *testing.T) {
	clustertest.Run(t, func(t *testing.T, nodes []ring.NodeID) clustertest.Fixture {
		g := newGroup(t)
		var mu sync.Mutex
		stores := make([]*raft.Store, len(nodes))
		at := func(i int) *raft.Store {
			mu.Lock()
			defer mu.Unlock()
			return stores[i]
		}
		dirs := make([]string, len(nodes))
		open := func(i int) *raft.Store {
			o := g.options(nodes[i], dirs[i])
			for _, n := range nodes {
				o.Seeds = append(o.Seeds, addr(n))
			}
			s, err := raft.OpenStatic(g.wire(o))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			mu.Lock()
			defer mu.Unlock()
			stores[i] = s
			return s
		}
		f := clustertest.Fixture{}
		for i := range nodes {
			dirs[i] = t.TempDir()
			f.Handles = append(f.Handles, open(i))
		}
		g.bootstrapped(stores[len(stores)-1].BootstrapVoters(g.ctx, nodes...))
		lose := func(i int, what fault) {
			if at(i).Leads() {
				if err := at(i).HandOver(g.ctx); err != nil {
					t.Log(err)
				}
			}
			g.net.lose(addr(nodes[i]), what)
		}
		f.LoseAnswer = func(i int) { lose(i, loseAnswer) }
		f.LoseProposal = func(i int) { lose(i, loseRequest) }
		f.Cut = func(i int) { g.isolate(nodes[i], nodes...) }
		f.Heal = func(int) { g.net.heal() }
		f.Kill = func(i int) {
			g.isolate(nodes[i], nodes...)
			if err := at(i).Close(); err != nil {
				t.Error(err)
			}
			g.net.heal()
		}
		f.Restart = func(i int) clustertest.Handle { return open(i) }
		f.KillLeader = func() int {
			for i := range nodes {
				if at(i).Leads() {
					f.Kill(i)
					return i
				}
			}
			return -1
		}
		return f
	})
}

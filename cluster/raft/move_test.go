package raft_test

import (
	"fmt"
	"testing"

	"github.com/dee2748c/baton/cluster/raft"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// move reopens a server at another address, which only its seeds are told of.
func (g *group) move(n ring.NodeID, addr string, seeds ...string) {
	g.Helper()
	o := g.opts[n]
	o.Addr, o.Seeds = addr, seeds
	g.open(o)
}

// announce tells the record where a node runs now.
func (g *group) announce(n ring.NodeID) topology.Outcome {
	g.Helper()
	o := g.opts[n]
	return g.must(g.stores[n], topology.StartNode{ClusterID: topology.ClusterID{1}, Node: n, Nonce: o.Nonce, Addr: o.Addr, Kinds: kinds})
}

// together checks that the group has a leader, that all of it follows, and that each knows where the
// others are.
func (g *group) together(nodes ...ring.NodeID) {
	g.Helper()
	version := g.must(g.stores[g.leader()], topology.BeginTerm{Node: nodes[0]}).Version
	for _, n := range nodes {
		g.until(fmt.Sprintf("%s has it all", n), func() bool { return g.stores[n].Applied() >= version })
		voters := g.stores[n].Status().Voters
		if len(voters) != len(nodes) {
			g.Errorf("%s: voters %v, want %d", n, voters, len(nodes))
		}
		for _, v := range voters {
			if want := g.opts[raft.NodeOf(v.Server)].Addr; v.Addr != want {
				g.Errorf("%s has %s at %q, want %q", n, v.Server, v.Addr, want)
			}
		}
	}
}

// I11: all voters start at other addresses at the same time: none of them can be found where the record has
// it, and without a leader the record does not change. Each knows one other, and that is enough; also
// when they start once more where they are, with a log that is short.
func TestStore_allMoved(t *testing.T) {
	nodes := []ring.NodeID{"n1", "n2", "n3"}
	for _, c := range []struct {
		name  string
		seeds [3][]string
	}{
		{"star", [3][]string{nil, {"n1:2"}, {"n1:2"}}},
		{"chain", [3][]string{nil, {"n1:2"}, {"n2:2"}}},
		{"dead seed", [3][]string{{"n9:9"}, {"n9:9", "n1:2"}, {"n2:2", "n9:9"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGroup(t)
			g.start(true, nodes...)
			before, _ := g.read(g.stores["n1"]).Term()
			for _, n := range nodes {
				g.close(n)
			}
			for i, n := range nodes {
				g.move(n, string(n)+":2", c.seeds[i]...)
			}
			for _, n := range nodes {
				g.announce(n)
			}
			g.together(nodes...)
			if term, _ := g.read(g.stores["n1"]).Term(); term != before+1 {
				t.Errorf("term %d, want %d", term, before+1)
			}
			for _, n := range nodes {
				if err := g.stores[n].Snapshot(); err != nil {
					t.Fatal(err)
				}
			}
			for _, n := range nodes {
				g.close(n)
			}
			for _, n := range nodes {
				g.move(n, string(n)+":2")
			}
			g.together(nodes...)
		})
	}
}

// I11: the only one that all others know of can't lead, since it lacks an entry: the others hear of each
// other from it.
func TestStore_allMoved_seedBehind(t *testing.T) {
	g := newGroup(t)
	nodes := []ring.NodeID{"n1", "n2", "n3", "n4", "n5"}
	g.start(true, nodes...)
	g.close("n1")
	version := g.must(g.stores[g.leader()], topology.BeginTerm{Node: "n2"}).Version
	for _, n := range nodes[1:] {
		g.until(fmt.Sprintf("%s has it", n), func() bool { return g.stores[n].Applied() >= version })
	}
	for _, n := range nodes[1:] {
		g.close(n)
	}
	g.move("n1", "n1:2")
	for _, n := range nodes[1:] {
		g.move(n, string(n)+":2", "n1:2")
	}
	for _, n := range nodes {
		g.announce(n)
	}
	g.together(nodes...)
}

// One voter after the other moves, twice, and asks nobody but those that the record names.
func TestStore_movedOneByOne(t *testing.T) {
	g := newGroup(t)
	nodes := []ring.NodeID{"n1", "n2", "n3"}
	g.start(true, nodes...)
	for round := range 2 {
		for _, n := range nodes {
			g.close(n)
			g.move(n, fmt.Sprintf("%s:%d", n, round+2))
			g.announce(n)
		}
		g.together(nodes...)
	}
}

// I8: a server starts where another was, and that one elsewhere: messages for one never reach the
// other, and both are found.
func TestStore_movedToOldAddresses(t *testing.T) {
	g := newGroup(t)
	nodes := []ring.NodeID{"n1", "n2", "n3"}
	g.start(true, nodes...)
	for _, n := range nodes {
		g.close(n)
	}
	for i, n := range nodes {
		g.move(n, addr(nodes[(i+1)%3]))
	}
	for _, n := range nodes {
		g.announce(n)
	}
	g.together(nodes...)
}

// A directory whose configuration has network addresses, as earlier versions wrote them, goes on, also
// at another address.
func TestStore_addressesInConfiguration(t *testing.T) {
	g := newGroup(t)
	nodes := []ring.NodeID{"n1", "n2", "n3"}
	servers := map[string]string{}
	for _, n := range nodes {
		o := g.options(n, t.TempDir())
		for _, s := range nodes {
			o.Seeds = append(o.Seeds, addr(s))
		}
		g.open(o)
		servers[raft.ServerID(n, 1)] = addr(n)
	}
	g.bootstrapped(g.stores["n1"].BootstrapServers(g.ctx, servers))
	g.must(g.stores["n1"], topology.CreateCluster{
		ClusterID: topology.ClusterID{1}, RingSize: 16, TargetN: 2, NVal: 2, Kinds: kinds,
		Member: topology.Member{Node: "n1", Addr: addr("n1"), Nonce: 1},
	})
	for _, n := range nodes[1:] {
		g.must(g.stores[n], topology.Join{Node: n, Addr: addr(n), Nonce: 1, Kinds: kinds})
	}
	g.commit(g.stores["n1"])
	g.voters(g.stores["n1"], 3)
	for _, n := range nodes {
		g.close(n)
	}
	for _, n := range nodes {
		g.move(n, string(n)+":2", "n2:2")
	}
	for _, n := range nodes {
		g.announce(n)
	}
	g.together(nodes...)
}

package e2e_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/dee2748c/baton/cluster/consul/consultest"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/test/e2e"
)

// onConsul forms a cluster whose record is in a Consul server of its own.
func onConsul(t *testing.T) (*e2e.Cluster, *consultest.Server, []*e2e.Node) {
	t.Helper()
	server := consultest.Start(t)
	c := e2e.New(t, e2e.Options{Args: []string{"--store", "consul", "--consul-address", server.Addr}})
	return c, server, c.Form(3)
}

// TestConsulServerRestarts: while the server is away nothing changes and every node keeps its view;
// with its state it comes back and changes go on.
func TestConsulServerRestarts(t *testing.T) {
	t.Parallel()
	c, server, nodes := onConsul(t)
	want := nodes[0].Record().Ring().Owners()
	server.Kill()
	for _, n := range nodes {
		s, err := n.TryRecord()
		if err != nil {
			t.Fatalf("%s without its server: %v", n.Name, err)
		}
		wantOwners(t, s, want)
		c.Want(n.CLI("cluster", "leave", "n3"), 3)
	}
	server.Restart()
	done(t, c, nodes[1], "cluster", "leave", "n3")
	next := c.CommitPlan(nodes[0]).Plan().Ring.Owners()
	nodes[2].AwaitExit(0)
	c.Settle(nodes[0])
	wantOwners(t, nodes[1].Record(), next)
}

// TestConsulServerLosesItsState: changes are refused until the operator brings the record back.
func TestConsulServerLosesItsState(t *testing.T) {
	t.Parallel()
	c, server, nodes := onConsul(t)
	want := nodes[0].Record()
	server.Kill()
	server.Wipe()
	server.Restart()
	c.Await("the loss to be noticed", func() error {
		a := nodes[0].CLI("cluster", "leave", "n3")
		if a.Code == 4 {
			return mentions(a.Stderr, "restore")
		}
		return missing("restore: " + a.Stderr)
	})
	s, err := nodes[1].TryRecord()
	if err != nil {
		t.Fatal(err)
	}
	wantOwners(t, s, want.Ring().Owners())
	done(t, c, nodes[0], "cluster", "restore")
	done(t, c, nodes[1], "cluster", "leave", "n3")
	done(t, c, nodes[1], "cluster", "clear")
	c.Agree(nodes...)
	got := nodes[2].Record()
	wantOwners(t, got, want.Ring().Owners())
	if got.ClusterID() != want.ClusterID() {
		t.Errorf("the cluster was %s, and is %s", want.ClusterID(), got.ClusterID())
	}
}

// TestConsulLeaderPaused: the node that coordinates stands still for longer than its session lives.
// Another leads, what the node does later is fenced, and it comes back as the same node.
func TestConsulLeaderPaused(t *testing.T) {
	t.Parallel()
	c, _, nodes := onConsul(t)
	before := nodes[0].Record()
	term, by := before.Term()
	i := slices.IndexFunc(nodes, func(n *e2e.Node) bool { return n.Name == by })
	if i < 0 {
		t.Fatalf("%q coordinates", by)
	}
	lead, other := nodes[i], nodes[(i+1)%len(nodes)]
	was, _ := before.Member(lead.Name)
	lead.Pause()
	c.Await("another to lead", func() error {
		s, err := other.TryRecord()
		if err != nil {
			return err
		}
		if now, by := s.Term(); now <= term || by == lead.Name {
			return fmt.Errorf("term %d of %s", now, by)
		}
		return nil
	})
	next, by := other.Record().Term()
	lead.Continue()
	done(t, c, other, "cluster", "leave", string(other.Name))
	done(t, c, lead, "cluster", "clear")
	c.Agree(nodes...)
	s := lead.Record()
	if now, who := s.Term(); now != next || who != by {
		t.Errorf("the term is %d of %s, want %d of %s", now, who, next, by)
	}
	if m, _ := s.Member(lead.Name); m.Incarnation != was.Incarnation || m.Status != topology.Valid {
		t.Errorf("the paused node was %+v, and is %+v", was, m)
	}
	c.Await("the paused node to be reachable", func() error { return wantReach(other, lead, "reachable") })
}

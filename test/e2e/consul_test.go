package e2e_test

import (
	"testing"
	"time"

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

// TestConsulLeaderPaused: the node that leads stands still for longer than its session lives. Another
// leads, the node's later change is fenced, and it comes back as the same node.
func TestConsulLeaderPaused(t *testing.T) {
	t.Parallel()
	c, _, nodes := onConsul(t)
	lead := leader(t, c)
	was, _ := lead.Record().Member(lead.Name)
	term, _ := lead.Record().Term()
	lead.Pause()
	began := time.Now()
	var next *e2e.Node
	c.Await("another to lead", func() error {
		next = leader(t, c, lead)
		if now, by := next.Record().Term(); now <= term || by == lead.Name {
			return missing("a newer term")
		}
		return nil
	})
	t.Logf("%s leads after %v", next.Name, time.Since(began))
	lead.Continue()
	done(t, c, next, "cluster", "leave", "n3")
	done(t, c, lead, "cluster", "clear")
	c.Agree(nodes...)
	s := lead.Record()
	if now, by := s.Term(); now <= term || by != next.Name {
		t.Errorf("the term is %d of %s; it was %d, and %s was elected", now, by, term, next.Name)
	}
	if m, _ := s.Member(lead.Name); m.Incarnation != was.Incarnation || m.Status != topology.Valid {
		t.Errorf("the paused node was %+v, and is %+v", was, m)
	}
	c.Await("the paused node to be reachable", func() error { return wantReach(next, lead, "reachable") })
}

package e2e_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/consul/consultest"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/test/e2e"
)

// TestLeaderLostDuringRebalance loses the leader at a random version of the record while 64
// partitions are spread from three nodes to four: killed and started again after a while, or paused.
// Every run ends with the planned ring; the observer sees to it that no partition had two owners.
func TestLeaderLostDuringRebalance(t *testing.T) {
	t.Parallel()
	loseLeaders(t, 5, 30, func(*testing.T) []string { return nil })
}

// TestConsulLeaderLostDuringRebalance does the same to the node that coordinates with the record in
// Consul.
func TestConsulLeaderLostDuringRebalance(t *testing.T) {
	t.Parallel()
	loseLeaders(t, 2, 10, func(t *testing.T) []string {
		return []string{"--store", "consul", "--consul-address", consultest.Start(t).Addr}
	})
}

func loseLeaders(t *testing.T, runs, soak int, args func(*testing.T) []string) {
	r := e2e.Rand(t)
	longest := 4 * time.Second
	if e2e.Soak() {
		runs, longest = soak, 8*time.Second
	}
	for i := range runs {
		// Every other run kills. The moves take about 800 versions.
		kill, moment := i%2 == 0, r.Uint64N(800)
		away := time.Duration(r.Int64N(int64(3 * time.Second)))
		if !kill {
			away = time.Second + time.Duration(r.Int64N(int64(longest-time.Second)))
		}
		t.Run(fmt.Sprintf("%d", i), func(t *testing.T) {
			t.Parallel()
			t.Logf("kill %t, %d versions after the commit, away for %v", kill, moment, away)
			loseLeader(t, e2e.New(t, e2e.Options{RingSize: 64, Args: args(t)}), kill, moment, away)
		})
	}
}

func loseLeader(t *testing.T, c *e2e.Cluster, kill bool, moment uint64, away time.Duration) {
	nodes := c.Form(3)
	n4 := c.Node("n4")
	n4.Start(n4.JoinArgs(nodes...)...)
	all := append(nodes, n4)
	planned := c.CommitPlan(nodes[0])
	want := planned.Plan().Ring.Owners()
	c.Seen.AwaitVersion(planned.Version()+1+moment, func(s topology.State) bool {
		return s.Version() > planned.Version() && s.Settled()
	})
	was := c.Seen.Newest()
	_, coordinator := was.Term()
	lost := all[slices.IndexFunc(all, func(n *e2e.Node) bool { return n.Name == coordinator })]
	t.Logf("%s is lost at version %d with %d transfers", lost.Name, was.Version(), len(was.Transfers()))
	if kill {
		lost.Kill()
	} else {
		lost.Pause()
	}
	<-time.After(away)
	if kill {
		lost.Start()
	} else {
		lost.Continue()
	}
	c.Settle(nodes[0])
	t.Logf("settled at version %d", c.Agree(all...))
	for _, n := range all {
		wantOwners(t, n.Record(), want)
	}
}

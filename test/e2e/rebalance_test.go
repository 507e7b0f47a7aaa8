package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/test/e2e"
)

// TestLeaderLostDuringRebalance loses the leader at a random version of the record while 64
// partitions are spread from three nodes to four: killed and started again after a while, or paused.
// Every run ends with the planned ring; the observer sees to it that no partition had two owners.
func TestLeaderLostDuringRebalance(t *testing.T) {
	t.Parallel()
	r := e2e.Rand(t)
	runs := 5
	if e2e.Soak() {
		runs = 30
	}
	for i := range runs {
		// Every other run kills. The moves take about 800 versions.
		kill, moment := i%2 == 0, r.Uint64N(800)
		away := time.Duration(r.IntN(3000)) * time.Millisecond
		if !kill {
			away += time.Second
			if e2e.Soak() {
				away = time.Second + time.Duration(r.IntN(7000))*time.Millisecond
			}
		}
		t.Run(fmt.Sprintf("%d", i), func(t *testing.T) {
			t.Parallel()
			t.Logf("kill %t, %d versions after the commit, away for %v", kill, moment, away)
			loseLeader(t, kill, moment, away)
		})
	}
}

func loseLeader(t *testing.T, kill bool, moment uint64, away time.Duration) {
	c := e2e.New(t, e2e.Options{RingSize: 64})
	nodes := c.Form(3)
	n4 := c.Node("n4")
	n4.Start(n4.JoinArgs(nodes...)...)
	planned := c.CommitPlan(nodes[0])
	want := planned.Plan().Ring.Owners()
	c.Seen.AwaitVersion(planned.Version()+1+moment, func(s topology.State) bool {
		return s.Version() > planned.Version() && s.Settled()
	})
	lost := leader(t, c)
	was := c.Seen.Newest()
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
	all := append(nodes, n4)
	t.Logf("settled at version %d", c.Agree(all...))
	for _, n := range all {
		wantOwners(t, n.Record(), want)
	}
}

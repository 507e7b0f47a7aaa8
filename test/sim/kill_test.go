package sim

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

var killFlag = flag.String("kill", "", "of TestKill..., only this one: entry/before, entry/after or entry/node")

// TestKillLeaderAtEveryCommand kills the leader right before and right after it commits each entry of the
// log of a rebalance from three to four nodes: 64 partitions of two kinds. Every report is an entry of its
// own; what a coordinator proposes at once is one, and is applied whole or not at all. Another node takes
// over; the killed one starts again later. Every run must end with the planned ring.
func TestKillLeaderAtEveryCommand(t *testing.T) { killAll(t, "before", "after") }

// TestKillEachNodeAtEveryCommand kills each of the four nodes, whatever its part, right after the leader
// commits each entry of the same rebalance.
func TestKillEachNodeAtEveryCommand(t *testing.T) { killAll(t, "n1", "n2", "n3", "n4") }

// A kill ends one process at one entry: "before" and "after" its commit that of the leader, else that of
// the node after the commit.
type kill struct {
	entry uint64
	who   string
}

func (k kill) String() string { return fmt.Sprintf("%d/%s", k.entry, k.who) }

// killAll runs one rebalance for each entry and each way to kill. With -short, and for single nodes without
// -long, one entry of ten is taken.
func killAll(t *testing.T, ways ...string) {
	o := Options{Seed: 1, Nodes: 3, RingSize: 64, Reports: 1}
	if *seedFlag != 0 {
		o.Seed = *seedFlag
	}
	whole := rebalance(o)
	if err := whole.Run(whole.Settled, time.Minute); err != nil {
		rerun(t, o.Seed, err)
	}
	planned := whole.Newest().Ring()
	every := 1
	if testing.Short() || ways[0] == "n1" && !*longFlag {
		every = 10
	}
	var kills []kill
	for i := range whole.check.entries {
		for _, who := range ways {
			k := kill{uint64(i) + 1, who}
			if *killFlag == k.String() || *killFlag == "" && (i+1)%every == 0 {
				kills = append(kills, k)
			}
		}
	}
	begun := time.Now()
	work := make(chan kill)
	var wg sync.WaitGroup
	slowest := make([]time.Duration, runtime.GOMAXPROCS(0))
	for i := range slowest {
		wg.Go(func() {
			for k := range work {
				took, err := k.run(o, planned)
				slowest[i] = max(slowest[i], took)
				if err != nil {
					t.Errorf("%v\nagain: go test ./test/sim -run '^%s$' -seed %d -kill %s", err, t.Name(), o.Seed, k)
				}
			}
		})
	}
	runs := 0
	for _, k := range kills {
		if t.Failed() {
			break
		}
		work <- k
		runs++
	}
	close(work)
	wg.Wait()
	t.Logf("seed %d: %d entries with %d commands; %d runs, killed %v, in %v; the slowest took %v of simulated time",
		o.Seed, len(whole.check.entries), whole.check.commands, runs, ways, time.Since(begun).Round(time.Millisecond), slices.Max(slowest))
}

func (k kill) run(o Options, planned *ring.Ring) (time.Duration, error) {
	c := rebalance(o)
	killed := false
	c.hooks.commit = func(leader *Node, at uint64, after bool) bool {
		if killed || at != k.entry || after == (k.who == "before") {
			return false
		}
		victim := leader
		if n := c.Node(ring.NodeID(k.who)); n != nil {
			victim = n
		}
		killed = true
		victim.Crash()
		c.W.After(c.W.Between(500*time.Millisecond, 3*time.Second), victim.Restart)
		return victim == leader
	}
	if err := c.Run(func() bool { return killed && c.everybody() && c.Settled() }, 2*time.Minute); err != nil {
		return c.W.Now(), err
	}
	s := c.Newest()
	if m, _ := s.Member("n4"); !s.Ring().Equal(planned) || m.Status != topology.Valid {
		return c.W.Now(), fmt.Errorf("not the planned ring: %d partitions differ, n4 is %s", len(planned.Diff(s.Ring())), m.Status)
	}
	return c.W.Now(), nil
}

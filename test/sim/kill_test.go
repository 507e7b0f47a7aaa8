package sim

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
)

var killFlag = flag.String("kill", "", "of TestKillLeaderAtEveryCommand, only this: entry/before or entry/after")

// TestKillLeaderAtEveryCommand kills the leader right before and right after it commits each entry of the
// log of a rebalance from three to four nodes: 64 partitions of two kinds. Every report is an entry of its
// own; what a coordinator proposes at once is one, and is applied whole or not at all. Another node takes
// over; the killed one starts again later. Every run must end with the planned ring.
// With -short one entry of ten is taken.
func TestKillLeaderAtEveryCommand(t *testing.T) {
	seed := uint64(1)
	if *seedFlag != 0 {
		seed = *seedFlag
	}
	o := Options{Seed: seed, Nodes: 3, RingSize: 64, Reports: 1}
	whole := rebalance(o)
	if err := whole.Run(whole.Settled, time.Minute); err != nil {
		rerun(t, seed, err)
	}
	planned, commands := whole.Newest(), whole.check.commands
	type kill struct {
		index uint64
		after bool
	}
	var kills []kill
	for i := range uint64(len(whole.check.entries)) {
		kills = append(kills, kill{i + 1, false}, kill{i + 1, true})
	}
	begun := time.Now()
	work := make(chan kill)
	var wg sync.WaitGroup
	var mu sync.Mutex
	runs, slowest := 0, time.Duration(0)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for k := range work {
				took, err := killAt(o, k.index, k.after, planned)
				mu.Lock()
				runs++
				slowest = max(slowest, took)
				mu.Unlock()
				if err != nil {
					t.Errorf("%v\nagain: go test ./test/sim -run '^%s$' -seed %d -kill %s", err, t.Name(), seed, killName(k.index, k.after))
				}
			}
		})
	}
	for _, k := range kills {
		skipped := testing.Short() && k.index%10 != 0
		if *killFlag != "" {
			skipped = *killFlag != killName(k.index, k.after)
		}
		if skipped {
			continue
		}
		if t.Failed() {
			break
		}
		work <- k
	}
	close(work)
	wg.Wait()
	t.Logf("seed %d: %d runs, one for each kill before and after %d entries with %d commands, in %v; the slowest took %v of simulated time",
		seed, runs, len(whole.check.entries), commands, time.Since(begun).Round(time.Millisecond), slowest)
}

func killName(index uint64, after bool) string {
	if after {
		return fmt.Sprintf("%d/after", index)
	}
	return fmt.Sprintf("%d/before", index)
}

// killAt runs a rebalance whose leader dies at one entry.
func killAt(o Options, index uint64, after bool, planned topology.State) (time.Duration, error) {
	c := rebalance(o)
	killed := false
	c.hooks.commit = func(n *Node, at uint64, done bool) bool {
		if killed || at != index || done != after {
			return false
		}
		killed = true
		n.Crash()
		c.W.After(c.W.Between(500*time.Millisecond, 3*time.Second), n.Restart)
		return true
	}
	if err := c.Run(func() bool { return killed && c.everybody() && c.Settled() }, 2*time.Minute); err != nil {
		return c.W.Now(), err
	}
	if s := c.Newest(); !s.Ring().Equal(planned.Ring()) {
		return c.W.Now(), fmt.Errorf("another ring than the planned one was reached: %d partitions differ", len(planned.Ring().Diff(s.Ring())))
	}
	return c.W.Now(), nil
}

package sim

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// A soak history has soakHandoffs handoffs and at least a hundred acknowledged operations for each, of five
// nodes and three kinds, while processes die and links break.
const (
	soakHandoffs   = 250
	soakOperations = 100 * soakHandoffs
	soakLimit      = 5 * time.Minute // simulated: then it is stuck
)

var (
	fromFlag      = flag.Uint64("from", 1, "the seed of the first history of TestSoak")
	historiesFlag = flag.Uint64("histories", 0, "how many histories TestSoak runs, instead of its own number: parts of a long soak can be run apart and added up")
)

// A tally adds up histories.
type tally struct {
	begun     time.Time
	histories uint64
	counts    Counts
	events    int
	simulated time.Duration
}

func (k *tally) add(c *Cluster) {
	k.histories++
	k.counts.add(c.Counts)
	k.events += c.W.Steps()
	k.simulated += c.W.Now()
}

func (k *tally) String() string {
	took := time.Since(k.begun)
	return fmt.Sprintf("%d histories of %d events in %v: %v; %v simulated, %.0f simulated seconds per second",
		k.histories, k.events, took.Round(time.Millisecond), k.counts, k.simulated.Round(time.Second), k.simulated.Seconds()/took.Seconds())
}

// soak moves partitions to and fro until there were enough handoffs; then the faults end.
func soak(seed uint64) *Cluster {
	c := NewCluster(Options{
		Seed: seed, Nodes: 5, RingSize: 16, Kinds: ObjectKinds,
		Drop: 0.001, Double: 0.01, Late: 0.1, Swap: 0.002, FailSync: 0.00002, Refuse: 0.01,
	})
	c.Serve(Load{Clients: 1, Run: 128, Think: 40 * time.Millisecond, Objects: 4})
	c.Operate(Step{"churn", func(s topology.State) ([]topology.Op, bool) {
		if c.Counts.Handoffs >= soakHandoffs && c.Counts.Acknowledged >= soakOperations {
			c.still()
			return nil, true
		}
		var ops []topology.Op
		for p := range s.RingSize() {
			owner := s.Ring().Owner(ring.Partition(p))
			if c.W.Chance(0.3) && c.rests(s, ring.Partition(p)) {
				to := c.Nodes[c.W.rnd.IntN(len(c.Nodes))].ID
				ops = append(ops, topology.MovePartition{Partition: ring.Partition(p), Target: to, ExpectOwner: owner})
			}
		}
		return ops, false
	}})
	c.mischief()
	return c
}

// rests reports whether all kinds of a partition are where the ring wants them.
func (c *Cluster) rests(s topology.State, p ring.Partition) bool {
	for _, spec := range c.kinds {
		if x := s.Part(spec.Name, p); x.Transfer != nil || x.Owner != s.Ring().Owner(p) {
			return false
		}
	}
	return true
}

// mischief lets a process end or stop, or a link break, now and then.
func (c *Cluster) mischief() {
	w := c.W
	if c.calm {
		return
	}
	n := c.Nodes[w.rnd.IntN(len(c.Nodes))]
	var mend func()
	switch w.rnd.IntN(5) {
	case 0, 1:
		n.Crash()
		mend = n.Restart
	case 2:
		n.Pause()
		mend = n.Resume
	default:
		to := c.Nodes[w.rnd.IntN(len(c.Nodes))]
		c.Net.CutData(n.ID, to.ID)
		mend = c.Net.Heal
	}
	w.After(w.Between(0, time.Second), mend)
	w.After(w.Between(100*time.Millisecond, time.Second), c.mischief)
}

// still ends all faults.
func (c *Cluster) still() {
	c.Net.Heal()
	c.Net.Drop, c.Net.Double, c.Net.Late, c.Net.Swap, c.refuse = 0, 0, 0, 0, 0
	c.Net.WakeLate()
	for _, n := range c.Nodes {
		n.wal.FailSync, n.data.FailSync = 0, 0
		n.Resume()
		n.Restart()
	}
	c.calm = true
	c.Rest()
}

// TestSoak runs histories side by side, and tells from time to time how far it is. In CI they come to 10,000
// handoffs and 1,000,000 acknowledged operations, with -long to 1,000,000 and 100,000,000.
func TestSoak(t *testing.T) {
	count := uint64(40)
	if testing.Short() {
		count = 4
	}
	if *longFlag {
		count = 4000
	}
	if *historiesFlag > 0 {
		count = *historiesFlag
	}
	work := make(chan uint64)
	var mu sync.Mutex
	sum := tally{begun: time.Now()}
	var failed error
	var bad uint64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for seed := range work {
				c := soak(seed)
				err := c.Run(func() bool { return c.calm && c.W.Steps()%64 == 0 && c.quiet() }, soakLimit)
				mu.Lock()
				if err != nil && failed == nil {
					failed, bad = err, seed
				}
				if sum.add(c); sum.histories%250 == 0 {
					t.Log(&sum)
				}
				mu.Unlock()
			}
		})
	}
	for _, seed := range seeds(*fromFlag, count) {
		mu.Lock()
		stop := failed != nil
		mu.Unlock()
		if stop {
			break
		}
		work <- seed
	}
	close(work)
	wg.Wait()
	if failed != nil {
		rerun(t, bad, failed)
	}
	t.Log(&sum)
}

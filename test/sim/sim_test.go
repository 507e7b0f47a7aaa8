package sim

import (
	"flag"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

var (
	seedFlag = flag.Uint64("seed", 0, "run only this seed")
	longFlag = flag.Bool("long", false, "the soak form of the tests that have one")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rerun ends a test with the line that repeats it.
func rerun(t *testing.T, seed uint64, err error) {
	t.Helper()
	t.Fatalf("%v\nagain: go test ./test/sim -run '^%s$' -seed %d", err, t.Name(), seed)
}

func seeds(from, count uint64) []uint64 {
	if *seedFlag != 0 {
		return []uint64{*seedFlag}
	}
	out := make([]uint64, count)
	for i := range out {
		out[i] = from + uint64(i)
	}
	return out
}

// rebalance lets one more node join.
func rebalance(o Options) *Cluster {
	c := NewCluster(o)
	id := name(o.Nodes + 1)
	c.Join(id, uint64(o.Nodes+1))
	c.Operate(Joining(id), Commit())
	return c
}

func ids(nodes ...*Node) []ring.NodeID {
	out := make([]ring.NodeID, len(nodes))
	for i, n := range nodes {
		out[i] = n.ID
	}
	return out
}

// others returns all names that the network knows but those of the nodes.
func (c *Cluster) others(nodes ...*Node) []ring.NodeID {
	out := []ring.NodeID{"operator"}
	for _, n := range c.Nodes {
		if !slices.Contains(nodes, n) {
			out = append(out, n.ID)
		}
	}
	return out
}

// everybody reports whether all processes run.
func (c *Cluster) everybody() bool {
	return !slices.ContainsFunc(c.Nodes, func(n *Node) bool { return !n.up })
}

func TestRebalance(t *testing.T) {
	c := rebalance(Options{Seed: 1, Nodes: 3, RingSize: 64})
	begun := time.Now()
	if err := c.Run(c.Settled, time.Minute); err != nil {
		rerun(t, 1, err)
	}
	s := c.Newest()
	if m, _ := s.Member("n4"); m.Status != topology.Valid || s.Ring().Count("n4") != 16 {
		t.Errorf("n4 is %s and has %d partitions", m.Status, s.Ring().Count("n4"))
	}
	t.Logf("%d entries, version %d, %d events, %v simulated in %v, hash %016x",
		len(c.check.entries), s.Version(), c.W.Steps(), c.W.Now(), time.Since(begun), c.W.Hash())
}

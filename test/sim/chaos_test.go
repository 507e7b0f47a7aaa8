package sim

import (
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// chaos is a history of five nodes in which everything goes wrong for half a minute, while an operator
// joins two nodes, lets one leave, changes a share, replaces a node, moves a partition and limits
// transfers; then the faults end.
func chaos(seed uint64) *Cluster {
	c := NewCluster(Options{Seed: seed, Nodes: 5, RingSize: 32, Drop: 0.02, Double: 0.02, Late: 0.01, Swap: 0.01, FailSync: 0.0002, Refuse: 0.05, Kinds: ObjectKinds})
	for i := range 2 {
		c.W.After(c.W.Between(0, 3*time.Second), func() { c.Join(name(6+i), uint64(6+i)) })
	}
	member := func(id ring.NodeID, holds func(topology.Member) bool) func(topology.State) bool {
		return func(s topology.State) bool { m, _ := s.Member(id); return holds(m) }
	}
	weight := 2
	c.Operate(
		Joining("n6"), Commit(),
		Once("limit", func(s topology.State) bool { return s.TransferLimit("n1") == 2 }, topology.SetTransferLimit{Limit: 2}),
		Joining("n7"),
		Once("leave n2", member("n2", func(m topology.Member) bool { return m.Departs != 0 }), topology.StageLeave{Node: "n2"}),
		Once("weight of n3", member("n3", func(m topology.Member) bool { return m.Share != nil }), topology.StageShare{Node: "n3", Weight: &weight}),
		Commit(),
		moveTo(3, "n1"),
		Step{"start n8", func(topology.State) ([]topology.Op, bool) { c.Join("n8", 8); return nil, true }},
		Joining("n8"),
		Once("replace n4", member("n4", func(m topology.Member) bool { return m.Departs != 0 }), topology.StageReplace{Old: "n4", New: "n8"}),
		Commit(),
	)
	c.Serve(Load{Clients: 1, Objects: 40})
	c.trouble(30 * time.Second)
	return c
}

// trouble makes faults until a moment, and then ends them all.
func (c *Cluster) trouble(until time.Duration) {
	if c.W.now >= until {
		c.W.Note("calm")
		c.Net.Heal()
		c.Net.Drop, c.Net.Double, c.Net.Late, c.Net.Swap, c.refuse = 0, 0, 0, 0, 0
		c.Net.WakeLate()
		c.Rest()
		for _, n := range c.Nodes {
			n.wal.FailSync, n.data.FailSync = 0, 0
			n.Restart()
		}
		c.calm = true
		return
	}
	w := c.W
	n := c.Nodes[w.rnd.IntN(len(c.Nodes))]
	switch w.rnd.IntN(8) {
	case 0, 1:
		n.Crash()
		w.After(w.Between(0, 3*time.Second), n.Restart)
	case 2:
		if l := c.Leader(); l != nil {
			l.Crash()
			w.After(w.Between(0, 3*time.Second), l.Restart)
		}
	case 3, 4:
		to := c.Nodes[w.rnd.IntN(len(c.Nodes))]
		w.Note("cut %s to %s", n.ID, to.ID)
		c.Net.Cut(n.ID, to.ID)
	case 5:
		w.Note("cut %s off", n.ID)
		for _, o := range c.Nodes {
			if o != n {
				c.Net.Cut(n.ID, o.ID)
				c.Net.Cut(o.ID, n.ID)
			}
		}
	default:
		w.Note("heal")
		c.Net.Heal()
	}
	w.After(w.Between(50*time.Millisecond, 1500*time.Millisecond), func() { c.trouble(until) })
}

// quiet reports whether the faults are over and nothing is left to do.
func (c *Cluster) quiet() bool {
	if !c.calm {
		return false
	}
	for _, n := range c.Nodes {
		if m, _ := c.Newest().Member(n.ID); !n.up && m.Status != topology.Removed {
			return false
		}
	}
	return c.Settled() && c.Verified()
}

func TestChaos(t *testing.T) {
	count := uint64(40)
	if testing.Short() {
		count = 10
	}
	if *longFlag {
		count = 2000
	}
	begun, events, simulated, counts := time.Now(), 0, time.Duration(0), Counts{}
	all := seeds(1, count)
	for _, seed := range all {
		c := chaos(seed)
		if err := c.Run(c.quiet, 10*time.Minute); err != nil {
			rerun(t, seed, err)
		}
		events += c.W.Steps()
		simulated += c.W.Now()
		counts.add(c.Counts)
	}
	t.Logf("%d seeds, %d events, %v simulated in %v: %v", len(all), events, simulated.Round(time.Second), time.Since(begun).Round(time.Millisecond), counts)
}

// One seed is one history.
func TestWorld_sameSeedSameHash(t *testing.T) {
	run := func(seed uint64) uint64 {
		c := chaos(seed)
		if err := c.Run(func() bool { return c.W.now > 2*time.Second }, time.Minute); err != nil {
			rerun(t, seed, err)
		}
		return c.W.Hash()
	}
	want := run(7)
	for i := range 100 {
		if got := run(7); got != want {
			t.Fatalf("seed 7: hash %016x the first time, %016x at repetition %d", want, got, i+1)
		}
	}
	if run(8) == want {
		t.Error("seeds 7 and 8 give the same history")
	}
	t.Logf("seed 7: hash %016x", want)
}

package batontest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster/memory"
	"github.com/dee2748c/baton/cluster/ring"
)

// Options configures a Cluster.
type Options struct {
	// Nodes is how many nodes to start, named a, b, c and so on; default 3.
	Nodes int
	// Node is what every node starts with; Name, Record, Addr, DataDir and
	// Transport are filled in. The default of RetryAfter is 200 ms here.
	Node baton.Options
	// Seed decides the faults; default random.
	Seed uint64
	// Timeout bounds each operation of the cluster; default 60 s.
	Timeout time.Duration
	// Log gets what the nodes log; default: nothing is logged.
	Log *slog.Logger
}

// Cluster is a cluster within a test. Its methods fail the test when they can't
// do what they say. Safe for concurrent use.
type Cluster struct {
	tb      testing.TB
	opts    Options
	dir     string
	record  *memory.Log
	network *actors.Switchboard

	mu    sync.Mutex
	nodes map[string]*baton.Node
	order []string
}

// Start starts a cluster whose partitions are spread over its nodes.
func Start(tb testing.TB, o Options) *Cluster {
	tb.Helper()
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Node.RetryAfter == 0 {
		o.Node.RetryAfter = 200 * time.Millisecond
	}
	c := &Cluster{
		tb: tb, opts: o, dir: tb.TempDir(), record: memory.New(), nodes: make(map[string]*baton.Node),
		network: actors.NewSwitchboard(actors.SwitchboardOptions{Seed: o.Seed}),
	}
	tb.Cleanup(c.stop)
	for i := range o.Nodes {
		c.start(name(i))
	}
	if o.Nodes > 1 {
		c.rebalance()
	}
	return c
}

func name(i int) string {
	if i < 26 {
		return string(rune('a' + i))
	}
	return fmt.Sprintf("n%d", i)
}

func (c *Cluster) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), c.opts.Timeout)
}

func (c *Cluster) start(name string) *baton.Node {
	c.tb.Helper()
	ctx, cancel := c.context()
	defer cancel()
	o := c.opts.Node
	o.Name, o.Record, o.Addr, o.DataDir = name, c.record, name, c.Dir(name)
	if c.opts.Log != nil {
		o.Logger = c.opts.Log
	}
	o.Transport = func(o actors.TransportOptions) (actors.Transport, error) { return c.network.Node(o) }
	n, err := baton.Start(ctx, o)
	if err != nil {
		c.tb.Fatalf("start node %s (seed %d): %v", name, c.opts.Seed, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.nodes[name]; !known {
		c.order = append(c.order, name)
	}
	c.nodes[name] = n
	return n
}

func (c *Cluster) rebalance() {
	c.tb.Helper()
	ctx, cancel := c.context()
	defer cancel()
	if err := c.Any().Rebalance(ctx); err != nil {
		c.tb.Fatalf("rebalance (seed %d): %v", c.opts.Seed, err)
	}
}

// Seed returns the seed of the faults.
func (c *Cluster) Seed() uint64 { return c.opts.Seed }

// Dir returns where a node keeps its data.
func (c *Cluster) Dir(name string) string { return filepath.Join(c.dir, name) }

// Node returns a running node by name.
func (c *Cluster) Node(name string) *baton.Node {
	c.tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.nodes[name]
	if !ok {
		c.tb.Fatalf("no node %q is running", name)
	}
	return n
}

// Nodes returns the running nodes in the order of their first start.
func (c *Cluster) Nodes() []*baton.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*baton.Node
	for _, name := range c.order {
		if n, ok := c.nodes[name]; ok {
			all = append(all, n)
		}
	}
	return all
}

// Any returns the first running node.
func (c *Cluster) Any() *baton.Node {
	c.tb.Helper()
	nodes := c.Nodes()
	if len(nodes) == 0 {
		c.tb.Fatal("no node is running")
	}
	return nodes[0]
}

// Join starts a node and returns when its share of the partitions has moved.
func (c *Cluster) Join(name string) *baton.Node {
	c.tb.Helper()
	n := c.start(name)
	c.rebalance()
	return n
}

// Leave lets a node give away its partitions and stop.
func (c *Cluster) Leave(name string) {
	c.tb.Helper()
	ctx, cancel := c.context()
	defer cancel()
	n := c.Node(name)
	if err := n.Leave(ctx); err != nil {
		c.tb.Fatalf("node %s leaves (seed %d): %v", name, c.opts.Seed, err)
	}
	c.forget(name)
}

// Kill ends a node as a crash of its process would: what it kept in memory is
// lost, and nothing tells the others.
func (c *Cluster) Kill(name string) {
	c.tb.Helper()
	n := c.Node(name)
	c.network.Kill(ring.NodeID(name))
	n.Kill()
	c.forget(name)
}

// Restart starts a node again that was killed or stopped, on what its engine
// kept.
func (c *Cluster) Restart(name string) *baton.Node {
	c.tb.Helper()
	return c.start(name)
}

// Faults sets the faults of all links; the zero Fault ends them.
func (c *Cluster) Faults(f actors.Fault) { c.network.SetFaults(f) }

// Fault sets the faults of one direction.
func (c *Cluster) Fault(from, to string, f actors.Fault) {
	c.network.SetFault(ring.NodeID(from), ring.NodeID(to), f)
}

// Cut cuts the links between two nodes in both directions.
func (c *Cluster) Cut(a, b string) { c.network.Cut(ring.NodeID(a), ring.NodeID(b)) }

// CutOneWay stops what one node sends to another.
func (c *Cluster) CutOneWay(from, to string) {
	c.network.CutOneWay(ring.NodeID(from), ring.NodeID(to))
}

// CutRecord keeps a node from the replicated record: it sees no change of it, and
// can't propose any.
func (c *Cluster) CutRecord(name string) { c.record.Cut(ring.NodeID(name)) }

// HealRecord takes a CutRecord back.
func (c *Cluster) HealRecord(name string) { c.record.Heal(ring.NodeID(name)) }

// Heal mends the links between two nodes.
func (c *Cluster) Heal(a, b string) { c.network.Heal(ring.NodeID(a), ring.NodeID(b)) }

// HealAll mends all links and ends all faults.
func (c *Cluster) HealAll() { c.network.HealAll() }

func (c *Cluster) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.nodes, name)
}

func (c *Cluster) stop() {
	if c.tb.Failed() {
		c.tb.Logf("seed of the faults: %d", c.opts.Seed)
	}
	c.network.HealAll()
	ctx, cancel := c.context()
	defer cancel()
	for _, n := range c.Nodes() {
		if err := n.Stop(ctx); err != nil {
			c.tb.Errorf("stop node %s: %v", n.Name(), err)
		}
	}
}

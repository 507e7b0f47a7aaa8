package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Stuck is how long anything may take before a test gives up on it. It decides no verdict but "stuck".
const Stuck = 60 * time.Second

// Soak reports whether the long forms of the tests are to run.
func Soak() bool { return os.Getenv("BATON_E2E_SOAK") != "" }

// SoakTime is how long a test lasts whose long form has no other end: BATON_E2E_SOAK if that is a
// duration, such as 5m, or half an hour.
func SoakTime() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("BATON_E2E_SOAK")); err == nil {
		return d
	}
	return 30 * time.Minute
}

// Rand returns the source of a test's random choices and logs its seed.
func Rand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64N(1 << 32)
	if text := os.Getenv("BATON_E2E_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("BATON_E2E_SEED: %v", err)
		}
	}
	t.Logf("seed %d (BATON_E2E_SEED=%d)", seed, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// Options of a Cluster.
type Options struct {
	// RingSize is the number of partitions of a cluster that Form makes. Default 16.
	RingSize int
	// Args are given to every start of every node.
	Args []string
	// Inject makes the nodes run a binary that faults can be injected into; see Node.Arm.
	Inject bool
}

// Cluster is the nodes of one test. Its methods fail the test when something goes wrong; they are
// called by the test's goroutine.
type Cluster struct {
	// Net holds the connections between the nodes.
	Net *Net
	// Seen is what the nodes showed of the record.
	Seen *Observer

	t    testing.TB
	opts Options
	dir  string

	mu    sync.Mutex
	nodes []*Node
}

// New returns a cluster without nodes. All its processes end with the test.
func New(t testing.TB, o Options) *Cluster {
	t.Helper()
	if o.RingSize == 0 {
		o.RingSize = 16
	}
	c := &Cluster{t: t, opts: o, dir: t.TempDir()}
	c.Net = newNet(t)
	t.Cleanup(c.end)
	c.Seen = observe(c)
	return c
}

// Within makes a subtest, until it ends, the one that fails.
func (c *Cluster) Within(t testing.TB) {
	outer := c.t
	c.t, c.Net.t = t, t
	t.Cleanup(func() { c.t, c.Net.t = outer, outer })
}

// end kills what runs, and shows the logs of a failed test.
func (c *Cluster) end() {
	c.Seen.stop()
	for _, n := range c.Nodes() {
		n.kill()
		n.client().Close()
		if c.t.Failed() {
			c.t.Logf("log of %s:\n%s", n.Label, lastLines(n.Log(), 40))
		}
		_ = n.logFile.Close()
	}
}

// Nodes returns the nodes in the order of their making.
func (c *Cluster) Nodes() []*Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.nodes)
}

// Node makes a node that is not started, with a data directory and a proxy of its own.
func (c *Cluster) Node(name string) *Node {
	c.t.Helper()
	return c.add(&Node{Name: ring.NodeID(name), Label: name, DataDir: filepath.Join(c.dir, name)})
}

// Twin makes a node with the name and the data directory of another, and a proxy of its own.
func (c *Cluster) Twin(n *Node) *Node {
	c.t.Helper()
	return c.add(&Node{Name: n.Name, Label: n.Label + "-twin", DataDir: n.DataDir})
}

func (c *Cluster) add(n *Node) *Node {
	c.t.Helper()
	log, err := os.Create(filepath.Join(c.dir, n.Label+".log"))
	if err != nil {
		c.t.Fatal(err)
	}
	n.c, n.logFile = c, log
	n.Listen, n.Addr = c.Net.add(n)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = append(c.nodes, n)
	return n
}

// Form starts nodes n1 to nN as one cluster that has settled: n1 creates it, the others join it.
func (c *Cluster) Form(count int) []*Node {
	c.t.Helper()
	nodes := []*Node{c.Node("n1")}
	nodes[0].Start("--bootstrap", "--ring-size", strconv.Itoa(c.opts.RingSize))
	for i := 2; i <= count; i++ {
		n := c.Node(fmt.Sprintf("n%d", i))
		n.Start(n.JoinArgs(nodes[0])...)
		nodes = append(nodes, n)
	}
	if count > 1 {
		c.CommitPlan(nodes[0])
	}
	c.Settle(nodes[0])
	return nodes
}

// CommitPlan plans and commits what is staged, and returns the record that holds the plan.
func (c *Cluster) CommitPlan(via *Node) topology.State {
	c.t.Helper()
	plan := c.Plan(via)
	state := via.Record()
	if state.Plan() == nil || state.Plan().Version != plan.PlanVersion {
		c.t.Fatalf("planned version %d, the record holds %+v", plan.PlanVersion, state.Plan())
	}
	via.Do("commit", func(ctx context.Context, a *admin.Client) error {
		_, err := a.Commit(ctx, plan.PlanVersion)
		return err
	})
	return state
}

// Plan stages a plan of what is staged.
func (c *Cluster) Plan(via *Node) (plan admin.Plan) {
	c.t.Helper()
	via.Do("plan", func(ctx context.Context, a *admin.Client) (err error) {
		plan, err = a.Plan(ctx)
		return err
	})
	return plan
}

// Settle waits until the node says that every partition is where the committed ring wants it.
func (c *Cluster) Settle(via *Node) {
	c.t.Helper()
	c.Await("the ring to settle", func() error {
		s, err := via.TryRecord()
		switch {
		case err != nil:
			return err
		case !s.Settled():
			text := fmt.Sprintf("version %d has %d transfers", s.Version(), len(s.Transfers()))
			for _, t := range s.Transfers() {
				text += fmt.Sprintf("\n%+v", *t)
			}
			return errors.New(text)
		}
		return nil
	})
}

// Agree waits until the nodes have all applied one version of the record, and returns it.
func (c *Cluster) Agree(nodes ...*Node) (version uint64) {
	c.t.Helper()
	c.Await("the nodes to agree", func() error {
		for i, n := range nodes {
			s, err := n.TryRecord()
			switch {
			case err != nil:
				return fmt.Errorf("%s: %w", n.Name, err)
			case i > 0 && s.Version() != version:
				return fmt.Errorf("%s has version %d, %s %d", n.Name, s.Version(), nodes[0].Name, version)
			}
			version = s.Version()
		}
		return nil
	})
	return version
}

// Await polls until ok returns nil; its last error is shown when it never does.
func (c *Cluster) Await(what string, ok func() error) {
	c.t.Helper()
	await(c.t, what, ok)
}

var errNothing = errors.New("nothing yet")

func await(t testing.TB, what string, ok func() error) {
	t.Helper()
	stuck := time.After(Stuck)
	poll := time.NewTicker(25 * time.Millisecond)
	defer poll.Stop()
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-poll.C:
		case <-stuck:
			t.Fatalf("stuck waiting for %s: %v", what, err)
		}
	}
}

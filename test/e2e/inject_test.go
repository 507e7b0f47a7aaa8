package e2e_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/inject"
	"github.com/dee2748c/baton/test/e2e"
	"github.com/dee2748c/baton/test/history"
)

// A strike is a fault at a point of a handoff.
type strike struct {
	point inject.Point
	who   string // passes the point: source, target or leader
	fault string // crash, stop, or cut: between source and target, made while the node is stopped there
}

// strikers are who passes each point.
var strikers = map[inject.Point]string{
	inject.OpenBefore: "leader", inject.OpenAfter: "leader",
	inject.FoldBefore: "source", inject.SentFirst: "source", inject.FrozenAfter: "source", inject.FinBefore: "source",
	inject.DeleteBefore: "source", inject.DeleteAfter: "source",
	inject.StagingBefore: "target", inject.BatchReceived: "target", inject.ApplyBefore: "target", inject.ApplyAfter: "target", inject.SyncBefore: "target",
	inject.SealedAfter: "target", inject.PromoteBefore: "target", inject.PromoteAfter: "target",
}

// strikes are all faults at all points, or a few that have each fault and each participant.
func strikes(t *testing.T) (all []strike) {
	for _, p := range inject.All {
		who, ok := strikers[p]
		if !ok {
			t.Fatalf("nobody is said to pass %s", p)
		}
		for _, fault := range []string{"crash", "stop", "cut"} {
			if who != "leader" || fault != "cut" {
				all = append(all, strike{p, who, fault})
			}
		}
	}
	if e2e.Soak() {
		return all
	}
	short := []strike{
		{inject.FrozenAfter, "source", "crash"},
		{inject.SealedAfter, "target", "crash"},
		{inject.OpenAfter, "leader", "crash"},
		{inject.FinBefore, "source", "cut"},
		{inject.PromoteBefore, "target", "stop"},
	}
	for _, s := range short {
		if !slices.Contains(all, s) {
			t.Fatalf("%+v is none of all", s)
		}
	}
	return short
}

// TestStrikes: with a node joining under load, a process dies, stops or is cut off exactly at a point of a
// handoff, on the source, the target or the leader. The join goes through, nothing that was acknowledged is
// lost, and the certificates and copies are verified.
func TestStrikes(t *testing.T) {
	t.Parallel()
	r := e2e.Rand(t)
	c := e2e.New(t, e2e.Options{Inject: true})
	nodes := c.Form(3)
	c.CreateType(nodes[0], "tested", "allow_mult=true")
	clients := c.Drive(r, e2e.Load{Type: "tested", Bucket: "b", Clients: 4, Keys: 100})
	for i, s := range strikes(t) {
		joiner := c.Node(fmt.Sprintf("joiner%d", i))
		joiner.Start(joiner.JoinArgs(nodes...)...)
		s.strike(t, c, nodes, joiner)
		c.Settle(nodes[0])
		verify(t, c, nodes[0])
		done(t, c, nodes[0], "cluster", "leave", string(joiner.Name))
		c.CommitPlan(nodes[0])
		joiner.AwaitExit(0)
		c.Settle(nodes[0])
	}
	clients.Stop()
	check(t, c, clients, history.Eventual, nodes)
}

// strike commits the join and lets the fault happen.
func (s strike) strike(t *testing.T, c *e2e.Cluster, nodes []*e2e.Node, joiner *e2e.Node) {
	t.Logf("%+v", s)
	victim, other, via := joiner, nodes[0], nodes[0]
	if lead := leader(t, c); s.who != "target" {
		i := slices.Index(nodes, lead)
		if i < 0 {
			t.Fatalf("%s leads, which has no vote yet", lead.Name)
		}
		if s.who == "source" {
			i = (i + 1) % len(nodes)
		}
		victim, other, via = nodes[i], joiner, nodes[(i+1)%len(nodes)]
	}
	action := "stop"
	if s.fault == "crash" {
		action = s.fault
	}
	plan := c.Plan(via)
	victim.Arm(s.point, action)
	via.Do("commit", func(ctx context.Context, a *admin.Client) error {
		_, err := a.Commit(ctx, plan.PlanVersion)
		return err
	})
	victim.AwaitStruck(action)
	switch s.fault {
	case "crash":
		victim.Restart()
	case "stop":
		<-time.After(2 * time.Second)
		victim.Continue()
	case "cut":
		c.Net.Cut(victim, other)
		victim.Continue()
		<-time.After(2 * time.Second)
		c.Net.Heal()
	}
}

// verify runs the audit of the certificates and the copies. A copy may have missed a write while its node
// was away: it is repaired, as the audit says. Anything else that is found is wrong.
func verify(t *testing.T, c *e2e.Cluster, via *e2e.Node) {
	t.Helper()
	c.Await("the audit to find nothing", func() error {
		a := via.CLI("audit", "verify")
		if a.Code == 0 {
			return nil
		}
		found := findings.FindAllStringSubmatch(a.Stdout, -1)
		for _, f := range found {
			if f[1] != "COPIES" {
				t.Fatalf("audit: %s%s", a.Stdout, a.Stderr)
			}
			for _, n := range c.Nodes() {
				if string(n.Name) == f[3] {
					n.CLI("repair", f[2])
				}
			}
		}
		return fmt.Errorf("%d findings, exit code %d: %s%s", len(found), a.Code, a.Stdout, a.Stderr)
	})
}

// findings are the lines of an audit that say what is wrong, of which kind's partition, at which node.
var findings = regexp.MustCompile(`(?m)^([A-Z]+) +\w+/(\d+) at (\S+)`)

// TestJoinTwoLeaveTwo: four nodes, three copies, quorum writes all the time, and again and again two nodes
// join and two leave in one plan. Every acknowledged write is there after each round, and every certificate
// is verified.
func TestJoinTwoLeaveTwo(t *testing.T) {
	t.Parallel()
	rounds := 2
	if e2e.Soak() {
		rounds = 100
	}
	r := e2e.Rand(t)
	c := e2e.New(t, e2e.Options{Args: []string{"--engine", "pebble"}})
	nodes := c.Form(4)
	c.CreateType(nodes[0], "tested", "allow_mult=true")
	for round := range rounds {
		clients := c.Drive(r, e2e.Load{Type: "tested", Bucket: fmt.Sprint("round", round), Clients: 6, Keys: 100})
		for range 2 {
			n := c.Node(fmt.Sprintf("n%d", len(c.Nodes())+1))
			n.Start(n.JoinArgs(nodes...)...)
			nodes = append(nodes, n)
		}
		leavers := nodes[:2]
		nodes = slices.Clone(nodes[2:])
		for _, n := range leavers {
			done(t, c, nodes[0], "cluster", "leave", string(n.Name))
		}
		c.CommitPlan(nodes[0])
		for _, n := range leavers {
			n.AwaitExit(0)
			if err := os.RemoveAll(n.DataDir); err != nil { // 200 MB a node
				t.Fatal(err)
			}
		}
		c.Settle(nodes[0])
		clients.Stop()
		c.Whole(nodes[0])
		clients.ReadAll(nodes[0], nodes[3])
		for _, wrong := range clients.History.Check(history.Eventual) {
			t.Error(wrong)
		}
		verify(t, c, nodes[0])
		if t.Failed() {
			t.Fatalf("after round %d", round)
		}
	}
}

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/test/e2e"
)

// done runs a command of the CLI that must succeed.
func done(t *testing.T, c *e2e.Cluster, via *e2e.Node, args ...string) string {
	t.Helper()
	a := via.CLI(args...)
	c.Want(a, 0)
	return a.Stdout
}

// planned runs `baton cluster plan --json`.
func planned(t *testing.T, c *e2e.Cluster, via *e2e.Node) (p admin.Plan) {
	t.Helper()
	out := done(t, c, via, "cluster", "plan", "--json")
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatalf("plan %q: %v", out, err)
	}
	return p
}

// TestStagedClustering (T-B4): what is staged has no effect before the commit, and a commit needs a
// plan; then a replacement, a rejoin, a forced replacement, a leave with a forced removal, a clear.
func TestStagedClustering(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	n1 := c.Form(1)[0]
	alone := n1.Record()
	n2, n3, n4 := c.Node("n2"), c.Node("n3"), c.Node("n4")
	n2.Start(n2.JoinArgs(n1)...)
	n3.Start(n3.JoinArgs(n1)...)

	// A join is staged only.
	awaitStatus(c, n1, n2, topology.Joining)
	awaitStatus(c, n1, n3, topology.Joining)
	wantOwners(t, n2.Record(), alone.Ring().Owners())
	c.Want(n1.CLI("cluster", "commit"), 4, "plan")
	wantOwners(t, n1.Record(), alone.Ring().Owners())
	p := planned(t, c, n1)
	if len(p.Changes) != 2 || p.Count == 0 {
		t.Errorf("the plan has changes %+v and %d transfers", p.Changes, p.Count)
	}
	wantOwners(t, n3.Record(), alone.Ring().Owners())
	done(t, c, n1, "cluster", "commit")
	c.Settle(n1)
	three := n1.Record()
	awaitStatus(c, n1, n2, topology.Valid)

	// n4 takes the place of n2, which exits by itself.
	n4.Start(n4.JoinArgs(n3)...)
	done(t, c, n1, "cluster", "replace", "n2", "n4")
	p = planned(t, c, n1)
	if len(p.Transfers) != 1 || p.Transfers[0].From != "n2" || p.Transfers[0].To != "n4" {
		t.Errorf("a replacement is planned as %+v", p.Transfers)
	}
	done(t, c, n1, "cluster", "commit")
	n2.AwaitExit(0)
	c.Settle(n1)
	want := replaced(three.Ring().Owners(), n2, n4)
	wantOwners(t, n1.Record(), want)
	awaitStatus(c, n3, n2, topology.Removed)

	// Its name comes back as a new node, which replaces n3 by force.
	n2.DataDir += "-new"
	n2.Start(n2.JoinArgs(n1)...)
	done(t, c, n1, "cluster", "force-replace", "n3", "n2")
	planned(t, c, n1)
	n3.Kill()
	done(t, c, n1, "cluster", "commit")
	want = replaced(want, n3, n2)
	wantOwners(t, n1.Record(), want)
	awaitStatus(c, n1, n3, topology.Removed)

	// A leave beside a forced removal leaves one. Until n2 votes in place of n3, the two that do are
	// both needed.
	c.Await("n2 to vote", func() error {
		if a := n1.Status().Agreement; !slices.Contains(a.Voters, n2.Name) {
			return fmt.Errorf("the voters are %v", a.Voters)
		}
		return nil
	})
	n4.Kill()
	done(t, c, n1, "cluster", "leave", "n2")
	done(t, c, n1, "cluster", "force-remove", "n4")
	p = planned(t, c, n1)
	if len(p.Warnings) == 0 || len(p.Forced) == 0 {
		t.Errorf("a forced removal is planned without a warning or a reassignment: %+v", p)
	}
	done(t, c, n1, "cluster", "commit")
	n2.AwaitExit(0)
	c.Settle(n1)
	wantOwners(t, n1.Record(), alone.Ring().Owners())
}

// TestClear (T-B4): what is staged is taken back as a whole, and a joiner with it.
func TestClear(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(2)
	before := nodes[0].Record()
	n3 := c.Node("n3")
	n3.Start(n3.JoinArgs(nodes...)...)
	done(t, c, nodes[0], "cluster", "leave", "n2")
	planned(t, c, nodes[0])
	done(t, c, nodes[0], "cluster", "clear")
	s := nodes[1].Record()
	if s.Plan() != nil || len(s.Staged()) != 0 {
		t.Errorf("after the clear, plan %v and staged %v", s.Plan(), s.Staged())
	}
	awaitStatus(c, nodes[0], n3, topology.Removed)
	wantOwners(t, s, before.Ring().Owners())
	c.Want(nodes[0].CLI("cluster", "commit"), 4, "plan")
	n3.AwaitExit(4)
}

// TestCommitRefusesAnOldPlan: a plan that the record has left behind is not committed.
func TestCommitRefusesAnOldPlan(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	n1 := c.Form(1)[0]
	n2, n3 := c.Node("n2"), c.Node("n3")
	n2.Start(n2.JoinArgs(n1)...)
	p := c.Plan(n1)
	n3.Start(n3.JoinArgs(n1)...)
	err := n1.Try(func(ctx context.Context, a *admin.Client) error {
		_, err := a.Commit(ctx, p.PlanVersion)
		return err
	})
	if !errors.Is(err, topology.ErrPlanChanged) && !errors.Is(err, topology.ErrNothingPlanned) {
		t.Errorf("the commit of a plan without n3: %v", err)
	}
	c.Want(n1.CLI("cluster", "commit"), 4, "plan")
}

// TestLeadershipInsteadOfClaimant (T-B5): a lost leader is followed by another without anybody's
// word, and does not take the lead back when it returns; a lost follower changes nothing.
func TestLeadershipInsteadOfClaimant(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	first := leader(t, c)
	follower := followers(t, c, nodes)[0]
	term := first.Status().Agreement.Term
	follower.Kill()
	c.Await("the follower to be unreachable", func() error { return wantReach(first, follower, "unreachable") })
	if s := first.Status().Agreement; s.Leader != first.Name || s.Term != term {
		t.Errorf("with a follower lost, %s leads in term %d; it was %s in %d", s.Leader, s.Term, first.Name, term)
	}
	follower.Start()
	c.Agree(nodes...)
	first.Kill()
	second := leader(t, c, first)
	first.Start()
	c.Agree(nodes...)
	c.Await("the first leader to be reachable again", func() error { return wantReach(second, first, "reachable") })
	for _, n := range nodes {
		if s := n.Status().Agreement; s.Leader != second.Name {
			t.Errorf("%s says that %s leads, %s was elected", n.Name, s.Leader, second.Name)
		}
	}
}

func wantReach(by, of *e2e.Node, want string) error {
	if got := by.Reach(of); got != want {
		return fmt.Errorf("%s believes that %s is %s", by.Name, of.Name, got)
	}
	return nil
}

// TestDown (T-B6): a member that is lost holds up only its own partitions; down is refused for one
// that answers, and the node is valid again when it returns.
func TestDown(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	n1, n3 := nodes[0], nodes[2]
	c.Want(n1.CLI("cluster", "down", "n3"), 4, "n3")
	n3.Kill()
	c.Await("n3 to be unreachable", func() error { return wantReach(n1, n3, "unreachable") })
	n4 := c.Node("n4")
	n4.Start(n4.JoinArgs(nodes[:2]...)...)
	done(t, c, n1, "cluster", "down", "n3")
	awaitStatus(c, nodes[1], n3, topology.Down)
	want := c.CommitPlan(n1).Plan().Ring.Owners()
	awaitStatus(c, n1, n4, topology.Valid)
	c.Await("all but n3's partitions to move", func() error {
		s, err := n1.TryRecord()
		if err != nil {
			return err
		}
		for _, k := range s.Kinds() {
			for p, part := range s.Parts(k.Name) {
				if part.Owner != want[p] && part.Owner != n3.Name {
					return fmt.Errorf("%s %d is %s's", k.Name, p, part.Owner)
				}
			}
		}
		return nil
	})
	n3.Start()
	awaitStatus(c, n1, n3, topology.Valid)
	c.Settle(n1)
	wantOwners(t, n3.Record(), want)
}

// TestLeave (T-B7): a node that leaves hands off all it has, exits, and is gone at all others.
func TestLeave(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	done(t, c, nodes[0], "cluster", "leave", "n2")
	awaitStatus(c, nodes[0], nodes[1], topology.Valid) // staged only
	want := c.CommitPlan(nodes[0]).Plan().Ring.Owners()
	nodes[1].AwaitExit(0)
	for _, n := range []*e2e.Node{nodes[0], nodes[2]} {
		awaitStatus(c, n, nodes[1], topology.Removed)
		s := n.Record()
		wantOwners(t, s, want)
		if slices.Contains(s.Ring().Owners(), nodes[1].Name) {
			t.Errorf("%s still shows partitions of n2", n.Name)
		}
	}
}

// TestGrowAndShrink (T-B8): four nodes come one by one, each is started anew, and all but one leave.
func TestGrowAndShrink(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(1)
	for i := 2; i <= 4; i++ {
		n := c.Node(fmt.Sprintf("n%d", i))
		n.Start(append(n.JoinArgs(nodes...), "--commit")...)
		awaitStatus(c, n, n, topology.Valid)
		c.Settle(n)
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		n.Terminate()
		n.Restart()
		c.Agree(nodes...)
	}
	c.Settle(nodes[0])
	shares := map[ring.NodeID]int{}
	for _, o := range nodes[3].Record().Ring().Owners() {
		shares[o]++
	}
	for _, n := range nodes {
		if shares[n.Name] != 4 {
			t.Errorf("%s has %d of 16 partitions", n.Name, shares[n.Name])
		}
	}
	for len(nodes) > 1 {
		gone := nodes[0] // the founder first
		nodes = nodes[1:]
		done(t, c, nodes[0], "cluster", "leave", string(gone.Name))
		c.CommitPlan(nodes[0])
		gone.AwaitExit(0)
		awaitStatus(c, nodes[0], gone, topology.Removed)
		c.Settle(nodes[0])
	}
	for _, o := range nodes[0].Record().Ring().Owners() {
		if o != nodes[0].Name {
			t.Errorf("a partition is left with %s", o)
		}
	}
	done(t, c, nodes[0], "ringready")
}

// TestJoinThroughANodeThatIsStarting (T-B9): a node that has no cluster yet can't admit another; that is
// told, and nothing of either changes. Both join one that has a cluster.
func TestJoinThroughANodeThatIsStarting(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	a, b := c.Node("a"), c.Node("b")
	a.Start()
	b.Start()
	c.Want(b.CLI("cluster", "join", a.Addr), 3, a.Addr)
	for _, n := range []*e2e.Node{a, b} {
		if s := n.Status(); s.Phase != admin.PhaseUnjoined || n.Ready().Phase != s.Phase {
			t.Errorf("%s said that it is %s, and is %s", n.Name, n.Ready().Phase, s.Phase)
		}
	}
	n1 := c.Form(1)[0]
	done(t, c, b, "cluster", "join", n1.Addr)
	done(t, c, a, "cluster", "join", b.Addr)
	c.CommitPlan(a)
	c.Settle(b)
	awaitStatus(c, n1, a, topology.Valid)
	awaitStatus(c, n1, b, topology.Valid)
}

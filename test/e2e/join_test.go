package e2e_test

import (
	"fmt"
	"testing"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/test/e2e"
)

// joinMoment is a point of a join at which somebody dies: hold stops the joiner's request there, and
// reached waits until it is there.
type joinMoment struct {
	name    string
	hold    func(c *e2e.Cluster, joiner, asked, lead *e2e.Node)
	reached func(c *e2e.Cluster, joiner, asked, lead *e2e.Node)
}

var joinMoments = []joinMoment{
	{
		name: "before its request reaches anybody",
		hold: func(c *e2e.Cluster, joiner, asked, _ *e2e.Node) { c.Net.CutOneWay(joiner, asked) },
		reached: func(c *e2e.Cluster, joiner, asked, _ *e2e.Node) {
			c.Net.AwaitHeld(joiner, asked)
		},
	},
	{
		name: "between request and decision",
		hold: func(c *e2e.Cluster, _, asked, lead *e2e.Node) { c.Net.CutOneWay(asked, lead) },
		reached: func(c *e2e.Cluster, joiner, asked, lead *e2e.Node) {
			c.Net.AwaitPassed(joiner, asked)
			c.Net.AwaitHeld(asked, lead)
		},
	},
	{
		name: "after the decision, before it hears",
		hold: func(c *e2e.Cluster, joiner, asked, _ *e2e.Node) { c.Net.CutOneWay(asked, joiner) },
		reached: func(c *e2e.Cluster, joiner, _, lead *e2e.Node) {
			awaitStatus(c, lead, joiner, topology.Joining)
		},
	},
}

// TestJoinerDies (J1): at each moment of a join the joiner dies for ever or comes back, with its data
// directory or a new one. Nobody waits for it: another joiner is admitted meanwhile.
func TestJoinerDies(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	for i, m := range joinMoments {
		for k, dir := range []string{"same directory", "new directory"} {
			t.Run(m.name+", "+dir, func(t *testing.T) {
				lead := leader(t, c)
				asked := followers(t, c, nodes)[0]
				joiner, other := c.Node(fmt.Sprintf("j%d", 2*i+k)), c.Node(fmt.Sprintf("k%d", 2*i+k))
				m.hold(c, joiner, asked, lead)
				joiner.Launch(joiner.JoinArgs(asked)...)
				m.reached(c, joiner, asked, lead)
				joiner.Kill()
				c.Net.Reset(joiner, asked)

				other.Start(other.JoinArgs(lead)...)
				awaitStatus(c, lead, other, topology.Joining)
				c.Net.Heal()
				if dir == "new directory" {
					joiner.DataDir += "-new"
				}
				joiner.Start(joiner.JoinArgs(nodes...)...)
				awaitStatus(c, asked, joiner, topology.Joining)
				if _, err := joiner.TryRecord(); err != nil {
					t.Errorf("the joiner that came back: %v", err)
				}
				done(t, c, lead, "cluster", "clear")
				joiner.AwaitExit(4)
				other.AwaitExit(4)
			})
		}
	}
	if got := len(nodes[0].Status().Members); got != 3 {
		t.Errorf("%d members are left, want 3", got)
	}
}

// TestLeaderDiesBeforeTheJoinersResponse (J2, J3): the leader has decided and dies before the joiner
// hears; a second joiner asks meanwhile. Both are admitted, and their plan commits.
func TestLeaderDiesBeforeTheJoinersResponse(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	lead := leader(t, c)
	others := followers(t, c, nodes)
	first, second := c.Node("n4"), c.Node("n5")
	c.Net.CutOneWay(lead, first)
	first.Launch(first.JoinArgs(lead, others[0], others[1])...)
	awaitStatus(c, others[0], first, topology.Joining)
	second.Launch(second.JoinArgs(lead, others[0], others[1])...)
	lead.Kill()
	c.Net.Heal()
	first.AwaitReady()
	second.AwaitReady()
	awaitStatus(c, others[1], second, topology.Joining)
	want := c.CommitPlan(others[0]).Plan().Ring.Owners()
	lead.Start()
	c.Settle(others[0])
	c.Agree(append(nodes, first, second)...)
	wantOwners(t, second.Record(), want)
}

// TestLeaderDiesBeforeItDecides (J2): the request is on its way to the leader when that dies; the
// joiner is admitted by the next one.
func TestLeaderDiesBeforeItDecides(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	lead := leader(t, c)
	others := followers(t, c, nodes)
	joiner := c.Node("n4")
	c.Net.CutOneWay(joiner, lead)
	joiner.Launch(joiner.JoinArgs(lead, others[0])...)
	c.Net.AwaitHeld(joiner, lead)
	lead.Kill()
	joiner.AwaitReady()
	awaitStatus(c, others[0], joiner, topology.Joining)
	c.Net.Heal()
	lead.Start()
	c.CommitPlan(others[0])
	c.Settle(lead)
}

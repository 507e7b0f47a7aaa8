package e2e_test

import (
	"fmt"
	"testing"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/test/e2e"
)

// joinMoment is a point of a join at which the joiner dies: hold stops its request there, and reached
// waits until it is there.
type joinMoment struct {
	name    string
	hold    func(c *e2e.Cluster, joiner, lead *e2e.Node, others []*e2e.Node)
	reached func(t *testing.T, c *e2e.Cluster, joiner, lead *e2e.Node, others []*e2e.Node)
}

var joinMoments = []joinMoment{
	{
		name: "before its request reaches anybody",
		hold: func(c *e2e.Cluster, joiner, lead *e2e.Node, _ []*e2e.Node) { c.Net.Mute(joiner, lead) },
		reached: func(t *testing.T, c *e2e.Cluster, joiner, lead *e2e.Node, others []*e2e.Node) {
			c.Net.AwaitHeld(joiner, lead)
			wantUnknown(t, others[0], joiner)
		},
	},
	{
		// The leader has the request and can't get it agreed: nobody's answer reaches it.
		name: "between request and decision",
		hold: func(c *e2e.Cluster, _, lead *e2e.Node, others []*e2e.Node) {
			for _, o := range others {
				c.Net.CutOneWay(o, lead)
			}
		},
		reached: func(_ *testing.T, c *e2e.Cluster, joiner, lead *e2e.Node, _ []*e2e.Node) {
			c.Net.AwaitPassed(joiner, lead)
		},
	},
	{
		name: "after the decision, before it hears",
		hold: func(c *e2e.Cluster, joiner, lead *e2e.Node, _ []*e2e.Node) { c.Net.Mute(lead, joiner) },
		reached: func(_ *testing.T, c *e2e.Cluster, joiner, _ *e2e.Node, others []*e2e.Node) {
			awaitStatus(c, others[0], joiner, topology.Joining)
		},
	},
}

func wantUnknown(t *testing.T, via, n *e2e.Node) {
	t.Helper()
	if m, known := via.Record().Member(n.Name); known {
		t.Errorf("%s is %+v already", n.Name, m)
	}
}

// TestJoinerDies (J1): at each moment of a join the joiner dies, and comes back with its data directory
// or a new one. Nobody waits for it: another joiner is admitted meanwhile.
func TestJoinerDies(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	for i, m := range joinMoments {
		for k, dir := range []string{"same directory", "new directory"} {
			joiner, other := c.Node(fmt.Sprintf("j%d", 2*i+k)), c.Node(fmt.Sprintf("k%d", 2*i+k))
			t.Run(m.name+", "+dir, func(t *testing.T) {
				c.Within(t)
				lead := leader(t, c)
				others := followers(t, c, nodes)
				m.hold(c, joiner, lead, others)
				joiner.Launch(joiner.JoinArgs(lead)...)
				m.reached(t, c, joiner, lead, others)
				joiner.Kill()
				c.Net.Reset(joiner, lead)

				other.Start(other.JoinArgs(nodes...)...)
				awaitStatus(c, others[0], other, topology.Joining)
				c.Net.Heal()
				if dir == "new directory" {
					joiner.DataDir += "-new"
				}
				joiner.Start(joiner.JoinArgs(nodes...)...)
				awaitStatus(c, others[0], joiner, topology.Joining)
				done(t, c, nodes[0], "cluster", "clear")
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
	c.Net.Mute(lead, first)
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
	c.Net.Mute(joiner, lead)
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

// TestSeedDoesNotAnswer (H1): the first seed takes connections and says nothing, like a host that hangs;
// the joiner is admitted by the others.
func TestSeedDoesNotAnswer(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	silent := followers(t, c, nodes)[0]
	joiner := c.Node("n4")
	c.Net.CutOneWay(silent, joiner)
	joiner.Start(joiner.JoinArgs(silent, leader(t, c))...)
	awaitStatus(c, nodes[0], joiner, topology.Joining)
}

// TestJoinerCutOffFromTheLeader (H1): the joiner reaches every member but the leader, which lives; the
// others pass its request on.
func TestJoinerCutOffFromTheLeader(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	lead := leader(t, c)
	joiner := c.Node("n4")
	c.Net.Cut(joiner, lead)
	joiner.Start(joiner.JoinArgs(nodes...)...)
	awaitStatus(c, nodes[0], joiner, topology.Joining)
}

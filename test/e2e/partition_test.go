package e2e_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/test/e2e"
)

// TestCut: five nodes are cut into two and three, both ways or one way. The minority changes nothing
// and says why, the majority goes on, and after the heal all agree.
func TestCut(t *testing.T) {
	t.Parallel()
	cuts := map[string]func(c *e2e.Cluster, minority, majority *e2e.Node){
		"both ways": func(c *e2e.Cluster, a, b *e2e.Node) { c.Net.Cut(a, b) },
		"nothing reaches the majority": func(c *e2e.Cluster, a, b *e2e.Node) {
			c.Net.CutOneWay(a, b)
		},
		"nothing reaches the minority": func(c *e2e.Cluster, a, b *e2e.Node) {
			c.Net.CutOneWay(b, a)
		},
	}
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(5)
	for name, cut := range cuts {
		t.Run(name, func(t *testing.T) {
			c.Within(t)
			lead := leader(t, c)
			rest := followers(t, c, nodes)
			minority, majority := []*e2e.Node{lead, rest[0]}, rest[1:]
			before := c.Agree(nodes...)
			for _, a := range minority {
				for _, b := range majority {
					cut(c, a, b)
				}
			}
			next := leader(t, c, minority...)
			done(t, c, next, "cluster", "leave", string(majority[0].Name))
			var asked sync.WaitGroup
			for _, n := range minority {
				asked.Go(func() {
					a := n.CLI("cluster", "leave", string(rest[0].Name))
					c.Want(a, 3, "no answer from the voters", string(majority[0].Name), string(majority[1].Name))
				})
			}
			asked.Wait()
			done(t, c, next, "cluster", "clear")
			s := next.Record()
			if len(s.Staged()) != 0 || s.Version() <= before {
				t.Errorf("the majority is at version %d with %v staged; before the cut it was %d", s.Version(), s.Staged(), before)
			}
			c.Net.Heal()
			c.Agree(nodes...)
			if s := lead.Record(); len(s.Staged()) != 0 {
				t.Errorf("after the heal, staged: %v", s.Staged())
			}
			for _, n := range nodes {
				for _, o := range nodes {
					if o != n {
						c.Await("everybody to be reachable", func() error { return wantReach(n, o, "reachable") })
					}
				}
			}
		})
	}
}

// TestPausedFollower: a node that stands still for 8 seconds is suspected, comes back as the same
// incarnation, and owns what it owned.
func TestPausedFollower(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	lead := leader(t, c)
	slow := followers(t, c, nodes)[0]
	before := lead.Record()
	was, _ := before.Member(slow.Name)
	slow.Pause()
	eight := time.After(8 * time.Second)
	c.Await("the pause to be noticed", func() error {
		if r := lead.Reach(slow); r == "reachable" {
			return fmt.Errorf("it is %s", r)
		}
		return nil
	})
	<-eight
	slow.Continue()
	c.Await("the paused node to be reachable", func() error { return wantReach(lead, slow, "reachable") })
	c.Agree(nodes...)
	after := slow.Record()
	if m, _ := after.Member(slow.Name); m.Incarnation != was.Incarnation || m.Status != topology.Valid {
		t.Errorf("it was %+v, and is %+v", was, m)
	}
	wantOwners(t, after, before.Ring().Owners())
}

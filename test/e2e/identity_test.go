package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/test/e2e"
)

// TestTwoClusters (J6): two clusters that are pointed at each other stay two, whichever is told to
// join and also where one got the other's address; both ids are named and nothing changes.
func TestTwoClusters(t *testing.T) {
	t.Parallel()
	a, b := e2e.New(t, e2e.Options{}), e2e.New(t, e2e.Options{})
	as, bs := a.Form(2), b.Form(3)
	idA, idB := as[0].Record().ClusterID().String(), bs[0].Record().ClusterID().String()
	va, vb := a.Agree(as...), b.Agree(bs...)

	b.Want(bs[0].CLI("cluster", "join", as[0].Addr), 4, idA, idB)
	a.Want(as[0].CLI("cluster", "join", bs[0].Addr), 4, idA, idB)

	// A member of B can't be started into A.
	bs[2].Kill()
	bs[2].Launch(bs[2].JoinArgs(as[0])...)
	if err := mentions(bs[2].AwaitExit(4), idA, idB); err != nil {
		t.Errorf("the error: %v", err)
	}

	// And where it was there is one of A.
	b.Net.Redirect(bs[2], as[1])
	for _, n := range []*e2e.Node{bs[0], as[1]} {
		a.Await(string(n.Name)+" to log both ids", func() error { return mentions(n.Log(), idA, idB) })
	}
	b.Net.Redirect(bs[2], bs[2])
	if got := a.Agree(as...); got != va {
		t.Errorf("cluster A went from version %d to %d", va, got)
	}
	bs[2].Start()
	if got := b.Agree(bs...); got != vb+1 {
		t.Errorf("cluster B went from version %d to %d, want one start of a node", vb, got)
	}
}

type missing string

func (m missing) Error() string { return "it does not say " + string(m) }

// mentions reports what one line of the text would have to say.
func mentions(text string, want ...string) error {
	for line := range strings.Lines(text) {
		all := true
		for _, w := range want {
			all = all && strings.Contains(line, w)
		}
		if all {
			return nil
		}
	}
	return missing(strings.Join(want, " and "))
}

// TestNodeThatLostItsData: a node with an empty directory under a member's name is told that the name
// is taken and how to go on; the member stays as it was.
func TestNodeThatLostItsData(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	n1, n3 := nodes[0], nodes[2]
	before, _ := n1.Record().Member("n3")
	n3.Kill()
	kept := n3.DataDir
	n3.DataDir += "-empty"
	n3.Launch(n3.JoinArgs(n1)...)
	if err := mentions(n3.AwaitExit(4), "n3", "name taken", "new name"); err != nil {
		t.Errorf("the error: %v", err)
	}
	after, _ := n1.Record().Member("n3")
	if after.Status != topology.Valid || after.Nonce != before.Nonce || after.Incarnation != before.Incarnation {
		t.Errorf("the member was %+v, and is %+v", before, after)
	}
	n3.DataDir = kept
	n3.Start()
	awaitStatus(c, n1, n3, topology.Valid)
	c.Agree(nodes...)
}

// TestRemovedNodeComesBack: a removed node that starts with its data is told that it was removed and
// has to join as a new one, and can.
func TestRemovedNodeComesBack(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	n1, n3 := nodes[0], nodes[2]
	n3.Kill()
	done(t, c, n1, "cluster", "force-remove", "n3")
	c.CommitPlan(n1)
	awaitStatus(c, n1, n3, topology.Removed)
	for _, args := range [][]string{nil, n3.JoinArgs(n1)} {
		n3.Launch(args...)
		if err := mentions(n3.AwaitExit(4), "n3", "removed"); err != nil {
			t.Errorf("start %v: the error: %v", args, err)
		}
	}
	n3.DataDir += "-new"
	n3.Start(n3.JoinArgs(n1)...)
	awaitStatus(c, n1, n3, topology.Joining)
}

// TestRemovedNodeEnds: a node that is removed while it runs ends by itself.
func TestRemovedNodeEnds(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	done(t, c, nodes[0], "cluster", "force-remove", "n2")
	want := c.CommitPlan(nodes[0]).Plan().Ring.Owners()
	if err := mentions(nodes[1].AwaitExit(4), "n2", "removed"); err != nil {
		t.Errorf("the error: %v", err)
	}
	c.Settle(nodes[0])
	wantOwners(t, nodes[2].Record(), want)
}

// TestOneProcessForADataDirectory: a second process on the directory is refused by its lock, and one
// on a copy of it fences the older process, which ends by itself.
func TestOneProcessForADataDirectory(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	n3 := nodes[2]
	twin := c.Twin(n3)
	twin.Launch()
	if err := mentions(twin.AwaitExit(4), n3.DataDir); err != nil {
		t.Errorf("the error: %v", err)
	}
	before := awaitStatus(c, nodes[0], n3, topology.Valid)

	n3.Pause()
	copied := n3.DataDir + "-copy"
	if err := os.CopyFS(copied, os.DirFS(n3.DataDir)); err != nil {
		t.Fatal(err)
	}
	n3.Continue()
	twin.DataDir = filepath.Clean(copied)
	twin.Start()
	if err := mentions(n3.AwaitExit(4), "n3"); err != nil {
		t.Errorf("the error: %v", err)
	}
	after := awaitStatus(c, nodes[0], twin, topology.Valid)
	if after.Incarnation <= before.Incarnation {
		t.Errorf("the incarnation was %d, and is %d", before.Incarnation, after.Incarnation)
	}
	c.Agree(nodes[0], nodes[1], twin)
}

package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/test/e2e"
)

// answer runs a command with --json and returns what it printed.
func answer[T any](t *testing.T, c *e2e.Cluster, n *e2e.Node, args ...string) (v T) {
	t.Helper()
	a := n.CLI(append(args, "--json")...)
	c.Want(a, 0)
	if err := json.Unmarshal([]byte(a.Stdout), &v); err != nil {
		t.Fatalf("%v printed %q: %v", args, a.Stdout, err)
	}
	return v
}

// alone asks for one primary: the last node that is up.
var alone = kv.ReadOptions{R: bucket.One, PR: bucket.One, Sloppy: kv.No}

// on returns the objects of which a node keeps a copy: where the ring's end meets its beginning two of
// three copies are on one node of three.
func (s *set) on(n *e2e.Node) *set {
	out := &set{t: s.t, c: s.c, values: s.values}
	owners := n.Record().Owners(kv.KindName).Owners()
	for _, key := range s.keys {
		head := int(kv.Route("", "b", key, len(owners)))
		for i := range 3 {
			if owners[(head+i)%len(owners)] == n.Name {
				out.keys = append(out.keys, key)
				break
			}
		}
	}
	s.t.Logf("%d of %d objects have a copy on %s", len(out.keys), len(s.keys), n.Name)
	return out
}

// TestHints: `baton hints` shows what the nodes that are left keep for one that is killed, also after
// they were killed themselves; when it is back they have nothing for it any more, and it alone can read
// everything that it has a copy of.
func TestHints(t *testing.T) {
	t.Parallel()
	r := e2e.Rand(t)
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	lost, left := nodes[2], nodes[:2]
	lost.Kill()
	c.Await("the lost node to be unreachable", func() error { return wantReach(nodes[0], lost, "unreachable") })
	s := newSet(t, c)
	s.write(r, nodes[0], 60, kv.WriteOptions{})
	kept := answer[admin.Hints](t, c, nodes[0], "hints").Hints
	if len(kept) == 0 {
		t.Fatal("no hints of writes without one of three nodes")
	}
	for _, n := range left {
		n.Kill()
		n.Restart()
	}
	for _, n := range left {
		now := map[admin.Hint]bool{}
		for _, h := range answer[admin.Hints](t, c, n, "hints").Hints {
			h.Kept = nil // what only the asked node knows
			now[h] = true
		}
		for _, h := range kept {
			h.Kept = nil
			if !now[h] || h.Owner != lost.Name || h.Node == lost.Name {
				t.Errorf("%s says after the restart that there are %v; before there was %v", n.Name, now, h)
			}
		}
	}
	lost.Restart()
	c.Whole(nodes[0])
	for _, n := range nodes {
		c.Await("no hints at "+string(n.Name), func() error {
			if a := n.CLI("hints"); a.Code != 0 || !strings.Contains(a.Stdout, "No node keeps data") {
				return errors.New(a.Stdout + a.Stderr)
			}
			return nil
		})
	}
	s = s.on(lost)
	c.KillAll(left...)
	s.read(lost, alone)
}

// TestRepair: a node whose store is gone says what it lacks and which copy it can't reach, in `baton
// entropy` and `baton repair`; once it can, it is whole, and so is a repair by hand.
func TestRepair(t *testing.T) {
	t.Parallel()
	r := e2e.Rand(t)
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	s := newSet(t, c)
	s.write(r, nodes[0], 60, kv.WriteOptions{W: bucket.All})
	wiped, away := nodes[2], nodes[1]
	wiped.Terminate()
	if err := os.RemoveAll(wiped.StoreDir()); err != nil {
		t.Fatal(err)
	}
	away.Kill()
	wiped.Launch() // it takes part when it can say what it lost
	wiped.AwaitReady()
	lacking := func() (all []ring.Partition) {
		for _, p := range answer[admin.Entropy](t, c, wiped, "entropy").Partitions {
			if p.IncompleteSince > 0 {
				all = append(all, p.Partition)
			}
		}
		return all
	}
	var first ring.Partition
	c.Await("partitions that lack data", func() error {
		all := lacking()
		if len(all) == 0 {
			return errors.New("there are none")
		}
		first = all[0]
		return nil
	})
	if text := wiped.CLI("entropy"); !strings.Contains(text.Stdout, "lacks data since record version") {
		t.Errorf("entropy printed %q", text.Stdout)
	}
	c.Want(wiped.CLI("repair", strconv.Itoa(int(first))), 3, string(away.Name))
	away.Restart()
	c.Whole(nodes[0])
	c.Await("the node to say so too", func() error {
		if all := lacking(); len(all) > 0 {
			return fmt.Errorf("it says that %v lack data", all)
		}
		return nil
	})
	for _, x := range answer[admin.Repair](t, c, wiped, "repair", strconv.Itoa(int(first))).Exchanges {
		if x.Taken+x.Given > 0 || x.Error != "" {
			t.Errorf("after the repair: %+v", x)
		}
	}
	s = s.on(wiped)
	c.KillAll(nodes[:2]...)
	s.read(wiped, alone)
}

// TestBackup: every node of a running cluster is backed up while clients write; restored elsewhere, the
// nodes are a cluster of their own beside the old one, with all that was written before.
func TestBackup(t *testing.T) {
	t.Parallel()
	r := e2e.Rand(t)
	old := e2e.New(t, e2e.Options{})
	nodes := old.Form(3)
	old.CreateType(nodes[0], "tested", strict...)
	s := newSet(t, old)
	s.write(r, nodes[0], 60, kv.WriteOptions{W: bucket.All})
	clients := old.Drive(r, e2e.Load{Type: "tested", Bucket: "b", Clients: 4, Keys: 50})
	dir := t.TempDir()
	var newest admin.DataBackup
	first := 0
	for i, n := range nodes {
		b := answer[admin.DataBackup](t, old, n, "backup", filepath.Join(dir, string(n.Name)))
		if i == 0 || b.RecordVersion > newest.RecordVersion {
			newest, first = b, i
		}
	}
	clients.Stop()

	c := e2e.New(t, e2e.Options{})
	restored := make([]*e2e.Node, len(nodes))
	for i, n := range nodes {
		restored[i] = c.Node(string(n.Name))
		c.Want(c.CLI("restore", filepath.Join(dir, string(n.Name)), "--data-dir", restored[i].DataDir, "--record", newest.Directory), 0)
	}
	lead := restored[first]
	lead.Start()
	for i, n := range restored {
		if i != first {
			n.Start(n.JoinArgs(lead)...)
		}
	}
	c.Whole(lead)
	if was, is := nodes[0].Record().ClusterID(), lead.Record().ClusterID(); was == is {
		t.Errorf("both clusters are %s", is)
	}
	for _, m := range lead.Record().Members() {
		if m.Status != topology.Valid {
			t.Errorf("member %+v", m)
		}
	}
	again := &set{t: t, c: c, values: s.values, keys: s.keys}
	for _, n := range restored {
		again.read(n, all)
	}
	again.write(r, restored[1], 10, kv.WriteOptions{W: bucket.All})
	old.Want(nodes[0].CLI("get", "b", fmt.Sprintf("%05d", len(again.keys)-1)), 1)
}

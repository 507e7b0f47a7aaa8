package e2e_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/test/e2e"
)

// TestReads: every command that reads answers in JSON at the admin address and at the HTTP address, of a
// leader and of a follower; the HTTP address takes no change; health is told at both.
func TestReads(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	before := c.Agree(nodes...)
	defer http.DefaultClient.CloseIdleConnections()
	for _, n := range nodes[:2] {
		for _, addr := range []string{n.Ready().AdminAddr, n.Ready().HTTPAddr} {
			for _, command := range []string{
				"cluster status", "cluster members", "cluster ring", "member-status", "ring-status", "ringready", "transfers", "transfer-limit",
			} {
				a := c.CLI(append(strings.Fields(command), "--json", "--admin", addr)...)
				c.Want(a, 0)
				for line := range strings.Lines(a.Stdout) {
					if !json.Valid([]byte(line)) {
						t.Errorf("%s printed %q", command, line)
					}
				}
			}
			for _, path := range []string{"/livez", "/readyz"} {
				resp, err := http.Get("http://" + addr + path)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("%s at %s: %s", path, n.Name, resp.Status)
				}
			}
		}
		c.Want(c.CLI("cluster", "leave", "n3", "--admin", n.Ready().HTTPAddr), 2, "admin address")
	}
	if got := c.Agree(nodes...); got != before {
		t.Errorf("the reads took the record from version %d to %d", before, got)
	}
}

// TestMoveOnePartition: `baton handoff move` moves one partition, and no transfer is opened while the
// limit is 0.
func TestMoveOnePartition(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	n1 := nodes[0]
	before := n1.Record()
	const moved = ring.Partition(5)
	to := nodes[0]
	if before.Ring().Owner(moved) == to.Name {
		to = nodes[1]
	}
	done(t, c, n1, "transfer-limit", "0")
	done(t, c, n1, "handoff", "move", strconv.Itoa(int(moved)), string(to.Name))
	s := c.Agree(nodes...)
	if r := n1.Record(); len(r.Transfers()) != 0 || r.Settled() || r.Version() != s {
		t.Errorf("with a limit of 0, version %d has the transfers %v", r.Version(), r.Transfers())
	}
	done(t, c, nodes[1], "transfer-limit", "2")
	c.Settle(n1)
	want := append([]ring.NodeID(nil), before.Ring().Owners()...)
	want[moved] = to.Name
	wantOwners(t, nodes[2].Record(), want)
}

// TestWeight: another weight counts from the next committed plan on. With a target n of more than 1 two
// nodes would have to alternate.
func TestWeight(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{Args: []string{"--target-n", "1"}})
	nodes := c.Form(2)
	done(t, c, nodes[0], "cluster", "weight", "n2", "3")
	done(t, c, nodes[0], "cluster", "location", "n2", "rack2")
	if got := nodes[0].Record().Ring().Count("n2"); got != 8 {
		t.Errorf("n2 has %d of 16 partitions before the plan", got)
	}
	c.CommitPlan(nodes[1])
	c.Settle(nodes[0])
	s := nodes[0].Record()
	if m, _ := s.Member("n2"); s.Ring().Count("n2") != 12 || m.Weight != 3 || m.Location != "rack2" {
		t.Errorf("n2 has %d of 16 partitions and is %+v", s.Ring().Count("n2"), m)
	}
}

// TestMajorityLostForEver: `baton cluster recover` makes the survivor go on alone, by the operator's word
// only; what the others owned is its own after their forced removal, and new nodes join it.
func TestMajorityLostForEver(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	n1 := nodes[0]
	id := n1.Record().ClusterID()
	nodes[1].Kill()
	nodes[2].Kill()
	c.Want(n1.CLI("cluster", "force-remove", "n2"), 3)
	recovery := []string{"cluster", "recover", "--data-dir", n1.DataDir}
	c.Want(c.CLI(recovery...), 2)
	c.Want(c.CLI(append(recovery, "--yes")...), 4, n1.DataDir)
	n1.Kill()
	c.Want(c.CLI(append(recovery, "--yes")...), 0)
	n1.Start()
	for _, n := range []string{"n2", "n3"} {
		done(t, c, n1, "cluster", "force-remove", n)
	}
	c.CommitPlan(n1)
	c.Settle(n1)
	n4 := c.Node("n4")
	n4.Start(append(n4.JoinArgs(n1), "--commit")...)
	awaitStatus(c, n1, n4, topology.Valid)
	c.Settle(n4)
	if s := n4.Record(); s.ClusterID() != id || s.Ring().Count("n4") != 8 {
		t.Errorf("cluster %s, n4 has %d of 16 partitions", s.ClusterID(), s.Ring().Count("n4"))
	}
}

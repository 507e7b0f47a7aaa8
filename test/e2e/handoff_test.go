package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/test/e2e"
)

// TestHandoffCommands: the operator's commands about transfers, with real processes: bounds, progress,
// cancelling, disabling, and that another rate takes effect on what is under way.
func TestHandoffCommands(t *testing.T) {
	t.Parallel()
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(3)
	n1 := nodes[0]
	loadText(t, c, n1, 400, 16<<10)
	for _, n := range nodes[:2] {
		for _, command := range []string{"handoff summary", "handoff details", "handoff config"} {
			answer[any](t, c, n, strings.Fields(command)...)
			c.Want(n.CLI(strings.Fields(command)...), 0)
		}
	}
	done(t, c, n1, "handoff", "config", "--rate", "64KiB")
	p, source, target := movable(t, n1.Record(), nil)

	// A transfer at the lowest rate is cancelled.
	done(t, c, nodes[1], "handoff", "move", strconv.Itoa(int(p)), string(target))
	tr := awaitTransfer(t, c, nodes[2], p, func(x admin.Transfer) bool { return strings.Contains(x.WaitsFor, "rate limit") })
	c.Want(nodes[2].CLI("handoff", "cancel", strconv.FormatUint(tr.Session, 10)), 0)
	c.Await("the end of the cancelled transfer", func() error {
		if part := n1.Record().Part("kv", p); part.Transfer != nil || part.Owner != source || part.LastReason != topology.ReasonCancelled {
			return fmt.Errorf("%+v", part)
		}
		return nil
	})
	c.Want(n1.CLI("handoff", "cancel", strconv.FormatUint(tr.Session, 10)), 4, "no open transfer")
	if a := n1.CLI("handoff", "details"); !strings.Contains(a.Stdout, "an operator cancelled it") || !strings.Contains(a.Stdout, "failed: cancelled") {
		t.Errorf("details after the cancellation:\n%s", a.Stdout)
	}
	done(t, c, n1, "handoff", "move", strconv.Itoa(int(p)), string(source)) // it stays where it is

	// What is disabled waits; enabled, and with no bound any more, it arrives.
	q, source, target := movable(t, n1.Record(), &p)
	c.Want(n1.CLI("handoff", "disable", "outbound", "--node", string(source)), 0)
	done(t, c, n1, "handoff", "move", strconv.Itoa(int(q)), string(target))
	if a := n1.CLI("handoff", "details"); !strings.Contains(a.Stdout, string(source)+" has outbound transfers disabled") {
		t.Errorf("details of what is disabled:\n%s", a.Stdout)
	}
	c.Want(n1.CLI("handoff", "enable", "both"), 0)
	awaitTransfer(t, c, n1, q, func(x admin.Transfer) bool { return strings.Contains(x.WaitsFor, "rate limit") })
	done(t, c, nodes[1], "handoff", "config", "--node", string(source), "--rate", "0")
	c.Settle(n1)
	r := n1.Record()
	if owner, _ := r.Owner("kv", q); owner != target || r.TransferRate(source) != 0 {
		t.Errorf("partition %d is at %s, the rate of %s is %d", q, owner, source, r.TransferRate(source))
	}
	for _, n := range nodes {
		for _, message := range map[ring.NodeID][]string{
			source: {"handoff starting", "handoff sent", "handoff finished", "handoff deleted"},
			target: {"handoff receiving", "handoff received"},
		}[n.Name] {
			if !strings.Contains(n.Log(), message) {
				t.Errorf("%s does not log %q", n.Name, message)
			}
		}
	}
	c.Want(n1.CLI("handoff", "cancel", "--partition", strconv.Itoa(int(q))), 4, "nothing moves it")
}

// loadText loads objects of a size into a bucket.
func loadText(t *testing.T, c *e2e.Cluster, n *e2e.Node, count, size int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "lines")
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, "{\"id\":\"%d\",\"text\":%q}\n", i, strings.Repeat("x", size))
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Want(n.CLI("load", "text", file, "--format", "jsonl", "--key", "id"), 0)
}

// movable returns a partition, its owner, and a node to move it to.
func movable(t *testing.T, s topology.State, not *ring.Partition) (p ring.Partition, source, target ring.NodeID) {
	t.Helper()
	for p, part := range s.Parts("kv") {
		for _, m := range s.Members() {
			if m.Node != part.Owner && m.Status == topology.Valid && (not == nil || p != *not) {
				return p, part.Owner, m.Node
			}
		}
	}
	t.Fatal("nothing can move")
	return 0, "", ""
}

// awaitTransfer returns the transfer of kv of a partition once it is as ok wants it.
func awaitTransfer(t *testing.T, c *e2e.Cluster, n *e2e.Node, p ring.Partition, ok func(admin.Transfer) bool) (found admin.Transfer) {
	t.Helper()
	c.Await(fmt.Sprintf("the transfer of partition %d", p), func() error {
		all := answer[admin.Transfers](t, c, n, "transfers")
		for _, x := range all.Active {
			if x.Kind == "kv" && x.Partition == p && ok(x) {
				found = x
				return nil
			}
		}
		return fmt.Errorf("%+v", all)
	})
	return found
}

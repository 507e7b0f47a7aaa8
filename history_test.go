package baton_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff/history"
	"github.com/dee2748c/baton/kv"
)

// TestNode_History: both nodes of a transfer keep its certificate, the record's last one among them, and the
// chain of each partition is whole, after restarts too.
func TestNode_History(t *testing.T) {
	m := startMembers(t, "a", "b", "c")
	for i := range 50 {
		if err := m.all["a"].KV().Put(m.ctx, kv.Object{Bucket: "b", Key: fmt.Sprint(i), Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.all["b"].Leave(m.ctx); err != nil {
		t.Fatal(err)
	}
	left := m.all["b"]
	delete(m.all, "b")
	if err := left.Stop(m.ctx); err != nil {
		t.Fatal(err)
	}
	second := chains(t, m)
	if second == 0 {
		t.Error("no partition was moved twice")
	}
	a := m.all["a"]
	o := m.options("a", false)
	o.Addr, o.Join = a.Addr(), nil
	before, _, err := a.History()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(m.ctx); err != nil {
		t.Fatal(err)
	}
	a = m.start(o)
	after, damage, err := a.History()
	if err != nil || len(damage) > 0 {
		t.Fatal(damage, err)
	}
	if len(before) == 0 || len(after) != len(before) {
		t.Errorf("%d entries before the restart, %d after it", len(before), len(after))
	}
	chains(t, m)
	for name, n := range m.all {
		if late := n.LateFrames(); late.AppliedAfterClose != 0 {
			t.Errorf("%s: %+v", name, late)
		}
	}
}

// chains checks the certificates of all partitions against the histories of the nodes that are there, and
// returns how many have a predecessor.
func chains(t *testing.T, m *members) (second int) {
	t.Helper()
	logs := map[string][]history.Entry{}
	for name, n := range m.all {
		all, damage, err := n.History()
		if err != nil || len(damage) > 0 {
			t.Fatal(damage, err)
		}
		for _, e := range all {
			if err := e.Check(); !e.Failed() && err != nil {
				t.Errorf("%s: session %d: %v", name, e.Session, err)
			}
			if string(e.Node) != name {
				t.Errorf("%s has an entry of %s", name, e.Node)
			}
		}
		logs[name] = all
	}
	state := m.all["a"].View().State
	certificates := 0
	for _, k := range state.Kinds() {
		for p, x := range state.Parts(k.Name) {
			c := x.Certificate
			if c == nil {
				continue
			}
			certificates++
			if c.Number > 1 {
				second++
			}
			if k.Name == kv.KindName && c.FreezeMicros == 0 {
				t.Errorf("%s/%d: session %d has no freeze time", k.Name, p, c.Session)
			}
			for _, node := range []string{string(c.Source), string(c.Target)} {
				if logs[node] != nil && !slices.ContainsFunc(logs[node], func(e history.Entry) bool { return !e.Failed() && e.Certificate == *c }) {
					t.Errorf("%s/%d: %s does not have the certificate of session %d", k.Name, p, node, c.Session)
				}
			}
			for before := find(logs, c); c.Number > 1 && before != nil; c, before = before, find(logs, before) {
				if err := c.Follows(before); err != nil {
					t.Errorf("%s/%d: session %d: %v", k.Name, p, c.Session, err)
				}
			}
		}
	}
	if certificates == 0 {
		t.Error("no certificate")
	}
	return second
}

// find returns the certificate before another one, nil if no log has it.
func find(logs map[string][]history.Entry, c *topology.Certificate) *topology.Certificate {
	for _, all := range logs {
		for _, e := range all {
			if !e.Failed() && e.Kind == c.Kind && e.Partition == c.Partition && e.Number == c.Number-1 {
				return &e.Certificate
			}
		}
	}
	return nil
}

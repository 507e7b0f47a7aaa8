package baton_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// put writes to all copies.
func (m *members) put(key string, value []byte) {
	m.Helper()
	_, err := m.all["a"].KV().Write(m.ctx, kv.Put{Object: kv.Object{Bucket: "b", Key: key, Value: value}, Options: kv.WriteOptions{W: bucket.All}})
	if err != nil {
		m.Fatal(err)
	}
}

// audited audits the cluster and returns what was found.
func (m *members) audited(at string, r admin.AuditRequest) (found []admin.Finding, s admin.AuditSummary) {
	m.Helper()
	err := m.all[at].Audit(m.ctx, r, func(e admin.AuditEvent) error {
		if e.Finding != nil {
			found = append(found, *e.Finding)
		}
		if e.Summary != nil {
			s = *e.Summary
		}
		return nil
	})
	if err != nil {
		m.Fatal(err)
	}
	if s.Findings != len(found) {
		m.Errorf("%d findings by the summary, %d were told", s.Findings, len(found))
	}
	return found, s
}

// TestNode_Audit: a sound cluster has no findings, while it is written to and its partitions have moved; a
// byte that is flipped on the disk of one node and one in a history are found, and nothing else is.
func TestNode_Audit(t *testing.T) {
	m := startMembers(t, "a", "b", "c")
	values := map[string][]byte{}
	for i := range 200 {
		value := make([]byte, 1<<10) // of which no compression makes less
		if _, err := rand.Read(value); err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("%03d", i)
		values[key] = value
		m.put(key, value)
	}
	found, s := m.audited("b", admin.AuditRequest{})
	if len(found) > 0 || s.Copies < 16 || s.Items < 600 || s.Certificates == 0 || s.Heads != 16 {
		t.Errorf("a sound cluster: %+v, %+v", found, s)
	}
	// What is in the log of a store is in tables after a restart.
	a := m.all["a"]
	o := m.options("a", false)
	o.Addr, o.Join, o.Entropy = a.Addr(), nil, baton.EntropyOptions{Interval: -1}
	for range 2 {
		if err := m.all["a"].Stop(m.ctx); err != nil {
			t.Fatal(err)
		}
		m.start(o)
	}
	if found, _ := m.audited("c", admin.AuditRequest{}); len(found) > 0 {
		t.Errorf("after restarts: %+v", found)
	}
	key := flipValue(t, filepath.Join(o.DataDir, "store"), values)
	found, _ = m.audited("c", admin.AuditRequest{Kind: kv.KindName})
	damaged := 0
	for _, f := range found {
		switch {
		case f.Problem == admin.FoundDamaged && f.Node == "a" && f.Kind == kv.KindName && strings.Contains(f.Remedy, "baton repair"):
			damaged++
		case f.Problem == admin.FoundIncomplete && f.Node == "a", f.Problem == admin.FoundCopies: // it is being mended already
		default:
			t.Errorf("%s was flipped at a: %+v", key, f)
		}
	}
	if damaged == 0 {
		t.Errorf("the flipped byte was not found: %+v", found)
	}
	m.flipHistory("b")
	found, _ = m.audited("a", admin.AuditRequest{Kind: "pipe"})
	if len(found) == 0 {
		t.Error("a flipped byte of a history was not found")
	}
	for _, f := range found {
		if f.Node != "b" || f.Problem != admin.FoundHistory && f.Problem != admin.FoundCertificate {
			t.Errorf("the history of b was flipped: %+v", f)
		}
	}
}

// flipValue flips a bit of one value in the tables of a store, and returns its key.
func flipValue(t *testing.T, dir string, values map[string][]byte) string {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		raw, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range values {
			if at := bytes.Index(raw, value); at >= 16<<10 && at < len(raw)-16<<10 {
				f, err := os.OpenFile(table, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.WriteAt([]byte{value[100] ^ 1}, int64(at+100)); err != nil {
					t.Fatal(err)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
				return key
			}
		}
	}
	t.Fatal("no table holds a value")
	return ""
}

// flipHistory flips a bit in the middle of a node's history.
func (m *members) flipHistory(name string) {
	m.Helper()
	path := filepath.Join(m.dir, name, "history", "00000001.log")
	b, err := os.ReadFile(path)
	if err != nil {
		m.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		m.Fatal(err)
	}
}

// TestNode_Audit_unanswered: a node that is gone is a finding.
func TestNode_Audit_unanswered(t *testing.T) {
	m := startMembers(t, "a", "b", "c")
	gone := m.all["c"]
	delete(m.all, "c")
	if err := gone.Stop(m.ctx); err != nil {
		t.Fatal(err)
	}
	found, s := m.audited("a", admin.AuditRequest{Partition: new(ring.Partition)})
	if len(found) == 0 || s.Skipped == 0 {
		t.Errorf("%+v, %+v", found, s)
	}
	for _, f := range found {
		if f.Problem != admin.FoundUnanswered || f.Node != "c" {
			t.Errorf("%+v", f)
		}
	}
}

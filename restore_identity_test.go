package baton_test

import (
	"path/filepath"
	"testing"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/kv"
)

// TestRestore_newLineage: T-B27, a node that was set back to a backup lives its
// incarnations again; what it writes is not taken for what it wrote in those that
// are forgotten.
func TestRestore_newLineage(t *testing.T) {
	m := startMembers(t)
	o := m.options("a", true)
	n := m.start(o)
	backup := filepath.Join(m.dir, "backup")
	if _, err := n.Backup(m.ctx, backup); err != nil {
		t.Fatal(err)
	}
	write := func(n *baton.Node, value string, context kv.Context) kv.Written {
		t.Helper()
		w, err := n.KV().Write(m.ctx, kv.Put{Object: kv.Object{Bucket: "b", Key: "k", Value: []byte(value), Context: context}})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	next := func(dir string) *baton.Node {
		t.Helper()
		m.stop()
		clear(m.all)
		o.Bootstrap, o.DataDir = false, dir
		return m.start(o)
	}
	forgotten := write(next(o.DataDir), "forgotten", "")
	restored := filepath.Join(m.dir, "restored")
	if _, err := baton.Restore(m.ctx, baton.RestoreOptions{Backup: backup, DataDir: restored}); err != nil {
		t.Fatal(err)
	}
	n = next(restored)
	write(n, "new", "")
	if w := write(n, "stale", forgotten.Context); w.Siblings != 2 {
		t.Errorf("%d values; a client of the forgotten life has not seen the new one", w.Siblings)
	}
}

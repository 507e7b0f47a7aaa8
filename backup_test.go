package baton_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
)

const backedUp = 300

func backupKey(i int) string { return fmt.Sprint("key", i) }

func putBackedUp(t *testing.T, m *members, n *baton.Node) {
	t.Helper()
	for i := range backedUp {
		if err := n.KV().Put(m.ctx, kv.Object{Bucket: "b", Key: backupKey(i), Value: fmt.Append(nil, "value ", i)}); err != nil {
			t.Fatal(err)
		}
	}
}

func checkBackedUp(t *testing.T, m *members, n *baton.Node) {
	t.Helper()
	for i := range backedUp {
		o, err := n.KV().Get(m.ctx, "b", backupKey(i))
		if err != nil || string(o.Value) != fmt.Sprint("value ", i) {
			t.Fatalf("%s is %q, %v", backupKey(i), o.Value, err)
		}
	}
}

// TestNode_Backup: a running node is backed up and restored as another cluster;
// what was written after the backup is not there.
func TestNode_Backup(t *testing.T) {
	m := startMembers(t)
	o := m.options("a", true)
	m.start(o)
	a := m.all["a"]
	old := a.Cluster()
	putBackedUp(t, m, a)
	dir, restored := filepath.Join(m.dir, "backup"), filepath.Join(m.dir, "restored")
	made, err := a.Backup(m.ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Backup(m.ctx, dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a backup over another: %v", err)
	}
	if err := a.KV().Put(m.ctx, kv.Object{Bucket: "b", Key: "later", Value: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	found, err := baton.VerifyBackup(m.ctx, dir)
	if err != nil || found.Sum != made.Sum || found.StoreID == "" {
		t.Errorf("verify: %+v, %v, made %+v", found, err, made)
	}
	m.stop()
	clear(m.all)
	if _, err := baton.Restore(m.ctx, baton.RestoreOptions{Backup: dir, DataDir: filepath.Join(m.dir, "a")}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("restore over a node: %v", err)
	}
	if _, err := baton.Restore(m.ctx, baton.RestoreOptions{Backup: dir, DataDir: restored}); err != nil {
		t.Fatal(err)
	}
	o = m.options("a", false)
	o.DataDir = restored
	m.start(o)
	a = m.all["a"]
	if a.Cluster() == old {
		t.Error("the restored cluster has the id of the old one")
	}
	checkBackedUp(t, m, a)
	for p, part := range a.View().Parts(kv.KindName) {
		if part.Incomplete {
			t.Errorf("partition %d is incomplete", p)
		}
	}
	if _, err := a.KV().Get(m.ctx, "b", "later"); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("what was written after the backup: %v", err)
	}
	if err := a.KV().Put(m.ctx, kv.Object{Bucket: "b", Key: "new", Value: []byte("x")}); err != nil {
		t.Error(err)
	}
	if _, err := baton.VerifyBackup(m.ctx, dir); err != nil {
		t.Errorf("the backup after the restored node wrote: %v", err)
	}
}

// TestRestore_cluster: all nodes of a cluster are restored with one record, and
// none of them comes into the cluster that they were taken from.
func TestRestore_cluster(t *testing.T) {
	m := startMembers(t, "a", "b", "c")
	putBackedUp(t, m, m.all["a"])
	var dirs []string
	for name, n := range m.all {
		dir := filepath.Join(m.dir, "backup", name)
		if _, err := n.Backup(m.ctx, dir); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, dir)
	}
	record, err := baton.CheckBackups(dirs...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := baton.CheckBackups(dirs[0], dirs[0]); !errors.Is(err, baton.ErrBackup) {
		t.Errorf("one node twice: %v", err)
	}
	addrs := map[string]string{}
	for name, n := range m.all {
		addrs[name] = n.Addr()
		if _, err := baton.Restore(m.ctx, baton.RestoreOptions{
			Backup: filepath.Join(m.dir, "backup", name), DataDir: filepath.Join(m.dir, "restored", name), Record: record,
		}); err != nil {
			t.Fatal(err)
		}
	}
	// The old cluster runs: it refuses a node that was restored.
	o := m.options("d", false)
	o.Name, o.DataDir = "b", filepath.Join(m.dir, "restored", "b")
	if n, err := baton.Start(m.ctx, o); !errors.Is(err, topology.ErrClusterMismatch) {
		t.Errorf("a restored node in the living cluster: %v, %v", n, err)
	}
	m.stop()
	clear(m.all)
	first := filepath.Base(record)
	for _, name := range []string{first, "a", "b", "c"} {
		if m.all[name] != nil {
			continue
		}
		o := m.options(name, false)
		o.DataDir, o.Addr = filepath.Join(m.dir, "restored", name), addrs[name]
		m.start(o)
	}
	for _, n := range m.all {
		checkBackedUp(t, m, n)
	}
	if s := m.all[first].View().Members(); len(s) != 3 {
		t.Errorf("members %+v", s)
	}
}

// A node whose engine is volatile says so.
func TestNode_Backup_volatile(t *testing.T) {
	m := startMembers(t)
	o := m.options("a", true)
	o.Engine = baton.EngineMemory
	m.start(o)
	dir := filepath.Join(m.dir, "backup")
	if _, err := m.all["a"].Backup(m.ctx, dir); !errors.Is(err, baton.ErrVolatile) {
		t.Errorf("backup: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory: %v", err)
	}
}

// TestVerifyBackup_damaged: a backup that lost a file, or a bit of one, is refused.
func TestVerifyBackup_damaged(t *testing.T) {
	m := startMembers(t, "a")
	putBackedUp(t, m, m.all["a"])
	dir := filepath.Join(m.dir, "backup")
	made, err := m.all["a"].Backup(m.ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(made.Files, baton.BackupFile{Name: "backup.json", Size: 100}) {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		refused := func(what string, change error) {
			t.Helper()
			if change != nil {
				t.Fatal(change)
			}
			if _, err := baton.VerifyBackup(m.ctx, dir); !errors.Is(err, baton.ErrBackup) {
				t.Errorf("%s %s: %v", f.Name, what, err)
			}
		}
		refused("lost", os.Remove(path))
		if len(good) > 0 {
			bad := append([]byte(nil), good...)
			bad[len(bad)/2] ^= 4
			refused("damaged", os.WriteFile(path, bad, 0o644))
		}
		if err := os.WriteFile(path, good, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := baton.VerifyBackup(m.ctx, dir); err != nil {
		t.Errorf("the backup as it was: %v", err)
	}
}

package e2e_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/test/e2e"
)

// TestFullDisk: a node whose disk is full refuses writes and answers reads; the others take its part. When
// there is room again it takes writes, and gets what it has missed. It needs the right to mount.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	r := e2e.Rand(t)
	c := e2e.New(t, e2e.Options{})
	nodes := []*e2e.Node{c.Node("n1"), c.Node("n2"), c.Node("n3"), c.Node("n4")}
	full := nodes[3]
	mount(t, full.DataDir, "size=1g")
	nodes[0].Start("--bootstrap", "--ring-size", "16")
	for _, n := range nodes[1:] {
		n.Start(n.JoinArgs(nodes[0])...)
	}
	c.CommitPlan(nodes[0])
	c.Settle(nodes[0])
	s := newSet(t, c)
	s.write(r, nodes[0], 100, kv.WriteOptions{W: bucket.All})

	ballast := filepath.Join(full.DataDir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var disk syscall.Statfs_t
	if err := syscall.Statfs(full.DataDir, &disk); err != nil {
		t.Fatal(err)
	}
	// The engine keeps half a gigabyte free.
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(disk.Bavail)*disk.Bsize-300<<20); err != nil {
		t.Fatal(err)
	}
	c.Await("the full disk to be in the log", func() error {
		s.write(r, full, 1, kv.WriteOptions{})
		if !strings.Contains(full.Log(), "disk full: writes are refused") {
			return errors.New("it is not")
		}
		return nil
	})
	s.write(r, full, 100, kv.WriteOptions{}) // others take its part
	s.read(full, kv.ReadOptions{})
	refused := 0
	for _, key := range s.keys {
		err := full.Try(func(ctx context.Context, a *admin.Client) error {
			o, err := a.Get(ctx, admin.GetRequest{Name: admin.Name{Bucket: "b", Key: key}})
			if err != nil {
				return err
			}
			_, err = a.Put(ctx, admin.PutRequest{
				Object:  kv.Object{Bucket: "b", Key: key, Value: s.values[key], Context: kv.Context(o.Context), ContentType: "application/octet-stream"},
				Options: kv.WriteOptions{W: bucket.All, PW: bucket.All, Sloppy: kv.No},
			})
			return err
		})
		switch {
		case err == nil: // a key that the node has no copy of
		case errors.Is(err, kv.ErrNotDone) || errors.Is(err, kv.ErrUnknown):
			refused++
		default:
			t.Errorf("a write that needs the full disk: %v", err)
		}
	}
	t.Logf("%d of %d writes that need every primary were refused", refused, len(s.keys))
	if refused == 0 {
		t.Error("every copy was written, though one disk is full")
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s.write(r, full, 50, kv.WriteOptions{W: bucket.All, PW: bucket.All, Sloppy: kv.No})
	c.Whole(nodes[0])
	s.read(full, all)
	if keys := c.EqualCopies(3); keys != len(s.keys) {
		t.Errorf("%d keys on the copies, %d were written", keys, len(s.keys))
	}
}

// mount makes a directory a file system of its own, and skips the test if that is not allowed.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil { // detached: its node may still run
			t.Errorf("unmount: %v", err)
		}
	})
}

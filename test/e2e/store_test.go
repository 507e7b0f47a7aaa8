package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/test/e2e"
	"github.com/dee2748c/baton/test/history"
)

// TestPowerCycle: kill -9 of every node at once under load, again and again: every write that was
// acknowledged is there, and the quorums keep their promises all the time.
func TestPowerCycle(t *testing.T) {
	t.Parallel()
	cycles := 2
	if e2e.Soak() {
		cycles = 20
	}
	r := e2e.Rand(t)
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(5)
	c.CreateType(nodes[0], "tested", strict...)
	clients := c.Drive(r, e2e.Load{Type: "tested", Bucket: "b", Clients: 8, Keys: 200, Pause: 2 * time.Millisecond})
	for range cycles {
		<-time.After(time.Second + time.Duration(r.Int64N(int64(2*time.Second))))
		c.KillAll(nodes...)
		for _, n := range nodes {
			n.Launch()
		}
		for _, n := range nodes {
			n.AwaitReady()
		}
	}
	clients.Stop()
	t.Logf("%d times all nodes killed", cycles)
	check(t, c, clients, history.Strict, nodes)
	t.Logf("%d keys are the same on all copies", c.EqualCopies(3))
}

// A set is objects with values that no compression makes smaller.
type set struct {
	t      *testing.T
	c      *e2e.Cluster
	values map[string][]byte
	keys   []string
}

func newSet(t *testing.T, c *e2e.Cluster) *set {
	return &set{t: t, c: c, values: map[string][]byte{}}
}

// write puts further objects through a node.
func (s *set) write(r *rand.Rand, via *e2e.Node, count int, o kv.WriteOptions) {
	s.t.Helper()
	for range count {
		key, value := fmt.Sprintf("%05d", len(s.keys)), make([]byte, 1024)
		for i := range value {
			value[i] = byte(r.Uint32())
		}
		via.Do("put "+key, func(ctx context.Context, a *admin.Client) error {
			// What is done twice is done the same.
			_, err := a.Put(ctx, admin.PutRequest{
				Object: kv.Object{Bucket: "b", Key: key, Value: value, ContentType: "application/octet-stream"}, Options: o,
			})
			return err
		})
		s.keys, s.values[key] = append(s.keys, key), value
	}
}

// read gets every object through a node and compares it. A read that finds too few copies is repeated.
func (s *set) read(via *e2e.Node, o kv.ReadOptions) {
	s.t.Helper()
	for _, key := range s.keys {
		s.c.Await("get "+key, func() error {
			return via.Try(func(ctx context.Context, a *admin.Client) error {
				got, err := a.Get(ctx, admin.GetRequest{Name: admin.Name{Bucket: "b", Key: key}, Options: o})
				switch {
				case errors.Is(err, kv.ErrNotFound):
					s.t.Errorf("%s is not there by the word of %s", key, via.Name)
				case err != nil:
					return err
				case slices.ContainsFunc(got.Contents, func(c admin.Content) bool { return !bytes.Equal(c.Value, s.values[key]) }):
					s.t.Errorf("%s was read at %s with %d values, of which one is not what was written", key, via.Name, len(got.Contents))
				}
				return nil
			})
		})
	}
}

// all asks every primary, one is content with the first copy.
var (
	all = kv.ReadOptions{R: bucket.All, PR: bucket.All, Sloppy: kv.No}
	one = kv.ReadOptions{R: bucket.One}
)

// TestFallbackRestarts (T-B10): fallbacks take writes for a primary that is down; they are killed and
// started again before it comes back. It gets everything, and the hints are gone.
func TestFallbackRestarts(t *testing.T) {
	t.Parallel()
	r := e2e.Rand(t)
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(5)
	s := newSet(t, c)
	s.write(r, nodes[0], 50, kv.WriteOptions{W: bucket.All})
	lost := nodes[4]
	lost.Kill()
	c.Await("the lost node to be unreachable", func() error { return wantReach(nodes[0], lost, "unreachable") })
	s.write(r, nodes[0], 100, kv.WriteOptions{W: bucket.All, DW: bucket.All, Sloppy: kv.Yes})
	kept := map[ring.NodeID]int{}
	for h := range nodes[0].Record().AllHints() {
		kept[h.Node]++
	}
	if len(kept) == 0 {
		t.Fatal("no fallback is registered, though writes were acknowledged by three copies with a primary down")
	}
	t.Logf("hints: %v", kept)
	for _, n := range nodes[:4] { // one after the other: the record's majority stays
		if kept[n.Name] > 0 {
			n.Kill()
			n.Restart()
		}
	}
	lost.Restart()
	c.Whole(nodes[0])
	if keys := c.EqualCopies(3); keys != len(s.keys) {
		t.Errorf("%d keys on the copies, %d were written", keys, len(s.keys))
	}
	for _, n := range nodes {
		n.Launch()
	}
	for _, n := range nodes {
		n.AwaitReady()
	}
	s.read(lost, all)
}

// TestWipedStore (T-B15): a node whose store is gone says so, answers no read from what it has not got,
// and is whole again from the others.
func TestWipedStore(t *testing.T) {
	t.Parallel()
	r := e2e.Rand(t)
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(4)
	s := newSet(t, c)
	s.write(r, nodes[0], 200, kv.WriteOptions{W: bucket.All})
	wiped := nodes[3]
	wiped.Terminate()
	if err := os.RemoveAll(wiped.StoreDir()); err != nil {
		t.Fatal(err)
	}
	wiped.Restart()
	s.read(wiped, one)
	c.Whole(nodes[0])
	if log := wiped.Log(); !strings.Contains(log, "whole again") {
		t.Error("the log of the wiped node does not say that it was repaired")
	}
	if keys := c.EqualCopies(3); keys != len(s.keys) {
		t.Errorf("%d keys on the copies, %d were written", keys, len(s.keys))
	}
}

// TestFlippedBits (T-B23): bytes of a stopped node's tables are changed. No read returns wrong bytes, the
// node's log names what was given up, and the copies are the same again.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	r := e2e.Rand(t)
	c := e2e.New(t, e2e.Options{})
	nodes := c.Form(4)
	s := newSet(t, c)
	s.write(r, nodes[0], 300, kv.WriteOptions{W: bucket.All})
	damaged := nodes[3]
	damaged.Terminate()
	damaged.Restart() // what was in the log is in tables now
	damaged.Terminate()
	if !flip(t, r, damaged.StoreDir(), s) {
		t.Fatal("no table holds a value")
	}
	damaged.Restart()
	s.read(damaged, one)
	s.read(nodes[0], one)
	c.Await("the damage to be in the log", func() error {
		if !strings.Contains(damaged.Log(), "damaged items given up") {
			return errors.New("it is not")
		}
		return nil
	})
	c.Whole(nodes[0])
	s.read(damaged, all)
	if keys := c.EqualCopies(3); keys != len(s.keys) {
		t.Errorf("%d keys on the copies, %d were written", keys, len(s.keys))
	}
}

// flip changes one bit in each of some values that stand in the tables of a store. It spares the first
// and the last blocks: there is also what names the partitions, without which a store says that it
// can't be opened.
func flip(t *testing.T, r *rand.Rand, dir string, s *set) (done bool) {
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
		changed := false
		for range 20 {
			key := s.keys[r.IntN(len(s.keys))]
			if at := bytes.Index(raw, s.values[key]); at >= 16<<10 && at < len(raw)-16<<10 {
				at += r.IntN(len(s.values[key]))
				raw[at] ^= 1 << r.IntN(8)
				changed = true
				t.Logf("%s is damaged at byte %d of %s", key, at, filepath.Base(table))
			}
		}
		if changed {
			done = true
			if err := os.WriteFile(table, raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return done
}

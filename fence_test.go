package baton_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// TestFence_staleCoordinator: F16. A node is removed by force, and neither it nor
// a coordinator hears of it. What that coordinator is told to be written by the
// removed node and one that was kept must not be missed by who reads at the new
// owner and the other one.
func TestFence_staleCoordinator(t *testing.T) {
	for name, lagging := range map[string]bool{"kept copy has heard": false, "kept copy has not heard": true} {
		t.Run(name, func(t *testing.T) {
			c := batontest.Start(t, batontest.Options{Nodes: 5, Node: baton.Options{RingSize: 8}})
			key, removed, kept, other, stale := spreadKey(t, c)
			mustWrite(t, c.Node(stale), key, "old")

			c.Restart("f")
			c.CutRecord(removed)
			c.CutRecord(stale)
			if lagging {
				c.CutRecord(kept)
			}
			forceReplace(t, c.Node(other), ring.NodeID(removed), "f")
			if lagging {
				// It stays incomplete as long as one copy may take a write by the old ring.
				<-time.After(2 * time.Second)
				if !partOf(c.Node(other), key).Incomplete {
					t.Error("the new owner is whole, and one copy has not acknowledged the fence")
				}
			} else {
				until(t, "the new owner to be whole", func() bool { return !partOf(c.Node("f"), key).Incomplete })
			}

			c.Cut(stale, other)
			err := writeStrictly(c.Node(stale), key, "stale", 3*time.Second)
			c.Heal(stale, other)
			if err == nil && !lagging {
				t.Error("a write by a ring that is over was acknowledged")
			}
			if lagging {
				if err != nil {
					t.Fatalf("nobody has heard of the removal, and the write failed: %v", err)
				}
				c.HealRecord(kept)
				until(t, "the new owner to be whole", func() bool { return !partOf(c.Node("f"), key).Incomplete })
			}

			c.Cut("f", kept)
			o, rerr := readStrictly(c.Node("f"), key)
			if rerr != nil {
				t.Fatalf("read at f and %s: %v", other, rerr)
			}
			if err == nil && string(o.Value) != "stale" {
				t.Errorf("acknowledged by %s and %s, missed by f and %s: %q", removed, kept, other, o.Value)
			}
			c.HealAll()
			c.HealRecord(stale)
			c.HealRecord(removed)
			mustWrite(t, c.Node(stale), key, "new")
		})
	}
}

// spreadKey returns a key whose three copies are on three nodes but not on a, who
// they are, and another node that keeps no copy.
func spreadKey(t *testing.T, c *batontest.Cluster) (key, first, second, third, apart string) {
	t.Helper()
	for i := range 1000 {
		key = fmt.Sprint("key", i)
		v := c.Node("a").View()
		copies := v.Preflist(kv.KindName, kv.Route("", "b", key, v.RingSize()), 3, nil)
		on := map[ring.NodeID]bool{"a": true}
		for _, e := range copies {
			on[e.Node] = true
		}
		if len(on) != 4 {
			continue
		}
		for _, n := range c.Nodes() {
			if !on[ring.NodeID(n.Name())] {
				return key, string(copies[0].Node), string(copies[1].Node), string(copies[2].Node), n.Name()
			}
		}
	}
	t.Fatal("no such key")
	return
}

// partOf returns the part of a key's first copy.
func partOf(n *baton.Node, key string) topology.Part {
	v := n.View()
	return v.Part(kv.KindName, kv.Route("", "b", key, v.RingSize()))
}

// forceReplace has a node that joins take over what another one owned, without
// that one, asked at a third.
func forceReplace(t *testing.T, at *baton.Node, old, by ring.NodeID) {
	t.Helper()
	handle := at.Record().Store("operator")
	defer handle.Close()
	out, err := cluster.NewProposer(handle, "operator").Propose(t.Context(), 0, topology.StageForceReplace{Old: old, New: by})
	if err != nil || out[0].Err != nil {
		t.Fatal(err, out)
	}
	if _, err := at.Plan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := at.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	version := at.Record().State().Version()
	until(t, "the removal to be applied", func() bool { return at.View().Version() >= version })
}

func mustWrite(t *testing.T, n *baton.Node, key, value string) {
	t.Helper()
	if err := writeStrictly(n, key, value, 20*time.Second); err != nil {
		t.Fatalf("put %s at %s: %v", value, n.Name(), err)
	}
}

// writeStrictly puts a value at two primaries at least, after what is there.
func writeStrictly(n *baton.Node, key, value string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	o := kv.Object{Bucket: "b", Key: key, Value: []byte(value)}
	if old, err := n.KV().Read(ctx, kv.Get{Bucket: "b", Key: key, Options: strict(1)}); err == nil {
		o.Context = old.Context
	}
	r := kv.Put{Object: o}
	r.Options.W, r.Options.Sloppy = bucket.Quorum(2), kv.No
	_, err := n.KV().Write(ctx, r)
	return err
}

// strict counts on primaries only.
func strict(r int) kv.ReadOptions { return kv.ReadOptions{R: bucket.Quorum(r), Sloppy: kv.No} }

func readStrictly(n *baton.Node, key string) (kv.Object, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return n.KV().Read(ctx, kv.Get{Bucket: "b", Key: key, Options: strict(2)})
}

package baton_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// TestDelete_tombstoneLost: a delete is acknowledged by two copies, and the third
// one keeps the value. One of the two loses all it had. What was deleted does not
// come back: not for who reads the empty copy and the old one, nor by repair, nor
// when the tombstone could be removed.
func TestDelete_tombstoneLost(t *testing.T) {
	c := batontest.Start(t, batontest.Options{Node: baton.Options{
		RingSize: 8, Entropy: baton.EntropyOptions{Interval: 50 * time.Millisecond, Grace: 20 * time.Millisecond},
	}})
	// All copies of the key are on different nodes.
	v, key := c.Node("a").View(), ""
	for i := 0; key == ""; i++ {
		nodes := map[ring.NodeID]bool{}
		for _, e := range v.Preflist(kv.KindName, kv.Route("", "b", strconv.Itoa(i), 8), 3, nil) {
			nodes[e.Node] = true
		}
		if len(nodes) == 3 {
			key = strconv.Itoa(i)
		}
	}
	put := kv.Put{Object: kv.Object{Bucket: "b", Key: key, Value: []byte("deleted")}, Options: kv.WriteOptions{W: bucket.All}}
	if _, err := c.Node("a").KV().Write(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	c.Cut("a", "c")
	c.Cut("b", "c")
	gone := kv.Delete{Bucket: "b", Key: key, Options: kv.WriteOptions{Sloppy: kv.No}}
	if d, err := c.Node("a").KV().Remove(t.Context(), gone); err != nil || !d.Existed {
		t.Fatalf("delete: %+v, %v", d, err)
	}

	c.Kill("a")
	c.Cut("a", "b") // b is the only one that knows of the delete
	a := c.Restart("a")
	c.Heal("a", "c")
	get := kv.Get{Bucket: "b", Key: key, Options: kv.ReadOptions{Sloppy: kv.No}}
	for _, name := range []string{"a", "c"} {
		o, err := c.Node(name).KV().Read(t.Context(), get)
		if err == nil {
			t.Errorf("the empty copy and the old one, read at %s: %q", name, o.Value)
		} else if !errors.Is(err, kv.ErrNotDone) {
			t.Errorf("the empty copy and the old one, read at %s: %v, want ErrNotDone", name, err)
		}
	}
	for p := range ring.Partition(8) { // with all but b there is no repair
		if owner, _ := a.View().Owner(kv.KindName, p); owner == "a" {
			if part := a.View().Part(kv.KindName, p); !part.Incomplete {
				t.Errorf("partition %d is whole again, without b: %+v", p, part)
			}
		}
	}
	c.HealAll()
	eventually(t, func() error {
		var reaped uint64
		for _, n := range c.Nodes() {
			if o, err := n.KV().Read(t.Context(), get); !errors.Is(err, kv.ErrNotFound) && !errors.Is(err, kv.ErrNotDone) {
				t.Fatalf("read at %s: %q, %v, want ErrNotFound", n.Name(), o.Value, err)
			}
			r := n.AntiEntropy()
			reaped += r.Reaped
			for _, p := range r.Partitions {
				if p.Waiting > 0 || p.IncompleteSince > 0 {
					return fmt.Errorf("%s: %+v", n.Name(), p)
				}
			}
		}
		if reaped == 0 {
			return errors.New("the tombstone is still there")
		}
		return nil
	})
	for _, n := range c.Nodes() {
		repair(t, n)
		if o, err := n.KV().Read(t.Context(), get); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("without the tombstone, read at %s: %q, %v, want ErrNotFound", n.Name(), o.Value, err)
		}
	}
}

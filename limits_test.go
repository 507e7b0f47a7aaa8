package baton_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/cluster/memory"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/messages"
)

func putBytes(t *testing.T, n *baton.Node, key string, size int) error {
	t.Helper()
	_, err := n.KV().Write(t.Context(), kv.Put{Object: kv.Object{Bucket: "b", Key: key, Value: make([]byte, size)}})
	return err
}

// T-B17: a node that is full refuses what would be more, and goes on with all
// else.
func TestMemoryLimit(t *testing.T) {
	n, err := baton.Start(t.Context(), baton.Options{Name: "a", Record: memory.New(), Bootstrap: true, RingSize: 8, NVal: 1, MemoryLimit: 200 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop(t.Context())
	stored := 0
	for ; ; stored++ {
		err := putBytes(t, n, fmt.Sprint(stored), 4<<10)
		if err != nil {
			if !errors.Is(err, messages.ErrNoSpace) || !errors.Is(err, kv.ErrNotDone) {
				t.Fatalf("put %d: %v, want ErrNotDone for ErrNoSpace", stored, err)
			}
			break
		}
		if stored > 50 {
			t.Fatal("more is stored than the limit")
		}
	}
	if stored < 30 {
		t.Errorf("only %d objects of 4 KiB fit", stored)
	}
	for i := range stored {
		if o, err := n.KV().Read(t.Context(), kv.Get{Bucket: "b", Key: fmt.Sprint(i)}); err != nil || len(o.Value) != 4<<10 {
			t.Errorf("get %d: %d bytes, %v", i, len(o.Value), err)
		}
	}
	if _, err := n.KV().Read(t.Context(), kv.Get{Bucket: "b", Key: fmt.Sprint(stored)}); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("what was refused: %v", err)
	}
	for i := range 5 {
		if _, err := n.KV().Remove(t.Context(), kv.Delete{Bucket: "b", Key: fmt.Sprint(i)}); err != nil {
			t.Fatalf("delete %d: %v", i, err)
		}
	}
	if err := putBytes(t, n, "after", 4<<10); err != nil {
		t.Errorf("after deletes: %v", err)
	}
}

// A move to a node without room is given up; the source goes on serving.
func TestMemoryLimit_handoff(t *testing.T) {
	record := memory.New()
	a, err := baton.Start(t.Context(), baton.Options{Name: "a", Record: record, Bootstrap: true, RingSize: 8, NVal: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Stop(t.Context())
	for i := range 64 {
		if err := putBytes(t, a, fmt.Sprint(i), 4<<10); err != nil {
			t.Fatal(err)
		}
	}
	b, err := baton.Start(t.Context(), baton.Options{Name: "b", Record: record, CommitJoin: true, MemoryLimit: 2 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Stop(t.Context())
	until(t, "a move that is given up since the disk is full", func() bool {
		for _, p := range a.View().Parts(kv.KindName) {
			if p.LastReason == topology.ReasonDiskFull {
				return true
			}
		}
		return false
	})
	for i := range 64 {
		if _, err := a.KV().Read(t.Context(), kv.Get{Bucket: "b", Key: fmt.Sprint(i)}); err != nil {
			t.Errorf("get %d: %v", i, err)
		}
	}
}

// T-B17: an object of a bucket with a time to live is not found when that is over.
func TestTTL(t *testing.T) {
	c := batontest.Start(t, batontest.Options{Nodes: 3, Node: baton.Options{RingSize: 8}})
	a := c.Node("a")
	if _, err := a.Buckets().SetProperties(t.Context(), "", "short", bucket.Changes{"ttl": 1}); err != nil {
		t.Fatal(err)
	}
	for i := range 16 {
		for _, b := range []string{"short", "long"} {
			put := kv.Put{Object: kv.Object{Bucket: b, Key: fmt.Sprint(i), Value: []byte("v")}}
			put.Options.W = bucket.All
			if _, err := a.KV().Write(t.Context(), put); err != nil {
				t.Fatal(err)
			}
		}
	}
	until(t, "the end of all objects", func() bool {
		for i := range 16 {
			if _, err := a.KV().Read(t.Context(), kv.Get{Bucket: "short", Key: fmt.Sprint(i)}); !errors.Is(err, kv.ErrNotFound) {
				return false
			}
		}
		return true
	})
	for i := range 16 {
		if _, err := a.KV().Read(t.Context(), kv.Get{Bucket: "long", Key: fmt.Sprint(i)}); err != nil {
			t.Errorf("%d of a bucket without ttl: %v", i, err)
		}
	}
}

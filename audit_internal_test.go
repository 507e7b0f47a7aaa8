package baton

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/store"
)

// TestAudit_memory: a bit that flips in the memory of a node is found: the items are not those that the
// running digest was made of.
func TestAudit_memory(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n, err := Start(ctx, Options{Name: "a", Bootstrap: true, RingSize: 8, Engine: EngineMemory})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop(context.Background())
	value := []byte("a value that is not a part of anything else")
	if err := n.KV().Put(ctx, kv.Object{Bucket: "b", Key: "k", Value: value}); err != nil {
		t.Fatal(err)
	}
	audit := func() (found []admin.Finding) {
		err := n.Audit(ctx, admin.AuditRequest{}, func(e admin.AuditEvent) error {
			if e.Finding != nil {
				found = append(found, *e.Finding)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := audit(); len(found) > 0 {
		t.Fatalf("a sound node: %+v", found)
	}
	ids, err := n.store.Partitions()
	if err != nil {
		t.Fatal(err)
	}
	flipped := map[store.ID]bool{}
	for _, id := range ids {
		part, err := n.store.Open(id)
		if err != nil {
			t.Fatal(err)
		}
		snap := part.Snapshot()
		it := snap.Scan(nil, nil)
		for it.Next() {
			if at := bytes.Index(it.Item().Value, value[4:]); at >= 0 {
				if len(flipped) == 0 { // the item is the store's own memory, which all copies of this node share
					it.Item().Value[at-1] ^= 4
				}
				flipped[id] = true
			}
		}
		it.Close()
		snap.Close()
	}
	found := audit()
	if len(flipped) == 0 || len(found) != len(flipped) {
		t.Errorf("flipped %v, found %+v", flipped, found)
	}
	for _, f := range found {
		if f.Problem != admin.FoundDigest || !flipped[store.ID{Kind: f.Kind, Partition: f.Partition}] || f.Node != "a" {
			t.Errorf("flipped %v, found %+v", flipped, f)
		}
	}
}

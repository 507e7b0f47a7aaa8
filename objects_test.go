package baton_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/kv"
)

// TestObjects_throughTheAdminAPI writes, reads, lists and deletes through the
// admin address of a node.
func TestObjects_throughTheAdminAPI(t *testing.T) {
	n := startAdmin(t, baton.Options{Name: "n1", Bootstrap: true, RingSize: 8, AdminAddr: "127.0.0.1:0"})
	c, err := admin.NewClient(n.AdminAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	want := map[string]bool{}
	for i := range 100 {
		key := fmt.Sprintf("k%d", i)
		want[key] = true
		if w, err := c.Put(t.Context(), admin.PutRequest{Object: kv.Object{Bucket: "b", Key: key, Value: []byte(key)}}); err != nil || w.Siblings != 1 {
			t.Fatalf("%+v, %v", w, err)
		}
	}
	for o, err := range c.List(t.Context(), admin.ListRequest{Bucket: "b"}) {
		if err != nil || !want[string(o.Key)] || string(o.Contents[0].Value) != string(o.Key) {
			t.Fatalf("listed %q, %v", o.Key, err)
		}
		delete(want, string(o.Key))
	}
	if len(want) > 0 {
		t.Errorf("not listed: %v", want)
	}
	name := admin.Name{Bucket: "b", Key: "k7"}
	if _, err := c.Put(t.Context(), admin.PutRequest{Object: kv.Object{Bucket: "b", Key: "k7"}, IfNoneMatch: true}); !errors.Is(err, kv.ErrExists) {
		t.Errorf("%v, want ErrExists", err)
	}
	if d, err := c.Delete(t.Context(), admin.DeleteRequest{Name: name}); err != nil || !d.Existed {
		t.Errorf("delete: %+v, %v", d, err)
	}
	if _, err := c.Get(t.Context(), admin.GetRequest{Name: name}); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
}

// startAdmin starts a node that is stopped with the test.
func startAdmin(t *testing.T, o baton.Options) *baton.Node {
	t.Helper()
	n, err := baton.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return n
}

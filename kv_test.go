package baton_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/kv"
)

// TestKV_siblings: the client of a running node keeps concurrent writes, settles
// them with a context, and says which condition failed.
func TestKV_siblings(t *testing.T) {
	n, err := baton.Start(t.Context(), baton.Options{Name: "a", Bootstrap: true})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop(context.Background())
	c, began := n.KV(), time.Now().Truncate(time.Millisecond)
	for _, text := range []string{"one", "two"} {
		if err := c.Put(t.Context(), kv.Object{Bucket: "b", Key: "k", Value: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	both, err := c.Get(t.Context(), "b", "k")
	if err != nil {
		t.Fatal(err)
	}
	if len(both.Siblings) != 2 || both.Text() != "two" || both.Modified.Before(began) {
		t.Errorf("two blind puts: %q of %v with %d siblings", both.Text(), both.Modified, len(both.Siblings))
	}
	if _, err := c.Write(t.Context(), kv.Put{Object: both, IfNoneMatch: true}); !errors.Is(err, kv.ErrExists) {
		t.Errorf("%v, want ErrExists", err)
	}
	w, err := c.Write(t.Context(), kv.Put{Object: both, IfNotModified: true})
	if err != nil || w.Siblings != 1 {
		t.Fatalf("settled: %+v, %v", w, err)
	}
	if _, err := c.Write(t.Context(), kv.Put{Object: both, IfNotModified: true}); !errors.Is(err, kv.ErrModified) {
		t.Errorf("%v, want ErrModified", err)
	}
	d, err := c.Remove(t.Context(), kv.Delete{Bucket: "b", Key: "k", Context: both.Context})
	if err != nil || !d.Existed || d.Siblings != 1 {
		t.Errorf("a delete that has not seen the last write: %+v, %v", d, err)
	}
	if existed, err := c.Delete(t.Context(), "b", "k"); err != nil || !existed {
		t.Errorf("delete: %v, %v", existed, err)
	}
	if _, err := c.Get(t.Context(), "b", "k"); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
}

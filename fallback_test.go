package baton_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
)

// TestFallback_handsBack: T-B10, objects that are written while a node is cut off
// are kept by a fallback for it, and with it when it is back.
func TestFallback_handsBack(t *testing.T) {
	c := batontest.Start(t, batontest.Options{Nodes: 3, Node: baton.Options{RingSize: 8}})
	ctx := t.Context()
	c.Cut("a", "c")
	c.Cut("b", "c")
	a := c.Node("a")
	for i := range 16 {
		put := kv.Put{Object: kv.Object{Bucket: "b", Key: fmt.Sprint(i), Value: []byte("v")}}
		if _, err := a.KV().Write(ctx, put); err != nil {
			t.Fatalf("put %d: %v", i, err)
		}
	}
	hints := func() int { return len(slices.Collect(a.View().AllHints())) }
	until(t, "a hint", func() bool { return hints() > 0 })
	c.HealAll()
	until(t, "the end of all hints", func() bool { return hints() == 0 })
	c.Cut("c", "a")
	c.Cut("c", "b")
	for i := range 16 {
		if !hasCopy(a.View(), "c", fmt.Sprint(i)) {
			continue
		}
		r := kv.Get{Bucket: "b", Key: fmt.Sprint(i)}
		r.Options.R = 1
		if o, err := c.Node("c").KV().Read(ctx, r); err != nil || string(o.Value) != "v" {
			t.Errorf("%d at c alone: %q, %v", i, o.Value, err)
		}
	}
}

// hasCopy reports whether a node is one of the primaries of a key in bucket b.
func hasCopy(v *actors.View, node ring.NodeID, key string) bool {
	copies := v.Preflist(kv.KindName, kv.Route("", "b", key, v.RingSize()), 3, nil)
	return slices.ContainsFunc(copies, func(e ring.Entry) bool { return e.Node == node })
}

// until waits for what must happen within a minute.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

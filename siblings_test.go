package baton_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/kv"
)

// TestPut_onceWhilePartitionsMove: T-B27, a put that meets a partition on its way
// to another node, on a network that doubles frames, is coordinated once: no
// value stands beside itself, and a put that follows another leaves one value.
func TestPut_onceWhilePartitionsMove(t *testing.T) {
	c := batontest.Start(t, batontest.Options{Nodes: 3, Node: baton.Options{RingSize: 16}})
	c.Faults(actors.Fault{Duplicate: 0.2})
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	counts := make([]int, 4)
	nodes := []*baton.Node{c.Node("a"), c.Node("b"), c.Node("c")} // who joins and leaves is another
	for i := range counts {
		writers.Go(func() {
			client := nodes[i%len(nodes)].KV()
			chain := kv.Object{Bucket: "chain", Key: fmt.Sprint(i)}
			for ; ctx.Err() == nil; counts[i]++ {
				chain.Value = fmt.Append(nil, counts[i])
				w, err := client.Write(t.Context(), kv.Put{Object: chain})
				if err != nil || w.Siblings != 1 {
					t.Errorf("seed %d: put %d of chain %d: %+v, %v", c.Seed(), counts[i], i, w, err)
					return
				}
				chain.Context = w.Context
				single := kv.Object{Bucket: "single", Key: fmt.Sprint(i, "-", counts[i]), Value: []byte("v")}
				if w, err := client.Write(t.Context(), kv.Put{Object: single}); err != nil || w.Siblings != 1 {
					t.Errorf("seed %d: put of %s: %+v, %v", c.Seed(), single.Key, w, err)
					return
				}
			}
		})
	}
	c.Join("d")
	c.Leave("d")
	cancel()
	writers.Wait()
	for i, n := range counts {
		if n == 0 {
			t.Errorf("writer %d wrote nothing", i)
		}
		for j := range n {
			if o, err := c.Any().KV().Get(t.Context(), "single", fmt.Sprint(i, "-", j)); err != nil || o.Siblings != nil {
				t.Errorf("seed %d: %s has %d siblings, %v", c.Seed(), o.Key, len(o.Siblings), err)
			}
		}
	}
}

// TestSiblings_explosion (T-B27): nodes that do not hear of each other let a key grow up
// to the limit each; once they do, what nobody has seen is refused, nothing is
// lost, and one put that has seen all leaves one value.
func TestSiblings_explosion(t *testing.T) {
	c := batontest.Start(t, batontest.Options{Nodes: 3, Node: baton.Options{RingSize: 8}})
	names := []string{"a", "b", "c"}
	for i, name := range names {
		c.Cut(name, names[(i+1)%3])
	}
	put := func(node, value string, seen kv.Context) (kv.Written, error) {
		r := kv.Put{Object: kv.Object{Bucket: "b", Key: "k", Value: []byte(value), Context: seen}}
		r.Options.W, r.Options.DW = 1, 1
		return c.Node(node).KV().Write(t.Context(), r)
	}
	want := make(map[string]bool)
	for _, name := range names {
		for i := range kv.MaxSiblings {
			value := fmt.Sprint(name, i)
			want[value] = true
			if _, err := put(name, value, ""); err != nil {
				t.Fatalf("%s: %v", value, err)
			}
		}
		if _, err := put(name, "one more", ""); !errors.Is(err, kv.ErrSiblings) {
			t.Fatalf("value %d at %s: %v, want ErrSiblings", kv.MaxSiblings+1, name, err)
		}
	}
	c.HealAll()
	var o kv.Object
	until(t, "all values at each node", func() bool {
		for _, n := range c.Nodes() {
			var err error
			r := kv.Get{Bucket: "b", Key: "k"}
			r.Options.R = 3
			if o, err = n.KV().Read(t.Context(), r); err != nil || len(o.Siblings) != len(want) {
				return false
			}
		}
		return len(slices.Collect(c.Any().View().AllHints())) == 0
	})
	for _, v := range o.Siblings {
		if !want[string(v.Value)] {
			t.Errorf("value %q was never written", v.Value)
		}
		delete(want, string(v.Value))
	}
	if len(want) > 0 {
		t.Errorf("%d values are lost", len(want))
	}
	for _, name := range names {
		if _, err := put(name, "one more", ""); !errors.Is(err, kv.ErrSiblings) {
			t.Errorf("at %s: %v, want ErrSiblings", name, err)
		}
	}
	if w, err := put("b", "settled", o.Context); err != nil || w.Siblings != 1 {
		t.Fatalf("a put that has seen all: %+v, %v", w, err)
	}
	until(t, "one value at each node", func() bool {
		for _, n := range c.Nodes() {
			o, err := n.KV().Get(t.Context(), "b", "k")
			if err != nil || o.Siblings != nil || o.Text() != "settled" {
				return false
			}
		}
		return true
	})
}

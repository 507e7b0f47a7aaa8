package baton_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

// What the copies of an object may hold together passes between nodes and is the
// input of a job, with its clock and names.
func TestLimits_merged(t *testing.T) {
	if bucket.MaxN*kv.MaxSiblingBytes > kv.MaxMergedBytes {
		t.Errorf("%d copies with %d bytes of siblings each are more than %d", bucket.MaxN, kv.MaxSiblingBytes, kv.MaxMergedBytes)
	}
	if rest := pipe.MaxItem - kv.MaxMergedBytes; rest < 2*kv.MaxContextBytes+4*kv.MaxNameBytes || pipe.MaxItem >= messages.MaxPayloadSize {
		t.Errorf("items of %d bytes, %d more than an object, in frames of %d", pipe.MaxItem, rest, messages.MaxPayloadSize)
	}
}

// TestSiblings_large: nodes that do not hear of each other each acknowledge a
// value of the greatest size for one key. Together these are more than a put
// could make; they are handed back, read, listed, compared, moved, and input of a job all the same.
func TestSiblings_large(t *testing.T) {
	c := batontest.Start(t, batontest.Options{Nodes: 3, Node: baton.Options{
		RingSize: 8, Jobs: []mapreduce.Definition{mapreduce.WordCount()},
	}})
	names := []string{"a", "b", "c"}
	value := func(name string) []byte { return bytes.Repeat([]byte(name+" "), kv.MaxValueBytes/2) }
	for i, name := range names {
		c.Cut(name, names[(i+1)%3])
	}
	put := func(node string, value []byte, seen kv.Context) (kv.Written, error) {
		r := kv.Put{Object: kv.Object{Bucket: "b", Key: "k", Value: value, Context: seen}}
		r.Options.W, r.Options.DW = 1, 1
		return c.Node(node).KV().Write(t.Context(), r)
	}
	for _, name := range names {
		if _, err := put(name, value(name), ""); err != nil {
			t.Fatal(err)
		}
		if _, err := put(name, value(name), ""); !errors.Is(err, kv.ErrSiblings) {
			t.Fatalf("a second value at %s: %v, want ErrSiblings", name, err)
		}
	}
	c.HealAll()
	until(t, "no hints", func() bool { return len(slices.Collect(c.Any().View().AllHints())) == 0 })
	c.Join("d")
	r := kv.Get{Bucket: "b", Key: "k"}
	r.Options.R = 3
	o, err := c.Node("d").KV().Read(t.Context(), r)
	if err != nil || len(o.Siblings) != len(names) {
		t.Fatalf("%d values, %v", len(o.Siblings), err)
	}
	for _, name := range names {
		if !slices.ContainsFunc(o.Siblings, func(v kv.Content) bool { return bytes.Equal(v.Value, value(name)) }) {
			t.Errorf("the value of %s is lost", name)
		}
	}
	listed := 0
	for o, err := range c.Node("d").KV().Objects(t.Context(), "b") {
		if err != nil || len(o.Siblings) != len(names) {
			t.Fatalf("listed with %d values, %v", len(o.Siblings), err)
		}
		listed++
	}
	if listed != 1 {
		t.Errorf("%d objects are listed, want 1", listed)
	}
	counts, err := words(t.Context(), c.Node("d")) // of the newest value
	if want := uint64(kv.MaxValueBytes / 2); err != nil || len(counts) != 1 || counts[o.Text()[:1]] != want {
		t.Errorf("words %v, %v; want %d times %s", counts, err, want, o.Text()[:1])
	}
	for _, n := range c.Nodes() {
		for _, p := range n.AntiEntropy().Partitions {
			if _, err := n.RepairPartition(t.Context(), p.Partition); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := put("d", value("d"), ""); !errors.Is(err, kv.ErrSiblings) {
		t.Errorf("a put that has seen nothing: %v, want ErrSiblings", err)
	}
	if w, err := put("d", []byte("settled"), o.Context); err != nil || w.Siblings != 1 {
		t.Fatalf("a put that has seen all: %+v, %v", w, err)
	}
}

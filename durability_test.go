package baton_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
)

// TestQuorum_twoCopiesOnOneNode (K2): 64 partitions on three nodes leave heads
// with two copies on one node. Both together are no quorum: the node is one to lose.
func TestQuorum_twoCopiesOnOneNode(t *testing.T) {
	c := batontest.Start(t, batontest.Options{Node: baton.Options{RingSize: 64, Entropy: baton.EntropyOptions{Interval: -1}}})
	v := c.Node("a").View()
	key, twice, once := "", ring.NodeID(""), ring.NodeID("")
	for i := 0; key == ""; i++ {
		at := v.Preflist(kv.KindName, kv.Route("", "b", strconv.Itoa(i), 64), 3, nil)
		for j := range at {
			if a, b := at[j].Node, at[(j+1)%3].Node; a == b {
				key, twice, once = strconv.Itoa(i), a, at[(j+2)%3].Node
			}
		}
	}
	n := c.Node(string(twice))
	put := kv.Put{Object: kv.Object{Bucket: "b", Key: key, Value: []byte("v")}, Options: kv.WriteOptions{Sloppy: kv.No}}
	if _, err := n.KV().Write(t.Context(), put); err != nil {
		t.Fatalf("with all nodes: %v", err)
	}
	c.Cut(string(twice), string(once))
	if _, err := n.KV().Write(t.Context(), put); !errors.Is(err, kv.ErrUnknown) && !errors.Is(err, kv.ErrNotDone) {
		t.Errorf("two copies on %s, %s cut off: %v, want no acknowledgement", twice, once, err)
	}
	put.Options.Sloppy = kv.Yes
	if _, err := n.KV().Write(t.Context(), put); err != nil {
		t.Errorf("with a fallback on the third node: %v", err)
	}
}

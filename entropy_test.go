package baton_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/batontest"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
)

// copiesOf starts three nodes whose buckets b1, b2 and b3 have so many copies.
func copiesOf(t *testing.T, o baton.EntropyOptions) *batontest.Cluster {
	t.Helper()
	c := batontest.Start(t, batontest.Options{Node: baton.Options{NVal: 3, RingSize: 8, Entropy: o}})
	for n := 1; n <= 2; n++ {
		if _, err := c.Node("a").Buckets().SetProperties(t.Context(), "", fmt.Sprint("b", n), bucket.Changes{"n_val": n}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func put(t *testing.T, n *baton.Node, bucketName string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		o := kv.Object{Bucket: bucketName, Key: strconv.Itoa(i), Value: make([]byte, 100)}
		if _, err := n.KV().Write(t.Context(), kv.Put{Object: o, Options: kv.WriteOptions{W: bucket.All}}); err != nil {
			t.Fatal(err)
		}
	}
}

// repair repairs all partitions of a node and adds up what was done.
func repair(t *testing.T, n *baton.Node) (sum kv.Exchanged, single bool) {
	t.Helper()
	for _, p := range owned(n) {
		r, err := n.RepairPartition(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		single = r.Single
		for _, x := range r.Exchanges {
			sum.Differing += x.Result.Differing
			sum.Bytes += x.Result.Bytes
			for i := range sum.Repaired {
				sum.Repaired[i] += x.Result.Repaired[i]
			}
		}
	}
	return sum, single
}

func owned(n *baton.Node) (all []ring.Partition) {
	for _, p := range n.AntiEntropy().Partitions {
		all = append(all, p.Partition)
	}
	return all
}

// kept returns how many of the keys 0 to n a bucket has.
func kept(t *testing.T, via *baton.Node, bucketName string, n int) (found int) {
	t.Helper()
	for i := range n {
		_, err := via.KV().Get(t.Context(), bucketName, strconv.Itoa(i))
		if err == nil {
			found++
		} else if !errors.Is(err, kv.ErrNotFound) {
			t.Fatal(err)
		}
	}
	return found
}

// TestEntropy_wipedReplica (T-B15): a node that lost all its data gets back what
// others have copies of, by their number of copies, and nothing passes that it
// does not lack. What had one copy is gone, and the report says so.
func TestEntropy_wipedReplica(t *testing.T) {
	c := copiesOf(t, baton.EntropyOptions{Interval: -1})
	const n = 200
	for _, b := range []string{"b1", "b2", "b3"} {
		put(t, c.Node("a"), b, 0, n)
	}
	b := c.Node("b")
	if sum, _ := repair(t, b); sum.Differing != 0 {
		t.Fatalf("copies that were all written differ: %+v", sum)
	}
	c.Kill("b")
	b = c.Restart("b")
	_, single := repair(t, b)
	if !single {
		t.Error("the report does not say that a bucket has one copy")
	}
	for _, p := range owned(b) {
		if b.View().Part(kv.KindName, p).Incomplete {
			t.Errorf("partition %d is still marked incomplete", p)
		}
	}
	again, _ := repair(t, b)
	if again.Differing != 0 {
		t.Errorf("a second repair finds %+v", again)
	}
	// Each state passes once from and once to a vnode, with its key and clock.
	total := b.AntiEntropy()
	states := total.Repaired
	if states == 0 || total.Bytes > states*2*250+uint64(len(owned(b)))*40_000 {
		t.Errorf("%d bytes passed for %d states", total.Bytes, states)
	}
	t.Logf("%d states of 100 bytes, %d bytes", states, total.Bytes)
	if found := kept(t, b, "b3", n); found != n {
		t.Errorf("%d of %d keys with three copies are there", found, n)
	}
	if found := kept(t, b, "b2", n); found != n {
		t.Errorf("%d of %d keys with two copies are there", found, n)
	}
	if found := kept(t, b, "b1", n); found == 0 || found == n {
		t.Errorf("%d of %d keys with one copy are there, though one of three nodes has lost its own", found, n)
	}
}

// TestEntropy_raisedCopies: a bucket whose number of copies rises gets them.
func TestEntropy_raisedCopies(t *testing.T) {
	c := copiesOf(t, baton.EntropyOptions{Interval: -1})
	const n = 100
	put(t, c.Node("a"), "b1", 0, n)
	if _, err := c.Node("b").Buckets().SetProperties(t.Context(), "", "b1", bucket.Changes{"n_val": 3}); err != nil {
		t.Fatal(err)
	}
	// Copies whose nodes have not heard of it refuse to be compared.
	version := c.Node("b").Record().State().Version()
	for _, node := range c.Nodes() {
		until(t, node.Name()+" to hear of the change", func() bool { return node.View().Version() >= version })
	}
	for _, node := range c.Nodes() {
		repair(t, node)
	}
	for i := range n {
		o := kv.ReadOptions{R: bucket.All, NotFoundOK: kv.No}
		if _, err := c.Node("c").KV().Read(t.Context(), kv.Get{Bucket: "b1", Key: strconv.Itoa(i), Options: o}); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range c.Nodes() {
		if sum, _ := repair(t, node); sum.Differing != 0 {
			t.Errorf("%s: %+v", node.Name(), sum)
		}
	}
}

// TestEntropy_rounds: without anybody asking, copies become equal in rounds, and
// deleted objects are gone for good: their tombstones too.
func TestEntropy_rounds(t *testing.T) {
	c := copiesOf(t, baton.EntropyOptions{Interval: 50 * time.Millisecond, Grace: 20 * time.Millisecond})
	const n = 60
	put(t, c.Node("a"), "b3", 0, n)
	for i := range n / 2 {
		r := kv.Delete{Bucket: "b3", Key: strconv.Itoa(i), Options: kv.WriteOptions{W: bucket.All}} // b is killed at once
		if _, err := c.Node("b").KV().Remove(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	c.Kill("b")
	b := c.Restart("b")
	eventually(t, func() error {
		var reaped uint64
		for _, node := range c.Nodes() {
			r := node.AntiEntropy()
			reaped += r.Reaped
			if r.Rounds < 3 {
				return fmt.Errorf("%s has done %d rounds", node.Name(), r.Rounds)
			}
			for _, p := range r.Partitions {
				if p.Waiting > 0 || p.IncompleteSince > 0 {
					return fmt.Errorf("%s: %+v", node.Name(), p)
				}
				if i := slices.IndexFunc(p.Last, func(x baton.EntropyExchange) bool {
					// With lower partitions it was compared when it was repaired, and not since.
					return x.With > p.Partition && (x.Err != "" || x.Result.Differing > 0)
				}); i >= 0 {
					return fmt.Errorf("%s, partition %d: %+v", node.Name(), p.Partition, p.Last[i])
				}
			}
		}
		if reaped == 0 {
			return errors.New("no tombstone was removed")
		}
		return nil
	})
	for i := range n {
		_, err := b.KV().Get(t.Context(), "b3", strconv.Itoa(i))
		if deleted := i < n/2; deleted != errors.Is(err, kv.ErrNotFound) || !deleted && err != nil {
			t.Errorf("key %d: %v", i, err)
		}
	}
	for _, node := range c.Nodes() {
		if sum, _ := repair(t, node); sum.Differing != 0 {
			t.Errorf("%s: %+v", node.Name(), sum)
		}
	}
}

// eventually asks until there is no error; a minute says that it is stuck.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	stuck := time.After(time.Minute)
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-stuck:
			t.Fatal("stuck: ", err)
		}
	}
}

// TestEntropy_notOwner: a repair is asked of the owner.
func TestEntropy_notOwner(t *testing.T) {
	c := copiesOf(t, baton.EntropyOptions{Interval: -1})
	if _, err := c.Node("a").RepairPartition(t.Context(), owned(c.Node("b"))[0]); !errors.Is(err, baton.ErrNotOwner) {
		t.Errorf("%v, want ErrNotOwner", err)
	}
}

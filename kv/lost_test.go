package kv_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/replica"
	"github.com/dee2748c/baton/vnode"
)

// A copy that lost its data coordinates a write before it has it again: that takes nothing from the
// copies which have what it gave dots to before (T-B27).
func TestMachines_lostCopyTakesNothing(t *testing.T) {
	f, p := newFleet(t, 3), strict(3)
	now := time.Unix(0, 0)
	f.putAt(now, &p, "1", "")
	f.putAt(now, &p, "2", "")
	lost := serveAt(t, f.copies[0].at)
	lost.at.Incarnation++
	lost.seq, lost.copied.Incomplete, lost.copied.Lost = 0, true, 1
	f.copies[0] = lost
	f.putAt(now, &p, "3", "") // through its node
	if got := texts(f.getAt(now, &p), nil); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("%v stand, three writes were acknowledged", got)
	}
}

// A copy coordinates a write, loses it, and is whole again by copies that have not got it yet: the
// write may not end as if it had it.
func TestWrite_coordinatorLosesIt(t *testing.T) {
	p := strict(3)
	w := newWorld(t, rand.New(rand.NewPCG(1, 1)), 3, p)
	m, err := kv.NewWrite(w.set(node(0)), kv.Put{Object: kv.Object{Bucket: "b", Key: "k", Value: []byte("v")}}, &p)
	if err != nil {
		t.Fatal(err)
	}
	w.step(m, replica.Event{Type: replica.Begin})
	w.end(0, answers) // a coordinates
	w.lose(0)
	if err := w.exchange(0, 1); !errors.Is(err, kv.ErrStaleGrace) {
		t.Fatalf("compared with a copy that has not heard of the loss: %v", err)
	}
	w.applyAll()
	w.makeWhole(0)
	if w.copies[0].copied.Incomplete {
		t.Fatal("the copy is not whole again")
	}
	w.end(0, answers) // b
	w.end(0, refuses) // c
	if _, err := m.Written(); errors.Is(err, kv.ErrUnknown) {
		return
	}
	r, err := kv.NewRead(w.set(node(0)), kv.Get{Bucket: "b", Key: "k"}, &p, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	w.step(r, replica.Event{Type: replica.Begin})
	w.end(1, refuses) // b
	w.end(0, answers)
	w.end(0, answers)
	got, err := r.Object()
	t.Errorf("the write is acknowledged, and a read of a and c shows %v, %v", texts(got, err), err)
}

// TestFallback_damaged: what a fallback's primary would refuse is named by the
// fallback, given up, and the rest is taken.
func TestFallback_damaged(t *testing.T) {
	f := serveAt(t, vnode.Partition{Kind: kv.KindName, ID: testHead, Size: 64, Node: "b", Fallback: true})
	primary := serveAt(t, vnode.Partition{Kind: kv.KindName, ID: testHead, Size: 64, Node: "a"})
	for _, key := range []string{"k", "rot", "torn"} {
		r := value("v", "")
		r.Object.Key = key
		f.write(r)
	}
	good := kv.AppendKey(nil, testHead, "", "b", "k")
	want := string(f.store[string(good)].Value)
	spoil := func(key, value []byte) []byte {
		item := f.store[string(key)]
		item.Key, item.Value = key, value
		f.store[string(key)] = item
		return key
	}
	torn := kv.AppendKey(nil, testHead, "", "b", "torn")
	bad := [][]byte{
		spoil([]byte{good[0]}, []byte("no name")),
		spoil(kv.AppendKey(nil, testHead, "", "b", "rot"), []byte("\x02rot")),
		spoil(torn, f.store[string(torn)].Value[:9]),
		spoil(kv.AppendKey(nil, testHead+20, "", "b", "k"), f.store[string(good)].Value),
	}
	merge := f.vnode.(vnode.Mergeable)
	_, damaged, err := merge.MergeCommand(0, slices.Collect(f.items()))
	if err != nil || !slices.EqualFunc(damaged, bad, bytes.Equal) {
		t.Fatalf("damaged %q, %v, want %q", damaged, err, bad)
	}
	f.damaged = damaged
	f.giveUp()
	later := spoil(kv.AppendKey(nil, testHead, "", "b", "later"), []byte("\x7fof a later build"))
	body, damaged, err := merge.MergeCommand(0, slices.Collect(f.items()))
	if err != nil || damaged != nil {
		t.Fatal(damaged, err)
	}
	left, err := merge.MergeReply(primary.send(body))
	if !errors.Is(err, kv.ErrFormat) || len(left) != 1 || !bytes.Equal(left[0], later) {
		t.Fatalf("%q is left, %v, want %q", left, err, later)
	}
	if got := string(primary.store[string(good)].Value); got != want || len(f.store) != 2 {
		t.Errorf("%q arrived, want %q; %d items are left", got, want, len(f.store))
	}
}

// TestFallback_tooMuch: a copy does not take siblings from fallbacks without end,
// so that what all copies hold can be merged. What it leaves waits for a write
// that has seen the others; all else is taken.
func TestFallback_tooMuch(t *testing.T) {
	primary := serveAt(t, vnode.Partition{Kind: kv.KindName, ID: testHead, Size: 64, Node: "a"})
	fallback := func(node ring.NodeID, text string) *server {
		s := serveAt(t, vnode.Partition{Kind: kv.KindName, ID: testHead, Size: 64, Node: node, Fallback: true})
		s.write(value(strings.Repeat(text, kv.MaxMergedBytes/bucket.MaxN*2/3), ""))
		other := value(text, "")
		other.Object.Key = "of " + text
		s.write(other)
		return s
	}
	handBack := func(s *server) (left [][]byte, err error) {
		t.Helper()
		merge := s.vnode.(vnode.Mergeable)
		body, damaged, err := merge.MergeCommand(0, slices.Collect(s.items()))
		if err != nil || damaged != nil {
			t.Fatal(damaged, err)
		}
		return merge.MergeReply(primary.send(body))
	}
	first, second := fallback("b", "1"), fallback("c", "2")
	for range 2 { // what is there is not too much
		if left, err := handBack(first); err != nil {
			t.Fatal(left, err)
		}
	}
	key := kv.AppendKey(nil, testHead, "", "b", "k")
	left, err := handBack(second)
	if !errors.Is(err, kv.ErrSiblings) || len(left) != 1 || !bytes.Equal(left[0], key) || !strings.Contains(err.Error(), `"b"/"k"`) {
		t.Fatalf("left %q, %v", left, err)
	}
	for _, of := range []string{"of 1", "of 2"} {
		if _, err := primary.get(of); err != nil {
			t.Errorf("%s: %v", of, err)
		}
	}
	o, err := primary.get("k")
	if err != nil || len(o.Contents()) != 1 {
		t.Fatalf("%d values, %v", len(o.Contents()), err)
	}
	primary.write(value("settled", o.Context))
	if left, err := handBack(second); err != nil {
		t.Fatal(left, err)
	}
	if o, err = primary.get("k"); err != nil || len(o.Contents()) != 2 {
		t.Errorf("%d values, %v", len(o.Contents()), err)
	}
}

package kv_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

func TestScanner_goesOnFromEveryCursor(t *testing.T) {
	s := serve(t)
	var want []string
	for i := range 9 {
		o := kv.Object{Bucket: "b", Key: fmt.Sprint("k", i), Value: fmt.Append(nil, "v", i)}
		want = append(want, o.Key+"="+o.Text())
		s.put(o)
		s.put(kv.Object{Bucket: "c", Key: o.Key})
		s.put(kv.Object{Type: "t", Bucket: "b", Key: o.Key})
	}
	snapshot := s.store.Snapshot()
	for cut := range len(want) + 1 {
		var got []string
		var cursor []byte
		read := func(n int) {
			sc, err := kv.NewScanner(snapshot, testHead, kv.DefaultType, "b", cursor)
			if err != nil {
				t.Fatal(err)
			}
			for ; n > 0 && sc.Next(); n-- {
				raw := sc.AppendItem(nil)
				o, err := kv.DecodeItem(raw)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, o.Key+"="+o.Text())
				cursor = slices.Clone(sc.Key())
			}
			if err := sc.Close(); err != nil {
				t.Fatal(err)
			}
		}
		read(cut)
		read(len(want))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("cut at %d (-want +got):\n%s", cut, diff)
		}
	}
}

func TestNewScanner_refusesAForeignCursor(t *testing.T) {
	for _, cursor := range [][]byte{[]byte("x"), kv.AppendKey(nil, testHead, "", "c", "k"), kv.AppendKey(nil, testHead, "t", "b", "k")} {
		if _, err := kv.NewScanner(sliceSnapshot{}, testHead, "", "b", cursor); !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("cursor %q: %v, want ErrCorrupt", cursor, err)
		}
	}
}

type brokenSnapshot struct{ sliceSnapshot }

func (brokenSnapshot) Scan(from, to []byte) store.Iterator {
	return &sliceIterator{at: -1, err: store.ErrClosed}
}

func TestScanner_CloseTellsTheError(t *testing.T) {
	sc, err := kv.NewScanner(brokenSnapshot{}, testHead, "", "b", nil)
	if err != nil {
		t.Fatal(err)
	}
	if sc.Next() {
		t.Error("Next on a broken snapshot")
	}
	if err := sc.Close(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Close: %v, want the iterator's error", err)
	}
}

// Names hash as Riak places them: the vectors are those of package ring.
func TestPoint_followsTheRing(t *testing.T) {
	if kv.Point("", "b", "k") != ring.HashKey([]byte("b"), []byte("k")) {
		t.Error("a name without a type does not hash as (bucket, key)")
	}
	if kv.Point(kv.DefaultType, "b", "k") != kv.Point("", "b", "k") {
		t.Error("the default type hashes apart from the empty type")
	}
	if kv.Point("t", "b", "k") != ring.HashTypedKey([]byte("t"), []byte("b"), []byte("k")) {
		t.Error("a typed name does not hash as ((type, bucket), key)")
	}
}

func TestKind_foldsABucket(t *testing.T) {
	s := serve(t)
	s.put(kv.Object{Type: "t", Bucket: "b", Key: "k2", Value: []byte("v2")})
	s.put(kv.Object{Type: "t", Bucket: "b", Key: "k1", Value: []byte("v1")})
	s.put(kv.Object{Bucket: "b", Key: "k3"})
	folder := kv.Kind(nil).(vnode.Folder)
	fold, err := folder.Fold(testHead, s.store.Snapshot(), kv.BucketQuery("t", "b"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for fold.Next() {
		o, err := kv.DecodeItem(fold.AppendItem(nil))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Key+"="+o.Text())
	}
	if err := fold.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"k1=v1", "k2=v2"}, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	for _, query := range [][]byte{nil, []byte("b"), kv.AppendKey(nil, testHead, "t", "b", "k")} {
		if _, err := folder.Fold(testHead, s.store.Snapshot(), query); !errors.Is(err, kv.ErrBadRequest) {
			t.Errorf("query %q: %v, want ErrBadRequest", query, err)
		}
	}
}

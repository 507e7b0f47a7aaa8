package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/dee2748c/baton/store"
)

func testScan(t *testing.T, open Factory) {
	t.Run("ranges", func(t *testing.T) { testRanges(t, open) })
	runAll(t, open, []engineTest{
		{"resumed behind each key", testResume},
		{"closed before its end", func(t *testing.T, e store.Engine) {
			p := mustOpen(t, e, kv(1))
			mustWrite(t, p, put("a", "1", 1), put("b", "2", 2))
			snap := p.Snapshot()
			defer closeAll(t, snap)
			it := snap.Scan(nil, nil)
			if !it.Next() {
				t.Fatal("no item")
			}
			closeAll(t, it, it)
			if it.Next() {
				t.Error("an item after Close")
			}
			noError(t, "iterator", it.Err())
		}},
		{"the end stays the end", func(t *testing.T, e store.Engine) {
			p := mustOpen(t, e, kv(1))
			mustWrite(t, p, put("a", "1", 1))
			snap := p.Snapshot()
			it := snap.Scan(nil, nil)
			defer closeAll(t, it, snap)
			for range 3 {
				it.Next()
			}
			if it.Next() {
				t.Error("an item after the end")
			}
			noError(t, "iterator", it.Err())
		}},
		{"a clone outlives the next item", func(t *testing.T, e store.Engine) {
			p := mustOpen(t, e, kv(1))
			mustWrite(t, p, put("a", "one", 1), put("b", "two", 2))
			snap := p.Snapshot()
			it := snap.Scan(nil, nil)
			it.Next()
			first := it.Item().Clone()
			it.Next()
			closeAll(t, it, snap)
			if string(first.Key) != "a" || string(first.Value) != "one" || first.Version != 1 {
				t.Errorf("clone became %q=%q@%d", first.Key, first.Value, first.Version)
			}
		}},
	})
}

func testRanges(t *testing.T, open Factory) {
	e := open(t)
	defer closeAll(t, e)
	p := mustOpen(t, e, kv(1))
	// Neighbours on both sides, so that a scan that leaves its partition is seen.
	mustWrite(t, mustOpen(t, e, kv(0)), put("a", "foreign", 1))
	mustWrite(t, mustOpen(t, e, kv(2)), put("z", "foreign", 1))
	mustWrite(t, p, put("", "0", 0), put("a", "1", 1), put("a\x00", "2", 2), put("b", "3", 3), put("\xff\xff", "4", 4))
	snap := p.Snapshot()
	defer closeAll(t, snap)
	tests := []struct {
		name     string
		from, to []byte
		want     []string
	}{
		{"all", nil, nil, []string{"", "a", "a\x00", "b", "\xff\xff"}},
		{"from the empty key", []byte{}, nil, []string{"", "a", "a\x00", "b", "\xff\xff"}},
		{"from inclusive", []byte("a"), nil, []string{"a", "a\x00", "b", "\xff\xff"}},
		{"from exclusive", store.After([]byte("a")), nil, []string{"a\x00", "b", "\xff\xff"}},
		{"from between", []byte("aa"), nil, []string{"b", "\xff\xff"}},
		{"to exclusive", nil, []byte("b"), []string{"", "a", "a\x00"}},
		{"to between", nil, []byte("c"), []string{"", "a", "a\x00", "b"}},
		{"to the empty key", nil, []byte{}, nil},
		{"both", []byte("a"), []byte("b"), []string{"a", "a\x00"}},
		{"an empty range", []byte("a"), []byte("a"), nil},
		{"a reversed range", []byte("b"), []byte("a"), nil},
		{"behind the end", store.After([]byte("\xff\xff")), nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			it := snap.Scan(test.from, test.to)
			for it.Next() {
				got = append(got, string(it.Item().Key))
			}
			noError(t, "scan", it.Err())
			closeAll(t, it)
			if !slices.Equal(got, test.want) {
				t.Errorf("keys %q, want %q", got, test.want)
			}
		})
	}
}

func testResume(t *testing.T, e store.Engine) {
	p := mustOpen(t, e, kv(1))
	want := contents{}
	for i := range 500 {
		key := fmt.Sprintf("key%03d", i)
		want[key] = held{fmt.Sprint(i), uint64(i)}
		mustWrite(t, p, put(key, fmt.Sprint(i), uint64(i)))
	}
	snap := p.Snapshot()
	defer closeAll(t, snap)
	var resume []byte
	seen := 0
	for {
		it := snap.Scan(resume, nil)
		more := it.Next()
		if more {
			item := it.Item()
			if got := (held{string(item.Value), item.Version}); got != want[string(item.Key)] {
				t.Fatalf("%q is %v, want %v", item.Key, got, want[string(item.Key)])
			}
			resume = store.After(item.Key)
			seen++
		}
		noError(t, "scan", it.Err())
		closeAll(t, it)
		if !more {
			break
		}
	}
	if seen != len(want) {
		t.Errorf("%d items, want %d", seen, len(want))
	}
}

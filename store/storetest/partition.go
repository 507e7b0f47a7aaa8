package storetest

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/dee2748c/baton/store"
)

func testPartition(t *testing.T, open Factory) {
	t.Run("I1 contents and summary", func(t *testing.T) { testWrites(t, open) })
	runAll(t, open, []engineTest{
		{"a missing key is ErrNotFound", func(t *testing.T, e store.Engine) {
			p := mustOpen(t, e, kv(1))
			mustWrite(t, p, put("b", "1", 1))
			for _, key := range []string{"", "a", "b\x00", "c"} {
				_, err := p.Get([]byte(key))
				wantError(t, fmt.Sprintf("get %q", key), err, store.ErrNotFound)
			}
		}},
		{"I1 the digest does not depend on the order", testDigestOrder},
		{"I1 the digest tells versions apart", func(t *testing.T, e store.Engine) {
			p, q := mustOpen(t, e, kv(1)), mustOpen(t, e, kv(2))
			mustWrite(t, p, put("a", "1", 1))
			mustWrite(t, q, put("a", "1", 2))
			if p.Summary() == q.Summary() {
				t.Error("equal summaries of different versions")
			}
		}},
		{"items stay valid after overwrite and delete", testItemsStay},
		{"a batch can be used again", testBatchReuse},
		{"a large batch", testLargeBatch},
		{"the last of many equal keys in a batch", func(t *testing.T, e store.Engine) {
			p, want := mustOpen(t, e, kv(1)), contents{}
			var changes []change
			for i := range 300 {
				key := string(rune('a' + i*i%11))
				changes = append(changes, put(key, fmt.Sprint(i), uint64(i)))
				want[key] = held{fmt.Sprint(i), uint64(i)}
			}
			mustWrite(t, p, changes...)
			mustHold(t, p, want)
		}},
		{"handles of one partition are one partition", func(t *testing.T, e store.Engine) {
			p, q := mustOpen(t, e, kv(1)), mustOpen(t, e, kv(1))
			mustWrite(t, p, put("a", "1", 1))
			mustWrite(t, q, put("b", "2", 2))
			want := contents{"a": {"1", 1}, "b": {"2", 2}}
			mustHold(t, p, want)
			mustHold(t, q, want)
		}},
		{"partitions and kinds are apart", testApart},
	})
}

func testWrites(t *testing.T, open Factory) {
	tests := []struct {
		name    string
		batches [][]change
		want    contents
	}{
		{"nothing", nil, nil},
		{"an empty batch", [][]change{{}}, nil},
		{"one put", [][]change{{put("k", "v", 7)}}, contents{"k": {"v", 7}}},
		{"empty key and value", [][]change{{put("", "", 0)}}, contents{"": {"", 0}}},
		{"bytes of all values", [][]change{{put("\x00\xff", "\xff\x00", math.MaxUint64)}}, contents{"\x00\xff": {"\xff\x00", math.MaxUint64}}},
		{"overwrite", [][]change{{put("k", "v", 7)}, {put("k", "longer", 8)}}, contents{"k": {"longer", 8}}},
		{"overwrite by a lower version", [][]change{{put("k", "v", 7)}, {put("k", "w", 3)}}, contents{"k": {"w", 3}}},
		{"overwrite by itself", [][]change{{put("k", "v", 7)}, {put("k", "v", 7)}}, contents{"k": {"v", 7}}},
		{"delete", [][]change{{put("a", "1", 1), put("b", "2", 2)}, {del("a")}}, contents{"b": {"2", 2}}},
		{"delete of nothing", [][]change{{put("a", "1", 1)}, {del("b"), del("")}}, contents{"a": {"1", 1}}},
		{"delete twice", [][]change{{put("a", "1", 1)}, {del("a")}, {del("a")}}, nil},
		{"put after delete", [][]change{{put("a", "1", 1)}, {del("a")}, {put("a", "2", 2)}}, contents{"a": {"2", 2}}},
		{"the last of equal keys in a batch", [][]change{{put("a", "1", 1), put("a", "22", 2), put("a", "3", 3)}}, contents{"a": {"3", 3}}},
		{"put then delete in a batch", [][]change{{put("a", "1", 1), put("b", "2", 2), del("a")}}, contents{"b": {"2", 2}}},
		{"delete then put in a batch", [][]change{{put("a", "0", 9)}, {del("a"), put("a", "1", 1)}}, contents{"a": {"1", 1}}},
		{"descending keys", [][]change{{put("c", "3", 3), put("b", "2", 2)}, {put("a", "1", 1)}}, contents{"a": {"1", 1}, "b": {"2", 2}, "c": {"3", 3}}},
		{
			"the greatest key deleted, then a lower one",
			[][]change{{put("a", "1", 1), put("c", "3", 3)}, {del("c")}, {put("b", "2", 2)}, {put("c", "4", 4)}},
			contents{"a": {"1", 1}, "b": {"2", 2}, "c": {"4", 4}},
		},
		{"all deleted", [][]change{{put("a", "1", 1), put("b", "2", 2)}, {del("b"), del("a")}}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := open(t)
			defer closeAll(t, e)
			p := mustOpen(t, e, kv(1))
			for _, changes := range test.batches {
				mustWrite(t, p, changes...)
			}
			mustHold(t, p, test.want)
			noError(t, "sync", p.Sync())
			if len(test.want) == 0 && p.Summary() != (store.Summary{}) {
				t.Errorf("summary of nothing: %+v", p.Summary())
			}
		})
	}
}

// testDigestOrder writes the same items in two orders, with detours.
func testDigestOrder(t *testing.T, e store.Engine) {
	p, q := mustOpen(t, e, kv(1)), mustOpen(t, e, kv(2))
	const n = 100
	for i := range n {
		mustWrite(t, p, put(fmt.Sprint("key", i), fmt.Sprint("value", i), uint64(i)))
	}
	for i := n - 1; i >= 0; i-- {
		mustWrite(t, q, put(fmt.Sprint("key", i), "other", 1), put("detour", "x", uint64(i)))
		mustWrite(t, q, put(fmt.Sprint("key", i), fmt.Sprint("value", i), uint64(i)), del("detour"))
	}
	if p.Summary() != q.Summary() {
		t.Errorf("summaries differ: %+v and %+v", p.Summary(), q.Summary())
	}
	if got := p.Summary().Items; got != n {
		t.Errorf("%d items, want %d", got, n)
	}
}

func testItemsStay(t *testing.T, e store.Engine) {
	p := mustOpen(t, e, kv(1))
	mustWrite(t, p, put("a", "first", 1), put("b", "second", 2))
	a, err := p.Get([]byte("a"))
	noError(t, "get", err)
	b, err := p.Get([]byte("b"))
	noError(t, "get", err)
	mustWrite(t, p, put("a", "third", 3), del("b"))
	noError(t, "drop", e.Drop(kv(1)))
	if string(a.Value) != "first" || string(b.Value) != "second" || string(a.Key) != "a" || string(b.Key) != "b" {
		t.Errorf("items changed to %q=%q and %q=%q", a.Key, a.Value, b.Key, b.Value)
	}
}

func testBatchReuse(t *testing.T, e store.Engine) {
	p := mustOpen(t, e, kv(1))
	b := batchOf(put("a", "1", 1), del("z"))
	if b.Len() != 2 || b.Size() != 3 {
		t.Errorf("batch of %d operations and %d bytes, want 2 and 3", b.Len(), b.Size())
	}
	noError(t, "write", p.Write(b))
	b.Reset()
	if b.Len() != 0 || b.Size() != 0 {
		t.Errorf("batch of %d operations and %d bytes after Reset", b.Len(), b.Size())
	}
	b.Put([]byte("b"), []byte("2"), 2)
	noError(t, "write", p.Write(b))
	mustHold(t, p, contents{"a": {"1", 1}, "b": {"2", 2}})
}

func testLargeBatch(t *testing.T, e store.Engine) {
	p := mustOpen(t, e, kv(1))
	want, b := contents{}, new(store.Batch)
	value := bytes.Repeat([]byte("v"), 512)
	for i := range 3000 {
		key := fmt.Sprintf("%04d", i*7919%3000)
		b.Put([]byte(key), value, uint64(i))
		want[key] = held{string(value), uint64(i)}
	}
	noError(t, "write", p.Write(b))
	mustHold(t, p, want)
	b.Reset()
	for i := range 3000 {
		b.Delete(fmt.Appendf(nil, "%04d", i))
	}
	noError(t, "write", p.Write(b))
	mustHold(t, p, nil)
}

// testApart uses IDs whose encodings could be taken for one another.
func testApart(t *testing.T, e store.Engine) {
	ids := []store.ID{
		{Kind: "", Partition: 0},
		{Kind: "", Partition: 1},
		{Kind: "k", Partition: 0},
		{Kind: "k", Partition: 256},
		{Kind: "k", Partition: 65535},
		{Kind: "k\x00", Partition: 0},
		{Kind: "kv", Partition: 0},
		{Kind: "kv\x00\x00\x00\x00", Partition: 7},
	}
	for i, id := range ids {
		mustWrite(t, mustOpen(t, e, id), put("key", fmt.Sprint(i), uint64(i)))
	}
	got, err := e.Partitions()
	noError(t, "partitions", err)
	if fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("partitions %q, want %q", got, ids)
	}
	for i, id := range ids {
		mustHold(t, mustOpen(t, e, id), contents{"key": {fmt.Sprint(i), uint64(i)}})
	}
}

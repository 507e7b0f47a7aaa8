package pipe_test

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/pipe"
)

func drawItems(t *rapid.T) [][]byte {
	return rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 0, 40).Draw(t, "items")
}

func collect(b pipe.Batch) [][]byte {
	var all [][]byte
	for it := range b.All() {
		all = append(all, it)
	}
	return all
}

func sameItems(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func TestBatch_roundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := drawItems(t)
		builder := pipe.NewBuilder(rapid.IntRange(0, 80).Draw(t, "room"))
		for range 2 { // a builder is used again after Seal
			size := 0
			for _, it := range items {
				builder.Append(it)
			}
			size = builder.Size()
			b := builder.Seal()
			if b.Len() != len(items) || b.Size() != size || !sameItems(collect(b), items) {
				t.Fatalf("got %d items of %d bytes", b.Len(), b.Size())
			}
			if builder.Len() != 0 || builder.Size() != 0 {
				t.Fatalf("the builder kept %d items of %d bytes", builder.Len(), builder.Size())
			}
			again, err := pipe.DecodeBatch(b.Len(), b.Bytes())
			if err != nil || !sameItems(collect(again), items) {
				t.Fatalf("decoded %d items: %v", again.Len(), err)
			}
		}
	})
}

func TestCursor_rest(t *testing.T) {
	b := pipe.BatchOf([]byte("a"), bytes.Repeat([]byte("b"), 200), []byte("c"))
	for taken := range 4 {
		c := b.Cursor()
		for range taken {
			if _, ok := c.Next(); !ok {
				t.Fatalf("no item %d", taken)
			}
		}
		rest := c.Rest()
		if !sameItems(collect(rest), collect(b)[taken:]) {
			t.Errorf("after %d items the rest is %q", taken, collect(rest))
		}
	}
}

func TestCursor_itemsHaveNoSpareCapacity(t *testing.T) {
	b := pipe.BatchOf([]byte("a"), []byte("b"))
	first, _ := new(pipe.Cursor), 0
	*first = b.Cursor()
	item, _ := first.Next()
	_ = append(item, "overwrite"...)
	if got := collect(b); string(got[1]) != "b" {
		t.Errorf("an append to an item changed the next to %q", got[1])
	}
}

func TestDecodeBatch_damaged(t *testing.T) {
	good := pipe.BatchOf([]byte("abc"), nil)
	for _, c := range []struct {
		name  string
		count int
		data  []byte
	}{
		{"too few", 1, good.Bytes()},
		{"too many", 3, good.Bytes()},
		{"negative", -1, nil},
		{"cut", 2, good.Bytes()[:2]},
		{"length over the end", 1, []byte{5, 'a'}},
		{"length of 70 bits", 1, bytes.Repeat([]byte{0xff}, 12)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := pipe.DecodeBatch(c.count, c.data); !errors.Is(err, pipe.ErrDamaged) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestBuilder_allocations(t *testing.T) {
	item := make([]byte, 16)
	var b pipe.Builder
	perBatch := testing.AllocsPerRun(100, func() {
		for range 1000 {
			b.Append(item)
		}
		b.Seal()
	})
	if perBatch > 2 {
		t.Errorf("%v allocations for a batch of 1000 items", perBatch)
	}
}

func FuzzDecodeBatch(f *testing.F) {
	b := pipe.BatchOf([]byte("abc"), nil, bytes.Repeat([]byte("x"), 200))
	f.Add(b.Len(), b.Bytes())
	f.Add(1, []byte{0x80, 0x00})
	f.Fuzz(func(t *testing.T, count int, data []byte) {
		b, err := pipe.DecodeBatch(count, data)
		if err != nil {
			if !errors.Is(err, pipe.ErrDamaged) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if n := len(collect(b)); n != count {
			t.Fatalf("%d items, want %d", n, count)
		}
	})
}

package handoff_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
)

func encode(t testing.TB, ops []store.Op) []byte {
	t.Helper()
	b := handoff.NewItemsBuilder(1 << 20)
	for _, op := range ops {
		if err := add(b, op); err != nil {
			t.Fatalf("add %q: %v", op.Key, err)
		}
	}
	return b.Take()
}

func add(b *handoff.ItemsBuilder, op store.Op) error {
	if op.Delete {
		return b.Delete(op.Key)
	}
	return b.Put(op.Key, op.Value, op.Version)
}

func opGen(maxLen int) *rapid.Generator[store.Op] {
	return rapid.Custom(func(t *rapid.T) store.Op {
		op := store.Op{Key: rapid.SliceOfN(rapid.Byte(), 0, maxLen).Draw(t, "key"), Delete: rapid.Bool().Draw(t, "delete")}
		if !op.Delete {
			op.Value = rapid.SliceOfN(rapid.Byte(), 0, maxLen).Draw(t, "value")
			op.Version = rapid.Uint64().Draw(t, "version")
		}
		return op
	})
}

// What was built is what is parsed, in order, as views of the payload.
func TestItems_roundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ops := rapid.SliceOfN(opGen(300), 1, 20).Draw(t, "ops")
		b := handoff.NewItemsBuilder(1 << 20)
		for _, op := range ops {
			if err := add(b, op); err != nil {
				t.Fatal(err)
			}
		}
		if b.Len() != len(ops) {
			t.Fatalf("Len = %d, want %d", b.Len(), len(ops))
		}
		size := b.Size()
		payload := b.Take()
		if len(payload) != size || b.Len() != 0 || b.Size() != 0 || b.Take() != nil {
			t.Fatalf("Take returned %d bytes of %d and left %d items", len(payload), size, b.Len())
		}
		items, err := handoff.ParseItems(payload)
		if err != nil {
			t.Fatal(err)
		}
		got := slices.Collect(items.All())
		if diff := cmp.Diff(ops, got, cmpopts.EquateEmpty()); diff != "" || items.Len() != len(ops) {
			t.Fatalf("Len %d; items (-want +got):\n%s", items.Len(), diff)
		}
	})
}

// The bytes of a batch are a format: they do not change by accident.
func TestItems_layout(t *testing.T) {
	payload := encode(t, []store.Op{
		{Key: []byte("k"), Value: []byte("vv"), Version: 300},
		{Key: []byte("gone"), Delete: true},
		{},
	})
	want := []byte("\x01\x03\x00\x00\x00" + "\x00\x01\xac\x02\x02kvv" + "\x01\x04gone" + "\x00\x00\x00\x00")
	if !bytes.Equal(payload, want) {
		t.Errorf("payload = %q, want %q", payload, want)
	}
}

func TestParseItems_damaged(t *testing.T) {
	good := encode(t, []store.Op{{Key: []byte("key"), Value: []byte("value"), Version: 7}, {Key: []byte("d"), Delete: true}})
	count := func(n uint32) []byte {
		b := slices.Clone(good)
		binary.LittleEndian.PutUint32(b[1:], n)
		return b
	}
	put := func(body string) []byte { return []byte("\x01\x01\x00\x00\x00" + body) }
	huge := string(binary.AppendUvarint(nil, 1<<63))
	for _, tc := range []struct {
		name    string
		payload []byte
		want    error
	}{
		{"nothing", nil, messages.ErrDamaged},
		{"short header", good[:4], messages.ErrDamaged},
		{"other codec", append([]byte{9}, good[1:]...), messages.ErrCodec},
		{"count too high", count(3), messages.ErrDamaged},
		{"count too low", count(1), messages.ErrDamaged},
		{"count of everything", count(1<<32 - 1), messages.ErrDamaged},
		{"unknown flag", put("\x02\x00\x00\x00"), messages.ErrDamaged},
		{"key past the end", put("\x01\x05abcd"), messages.ErrDamaged},
		{"value past the end", put("\x00\x01\x00\x05kabcd"), messages.ErrDamaged},
		{"huge key", put("\x01" + huge), messages.ErrDamaged},
		{"lengths that wrap around", put("\x00" + huge + "\x00" + huge), messages.ErrDamaged},
		{"long form of a length", put("\x01\x81\x00k"), messages.ErrDamaged},
		{"longer form of a length", put("\x01\x81\x80\x00k"), messages.ErrDamaged},
		{"eleven bytes of a length", put("\x01" + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), messages.ErrDamaged},
		{"no version", put("\x00\x00"), messages.ErrDamaged},
		{"no value length", put("\x00\x00\x05"), messages.ErrDamaged},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := handoff.ParseItems(tc.payload); !errors.Is(err, tc.want) {
				t.Errorf("ParseItems(%q) = %v, want %v", tc.payload, err, tc.want)
			}
		})
	}
	for n := range good {
		if _, err := handoff.ParseItems(good[:n]); err == nil {
			t.Errorf("ParseItems accepts the first %d bytes of %d", n, len(good))
		}
	}
}

// A batch holds its payload and nothing else: parsing forged counts and lengths
// allocates no room for them.
func TestItems_allocations(t *testing.T) {
	payload := encode(t, []store.Op{{Key: []byte("key"), Value: bytes.Repeat([]byte("v"), 300), Version: 1 << 40}, {Key: []byte("d"), Delete: true}})
	var batch store.Batch
	allocs := testing.AllocsPerRun(100, func() {
		items, err := handoff.ParseItems(payload)
		if err != nil {
			t.Fatal(err)
		}
		batch.Reset()
		items.AddTo(&batch)
	})
	if allocs != 0 {
		t.Errorf("parsing into a batch allocates %v times", allocs)
	}
	op := batch.Ops()[0]
	if &op.Value[0] != &payload[len(payload)-len("\x01\x01d")-300] || cap(op.Value) != 300 || cap(op.Key) != 3 {
		t.Error("the value is not a view of the payload that ends where the value does")
	}
}

func TestItemsBuilder_limits(t *testing.T) {
	b := handoff.NewItemsBuilder(1000)
	kb := make([]byte, 900)
	if err := b.Put([]byte("a"), kb, 1); err != nil {
		t.Fatal(err)
	}
	if err := b.Put([]byte("b"), kb, 1); !errors.Is(err, handoff.ErrBatchFull) {
		t.Errorf("second Put = %v, want ErrBatchFull", err)
	}
	if err := b.Delete(kb); !errors.Is(err, handoff.ErrBatchFull) {
		t.Errorf("Delete = %v, want ErrBatchFull", err)
	}
	if b.Len() != 1 {
		t.Errorf("Len after refused items = %d, want 1", b.Len())
	}
	buf := b.Take()
	b.Recycle(buf)
	if err := b.Put([]byte("c"), make([]byte, 5000), 1); err != nil {
		t.Errorf("Put of an item above the limit into an empty batch = %v", err)
	}
	b.Take()
	if err := b.Put([]byte("d"), make([]byte, messages.MaxPayloadSize), 1); !errors.Is(err, handoff.ErrItemTooLarge) {
		t.Errorf("Put of an item above every frame = %v, want ErrItemTooLarge", err)
	}
}

// A store may keep a batch as long as one of its values: a small batch does not
// hold a large buffer.
func TestItemsBuilder_takeIsTight(t *testing.T) {
	b := handoff.NewItemsBuilder(1 << 20)
	for _, n := range []int{1, 100, 900, 1100} {
		for range n {
			if err := b.Put([]byte("key"), make([]byte, 900), 1); err != nil {
				t.Fatal(err)
			}
		}
		p := b.Take()
		if spare := cap(p) - len(p); spare > len(p)/4 {
			t.Errorf("a batch of %d items has %d bytes and room for %d more", n, len(p), spare)
		}
		if items, err := handoff.ParseItems(p); err != nil || items.Len() != n {
			t.Errorf("batch of %d items: %d, %v", n, items.Len(), err)
		}
	}
}

func FuzzParseItems(f *testing.F) {
	f.Add(encode(f, []store.Op{{Key: []byte("key"), Value: []byte("value"), Version: 300}, {Key: []byte("d"), Delete: true}}))
	f.Add([]byte("\x01\x00\x00\x00\x00"))
	f.Add([]byte("\x01\xff\xff\xff\xff\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		items, err := handoff.ParseItems(payload)
		if err != nil {
			if !errors.Is(err, messages.ErrDamaged) && !errors.Is(err, messages.ErrCodec) {
				t.Fatalf("error %v is not typed", err)
			}
			return
		}
		ops := slices.Collect(items.All())
		if len(ops) != items.Len() {
			t.Fatalf("%d items of %d", len(ops), items.Len())
		}
		if len(ops) == 0 {
			return
		}
		b := handoff.NewItemsBuilder(len(payload) + 64*len(ops))
		for _, op := range ops {
			if err := add(b, op); err != nil {
				t.Fatal(err)
			}
		}
		if again := b.Take(); !bytes.Equal(again, payload) {
			t.Fatalf("encoding is not canonical: %q became %q", payload, again)
		}
	})
}

// The codec's cost beyond the copy of the bytes; the limit is in the same run.
func BenchmarkItems(b *testing.B) {
	for _, size := range []int{100, 1024} {
		const n = 512
		key, value := []byte("bucket/key-00000000"), bytes.Repeat([]byte("v"), size)
		var builder handoff.ItemsBuilder
		build := func() []byte {
			for range n {
				if err := builder.Put(key, value, 1<<40); err != nil {
					b.Fatal(err)
				}
			}
			return builder.Take()
		}
		builder.Limit(4 << 20)
		payload := build()
		perItem := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/item")
		}
		b.Run(fmt.Sprintf("limit=memcpy/value=%d", size), func(b *testing.B) {
			dst := make([]byte, len(payload))
			for b.Loop() {
				copy(dst, payload)
			}
			perItem(b)
		})
		b.Run(fmt.Sprintf("build/value=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				builder.Recycle(payload)
				build()
			}
			perItem(b)
		})
		b.Run(fmt.Sprintf("parse/value=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			var batch store.Batch
			for b.Loop() {
				items, err := handoff.ParseItems(payload)
				if err != nil {
					b.Fatal(err)
				}
				batch.Reset()
				items.AddTo(&batch)
			}
			perItem(b)
		})
	}
}

// TestItemsBuilder_raisedLimit wants a limit that grows within a batch to hold from there on.
func TestItemsBuilder_raisedLimit(t *testing.T) {
	b := handoff.NewItemsBuilder(100)
	value := make([]byte, 30)
	for i := range 20 {
		if i == 1 {
			b.Limit(4 << 10)
		}
		if err := b.Put([]byte{byte(i)}, value, uint64(i)); err != nil {
			t.Fatalf("item %d: %v", i, err)
		}
	}
	if items, err := handoff.ParseItems(b.Take()); err != nil || items.Len() != 20 {
		t.Errorf("%d items, %v", items.Len(), err)
	}
}

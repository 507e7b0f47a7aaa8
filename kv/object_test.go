package kv_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/kv"
)

func objectGen() *rapid.Generator[kv.Object] {
	return rapid.Custom(func(t *rapid.T) kv.Object {
		o := kv.Object{
			Type:        nameGen().Draw(t, "type"),
			Bucket:      nameGen().Draw(t, "bucket"),
			Key:         nameGen().Draw(t, "key"),
			Value:       rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "value"),
			ContentType: rapid.SampledFrom([]string{"", "text/plain"}).Draw(t, "content type"),
			Encoding:    rapid.SampledFrom([]string{"", "gzip"}).Draw(t, "encoding"),
			Charset:     rapid.SampledFrom([]string{"", "utf-8"}).Draw(t, "charset"),
		}
		if ms := rapid.Int64Range(0, 1<<41).Draw(t, "modified"); ms > 0 {
			o.Modified = time.UnixMilli(ms)
		}
		for range rapid.IntRange(0, 3).Draw(t, "pairs") {
			o.Meta = append(o.Meta, kv.Attribute{Name: nameGen().Draw(t, "n"), Value: nameGen().Draw(t, "v")})
		}
		for range rapid.IntRange(0, 2).Draw(t, "links") {
			o.Links = append(o.Links, kv.Link{Bucket: nameGen().Draw(t, "b"), Key: nameGen().Draw(t, "k"), Tag: nameGen().Draw(t, "t")})
		}
		for range rapid.IntRange(0, 2).Draw(t, "indexes") {
			o.Indexes = append(o.Indexes,
				kv.Index{Name: nameGen().Draw(t, "n"), Bin: nameGen().Draw(t, "e")},
				kv.Index{Name: nameGen().Draw(t, "n"), Kind: kv.IntIndex, Int: rapid.Int64().Draw(t, "i")})
		}
		return o
	})
}

func item(o kv.Object) []byte {
	return kv.AppendItem(nil, kv.AppendKey(nil, testHead, o.Type, o.Bucket, o.Key), kv.AppendStored(nil, o))
}

// I3: an object survives its encoding.
func TestDecodeItem_isTheInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := objectGen().Draw(t, "object")
		got, err := kv.DecodeItem(item(o))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(kv.Object{}, "Context")); diff != "" {
			t.Fatalf("object changed (-want +got):\n%s", diff)
		}
	})
}

func TestDecodeStored_refuses(t *testing.T) {
	// A clock of one actor "a" with 5, and one sibling, the fifth.
	content := func(c ...byte) []byte {
		return append([]byte{2, 4, 1, 1, 'a', 5, 0, 0, 0, byte(len(c))}, c...)
	}
	siblings := func(b ...byte) []byte { return append([]byte{2, 4, 1, 1, 'a', 5}, b...) }
	tests := []struct {
		name string
		raw  []byte
		want error
	}{
		{"nothing", nil, kv.ErrCorrupt},
		{"an earlier version", []byte{1, 15, 0}, kv.ErrFormat},
		{"a later version", []byte{3, 15, 0}, kv.ErrFormat},
		{"no siblings", siblings(), kv.ErrCorrupt},
		{"no clock", []byte{2, 0, 0, 0, 0, 2, 15, 0}, kv.ErrCorrupt},
		{"a cut clock", []byte{2, 9, 1}, kv.ErrCorrupt},
		{"no value", content(1, 1, 'x'), kv.ErrCorrupt},
		{"a tombstone with a value", siblings(0, 0, 1, 2, 15, 0), kv.ErrCorrupt},
		{"a value without content", siblings(0, 0, 0, 0), kv.ErrCorrupt},
		{"siblings out of order", siblings(0, 0, 0, 2, 15, 0, 0, 1, 0, 2, 15, 0), kv.ErrCorrupt},
		{"a sibling twice", siblings(0, 0, 0, 2, 15, 0, 0, 0, 0, 2, 15, 0), kv.ErrCorrupt},
		{"a sibling of nobody", siblings(0, 1, 0, 2, 15, 0, 1, 0, 0, 2, 15, 0), kv.ErrCorrupt},
		{"a sibling before the first", siblings(0, 5, 0, 2, 15, 0, 0, 0, 0, 2, 15, 0), kv.ErrCorrupt},
		{"an unknown field", content(7, 1, 'x', 15, 0), kv.ErrFormat},
		{"a short value", content(15, 2, 'x'), kv.ErrCorrupt},
		{"bytes after the value", content(15, 1, 'x', 0), kv.ErrCorrupt},
		{"a padded length", content(15, 0x81, 0, 'x'), kv.ErrCorrupt},
		{"fields out of order", content(2, 1, 0, 1, 1, 'a', 15, 0), kv.ErrCorrupt},
		{"two content types", content(1, 1, 'a', 1, 1, 'a', 15, 0), kv.ErrCorrupt},
		{"an empty content type", content(1, 0, 15, 0), kv.ErrCorrupt},
		{"a broken pair", content(2, 1, 9, 15, 0), kv.ErrCorrupt},
		{"a broken link", content(5, 2, 0, 9, 15, 0), kv.ErrCorrupt},
		{"a broken index", content(6, 0, 15, 0), kv.ErrCorrupt},
		{"a short integer", content(6, 3, 1, 0, 7, 15, 0), kv.ErrCorrupt},
		{"an unknown kind of index", content(6, 2, 2, 0, 15, 0), kv.ErrCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var o kv.Object
			if err := kv.DecodeStored(&o, tt.raw); !errors.Is(err, tt.want) {
				t.Errorf("DecodeStored(%x) = %v, want %v", tt.raw, err, tt.want)
			}
		})
	}
}

func TestDecodeItem_copiesNothing(t *testing.T) {
	raw := item(kv.Object{Bucket: "b", Key: "k", Value: []byte("some value"), ContentType: "text/plain"})
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := kv.DecodeItem(raw); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("DecodeItem allocates %v times", allocs)
	}
	o, err := kv.DecodeItem(raw)
	if err != nil {
		t.Fatal(err)
	}
	if o.Text() != "some value" || o.Key != "k" {
		t.Errorf("object is %q = %q", o.Key, o.Text())
	}
}

func FuzzDecodeItem(f *testing.F) {
	f.Add(item(kv.Object{Bucket: "b", Key: "k"}))
	f.Add(item(kv.Object{
		Type: "t", Bucket: "b", Key: "k", Value: []byte("v"), ContentType: "c",
		Meta: []kv.Attribute{{Name: "n", Value: "v"}, {}},
	}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := kv.DecodeItem(raw)
		if err != nil {
			return
		}
		again, err := kv.DecodeItem(item(o))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o, again, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(kv.Object{}, "Context")); diff != "" {
			t.Errorf("%x: decoded again (-first +again):\n%s", raw, diff)
		}
	})
}

func ExampleDecodeItem() {
	o := kv.Object{
		Bucket: "books", Key: "moby", Value: []byte("Call me Ishmael."),
		Meta: []kv.Attribute{{Name: "author", Value: "Melville"}},
	}
	travelling := kv.AppendItem(nil, kv.AppendKey(nil, testHead, o.Type, o.Bucket, o.Key), kv.AppendStored(nil, o))

	back, err := kv.DecodeItem(travelling)
	author, _ := back.Attribute("author")
	fmt.Println(back.Key, author, back.Text(), err)
	// Output: moby Melville Call me Ishmael. <nil>
}

func BenchmarkDecodeItem(b *testing.B) {
	raw := item(kv.Object{Bucket: "corpus", Key: "line-000001", Value: make([]byte, 1000), ContentType: "text/plain"})
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := kv.DecodeItem(raw); err != nil {
			b.Fatal(err)
		}
	}
}

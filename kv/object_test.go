package kv_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

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
		}
		for range rapid.IntRange(0, 3).Draw(t, "pairs") {
			o.Meta = append(o.Meta, kv.Attribute{Name: nameGen().Draw(t, "n"), Value: nameGen().Draw(t, "v")})
		}
		return o
	})
}

func item(o kv.Object) []byte {
	return kv.AppendItem(nil, kv.AppendKey(nil, o.Type, o.Bucket, o.Key), kv.AppendStored(nil, o))
}

// I3: an object survives its encoding.
func TestDecodeItem_isTheInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := objectGen().Draw(t, "object")
		got, err := kv.DecodeItem(item(o))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("object changed (-want +got):\n%s", diff)
		}
	})
}

func TestDecodeStored_refuses(t *testing.T) {
	tests := []struct {
		name string
		raw  []byte
		want error
	}{
		{"nothing", nil, kv.ErrCorrupt},
		{"a later version", []byte{2, 15, 0}, kv.ErrFormat},
		{"no value", []byte{1}, kv.ErrCorrupt},
		{"an unknown field", []byte{1, 7, 1, 'x', 15, 0}, kv.ErrFormat},
		{"a short value", []byte{1, 15, 2, 'x'}, kv.ErrCorrupt},
		{"bytes after the value", []byte{1, 15, 1, 'x', 0}, kv.ErrCorrupt},
		{"a padded length", []byte{1, 15, 0x81, 0, 'x'}, kv.ErrCorrupt},
		{"fields out of order", []byte{1, 2, 1, 0, 1, 1, 'a', 15, 0}, kv.ErrCorrupt},
		{"two content types", []byte{1, 1, 1, 'a', 1, 1, 'a', 15, 0}, kv.ErrCorrupt},
		{"an empty content type", []byte{1, 1, 0, 15, 0}, kv.ErrCorrupt},
		{"a broken pair", []byte{1, 2, 1, 9, 15, 0}, kv.ErrCorrupt},
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
		if again := item(o); !bytes.Equal(again, raw) {
			t.Errorf("%x decodes to %+v, which encodes to %x", raw, o, again)
		}
	})
}

func ExampleDecodeItem() {
	o := kv.Object{
		Bucket: "books", Key: "moby", Value: []byte("Call me Ishmael."),
		Meta: []kv.Attribute{{Name: "author", Value: "Melville"}},
	}
	travelling := kv.AppendItem(nil, kv.AppendKey(nil, o.Type, o.Bucket, o.Key), kv.AppendStored(nil, o))

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

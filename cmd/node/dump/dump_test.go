package dump_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cmd/node/dump"
	"github.com/dee2748c/baton/kv"
)

var formats = []dump.Format{dump.JSONLines, dump.Binary}

func write(t interface{ Fatal(...any) }, f dump.Format, objects []kv.Object) []byte {
	var b bytes.Buffer
	w, err := dump.NewWriter(&b, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if err := w.Write(o); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil || w.Objects() != uint64(len(objects)) {
		t.Fatal(w.Objects(), err)
	}
	return b.Bytes()
}

func read(b []byte) (objects []kv.Object, err error) {
	r, err := dump.NewReader(bytes.NewReader(b))
	for err == nil {
		var o kv.Object
		if o, err = r.Next(); err == nil {
			objects = append(objects, o)
		}
	}
	return objects, err
}

func content(t *rapid.T) kv.Content {
	text := rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 6).Draw(t, "bytes")) })
	c := kv.Content{
		Value: rapid.SliceOf(rapid.Byte()).Draw(t, "value"), ContentType: text.Draw(t, "type"), Encoding: text.Draw(t, "encoding"),
		Charset: text.Draw(t, "charset"), Modified: time.UnixMilli(rapid.Int64Range(1e6, 1e12).Draw(t, "modified")).UTC(),
	}
	for range rapid.IntRange(0, 2).Draw(t, "extras") {
		c.Meta = append(c.Meta, kv.Attribute{Name: text.Draw(t, "name"), Value: text.Draw(t, "value")})
		c.Links = append(c.Links, kv.Link{Bucket: text.Draw(t, "bucket"), Key: text.Draw(t, "key"), Tag: text.Draw(t, "tag")})
		c.Indexes = append(c.Indexes, kv.Index{Name: text.Draw(t, "bin"), Bin: text.Draw(t, "term")},
			kv.Index{Name: text.Draw(t, "int"), Kind: kv.IntIndex, Int: rapid.Int64().Draw(t, "number")})
	}
	return c
}

func object(t *rapid.T) kv.Object {
	name := func(label string) string { return string(rapid.SliceOfN(rapid.Byte(), 1, 5).Draw(t, label)) }
	o := kv.Object{Type: name("type"), Bucket: name("bucket"), Key: name("key")}
	first := content(t)
	o.Value, o.ContentType, o.Encoding, o.Charset = first.Value, first.ContentType, first.Encoding, first.Charset
	o.Meta, o.Links, o.Indexes, o.Modified = first.Meta, first.Links, first.Indexes, first.Modified
	if rapid.Bool().Draw(t, "siblings") {
		second := content(t)
		second.Modified = first.Modified.Add(-time.Second)
		o.Siblings = []kv.Content{first, second}
	}
	return o
}

// TestDump_roundTrip: I1.
func TestDump_roundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(object), 0, 5).Draw(t, "objects")
		f := rapid.SampledFrom(formats).Draw(t, "format")
		got, err := read(write(t, f, want))
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("-written +read\n%s", diff)
		}
	})
}

// TestDump_damage: I2. No file that lacks a byte, or has another one, reads as
// whole.
func TestDump_damage(t *testing.T) {
	objects := []kv.Object{
		{Type: "default", Bucket: "b", Key: "k", Value: []byte("value"), Meta: []kv.Attribute{{Name: "a", Value: "b"}}},
		{Type: "default", Bucket: "b", Key: "l", Value: []byte("another")},
	}
	for _, f := range formats {
		whole := write(t, f, objects)
		if _, err := read(whole); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		for n := range whole {
			if _, err := read(whole[:n]); err == nil || errors.Is(err, io.EOF) {
				t.Fatalf("%s: the first %d of %d bytes read as whole: %v", f, n, len(whole), err)
			}
			for _, flip := range []byte{1, 0x20, 0x80} {
				b := bytes.Clone(whole)
				b[n] ^= flip
				got, err := read(b)
				if errors.Is(err, io.EOF) && !sameEnd(f, whole, b) {
					t.Fatalf("%s: byte %d flipped by %x reads as whole: %+v", f, n, flip, got)
				}
			}
		}
		for _, more := range []string{"x", "\n"} {
			if _, err := read(append(bytes.Clone(whole), more...)); !errors.Is(err, dump.ErrDamaged) {
				t.Errorf("%s: %q behind the end: %v", f, more, err)
			}
		}
	}
}

// sameEnd reports whether two files differ in the spelling of the last line only:
// upper or lower case of a sum in hex, or of a name in JSON.
func sameEnd(f dump.Format, a, b []byte) bool {
	return f == dump.JSONLines && strings.EqualFold(string(a), string(b))
}

func TestDump_refuses(t *testing.T) {
	for _, tt := range []struct {
		text string
		want error
	}{
		{"", dump.ErrTruncated},
		{"batonexp\x02........", dump.ErrFormat},
		{"PK\x03\x04.............\n", dump.ErrFormat},
		{`{"baton_export":2}` + "\n", dump.ErrFormat},
		{`{"baton_export":1}` + "\n" + `{"bucket":"b","contents":[{}]}` + "\n", dump.ErrDamaged},
		{`{"baton_export":1}` + "\n" + `{"bucket":"b","key":"k"}` + "\n", dump.ErrDamaged},
		{`{"baton_export":1}` + "\n" + `{"end":{"objects":1,"sha256":""}}` + "\n", dump.ErrDamaged},
		{`{"baton_export":1}` + "\n" + `{"end":{"objects":0,"sha256":""}}` + "\n", dump.ErrDamaged},
		{`{"baton_export":1}` + "\n", dump.ErrTruncated},
		{"batonexp\x01\xff\xff\xff\xff\x7f", dump.ErrDamaged},
		{"batonexp\x01\x02\x05a", dump.ErrDamaged},
	} {
		if _, err := read([]byte(tt.text)); !errors.Is(err, tt.want) {
			t.Errorf("%q: %v, want %v", tt.text, err, tt.want)
		}
	}
	if _, err := dump.NewWriter(io.Discard, "xml"); err == nil {
		t.Error("a format that nobody knows is taken")
	}
}

// FuzzReader: I3.
func FuzzReader(f *testing.F) {
	for _, format := range formats {
		f.Add(write(f, format, []kv.Object{{Type: "t", Bucket: "b", Key: "k", Value: []byte("v"), Indexes: []kv.Index{{Name: "a_bin", Bin: "x"}}}}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		objects, err := read(b)
		if !errors.Is(err, io.EOF) {
			return
		}
		for _, format := range formats {
			again, err := read(write(t, format, objects))
			if diff := cmp.Diff(objects, again, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(kv.Content{}, "Modified"), cmpopts.IgnoreFields(kv.Object{}, "Modified")); !errors.Is(err, io.EOF) || diff != "" {
				t.Fatalf("%s: %v\n%s", format, err, diff)
			}
		}
	})
}

package pebble

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/cockroachdb/pebble/v2/record"
)

// manifestOf returns the bytes of a manifest with records of these sizes, and
// where the last one begins.
func manifestOf(tb testing.TB, sizes ...int) (b []byte, last int) {
	tb.Helper()
	var buf bytes.Buffer
	w := record.NewWriter(&buf)
	for i, size := range sizes {
		last = buf.Len()
		r, err := w.Next()
		if err == nil {
			_, err = r.Write(bytes.Repeat([]byte{byte(i) + 1}, size))
		}
		if err := errors.Join(err, w.Flush()); err != nil {
			tb.Fatal(err)
		}
	}
	return buf.Bytes(), last
}

var manifests = [][]int{{10}, {10, 200, 30}, {10, 70_000, 5, 40}, {32 << 10, 1, 32<<10 - 8, 3}}

// The chunks are those of Pebble's own records. Each flip is met but in the last
// record, and a file that ends early is no damage.
func TestInspectManifest(t *testing.T) {
	for _, sizes := range manifests {
		b, last := manifestOf(t, sizes...)
		if at, ok := inspectManifest(b); !ok || at != len(b) {
			t.Fatalf("%v: sound, but at %d of %d: %v", sizes, at, len(b), ok)
		}
		for at := range b {
			if at > 300 && at < last-100 && at%1009 != 0 {
				continue
			}
			torn := bytes.Clone(b)
			torn[at] ^= 1 << (at % 8)
			if _, ok := inspectManifest(torn); ok != (at >= last) {
				t.Errorf("%v: a flip at %d, the last record is at %d: %v", sizes, at, last, ok)
			}
			if _, ok := inspectManifest(b[:at]); !ok {
				t.Errorf("%v: cut at %d", sizes, at)
			}
		}
		// Of the last record any part may be there after a power cut.
		for hole := last; hole < len(b); hole += 4096 {
			torn := bytes.Clone(b)
			clear(torn[hole:min(hole+4096, len(b))])
			if _, ok := inspectManifest(torn); !ok {
				t.Errorf("%v: a hole at %d", sizes, hole)
			}
		}
	}
}

// FuzzInspectManifest: what it takes to be whole, Pebble reads to the same end.
func FuzzInspectManifest(f *testing.F) {
	for _, sizes := range manifests {
		b, _ := manifestOf(f, sizes...)
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		at, _ := inspectManifest(b)
		if at < 0 || at > len(b)+manifestBlock {
			t.Fatalf("at %d of %d", at, len(b))
		}
		if at < len(b) {
			return
		}
		for r := record.NewReader(bytes.NewReader(b), 0); ; {
			rec, err := r.Next()
			if err == nil {
				_, err = io.Copy(io.Discard, rec)
			}
			if err != nil {
				return // the order of chunks is Pebble's to check
			}
		}
	})
}

package ring_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"pgregory.net/rapid"
)

func encode(t interface{ Fatal(...any) }, r *ring.Ring) []byte {
	b, err := r.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sealed appends the checksum that belongs to a body.
func sealed(body []byte) []byte {
	return binary.LittleEndian.AppendUint32(slices.Clone(body), crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

func TestRing_AppendBinary_format(t *testing.T) {
	want := sealed([]byte{1, 3, 2, 1, 'a', 1, 'b', 0, 1, 0, 1, 0, 1, 0, 1})
	got, err := ringOf(t, "abababab").AppendBinary([]byte("before"))
	if err != nil || !bytes.Equal(got, append([]byte("before"), want...)) {
		t.Errorf("encoding = %v, %v, want %v", got, err, want)
	}
}

// I5: a ring survives its encoding, equal rings have equal bytes, and what
// decodes encodes to the same bytes.
func TestDecode_roundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRing(t, 256, 40)
		b := encode(t, r)
		got, err := ring.Decode(b)
		if err != nil || !got.Equal(r) {
			t.Fatalf("ring comes back changed: %v", err)
		}
		if !bytes.Equal(encode(t, got), b) {
			t.Fatal("equal rings have different bytes")
		}
	})
}

func TestDecode_manyNodes(t *testing.T) {
	owners := make([]ring.NodeID, ring.MaxSize)
	for p := range owners {
		owners[p] = ring.NodeID(fmt.Sprintf("n%05d", p))
	}
	r, err := ring.New(owners)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ring.Decode(encode(t, r))
	if err != nil || !got.Equal(r) {
		t.Errorf("ring of a node for each partition comes back changed: %v", err)
	}
}

// I5: no damage to one byte and no cut goes unnoticed.
func TestDecode_damage(t *testing.T) {
	whole := encode(t, ringOf(t, "abcdabcd"))
	for i := range whole {
		if _, err := ring.Decode(whole[:i]); !errors.Is(err, ring.ErrDecode) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
		for bit := range 8 {
			damaged := slices.Clone(whole)
			damaged[i] ^= 1 << bit
			if _, err := ring.Decode(damaged); !errors.Is(err, ring.ErrDecode) {
				t.Errorf("bit %d of byte %d turned: %v", bit, i, err)
			}
		}
	}
}

func TestDecode_refuses(t *testing.T) {
	owners := []byte{0, 1, 0, 1, 0, 1, 0, 1}
	tests := []struct {
		name string
		body []byte
	}{
		{"nothing", nil},
		{"unknown version", append([]byte{2, 3, 2, 1, 'a', 1, 'b'}, owners...)},
		{"size too small", []byte{1, 2, 1, 1, 'a', 0, 0, 0, 0}},
		{"size too large", []byte{1, 17, 1, 1, 'a'}},
		{"no nodes", append([]byte{1, 3, 0}, owners...)},
		{"more nodes than partitions", append([]byte{1, 3, 9}, owners...)},
		{"long count", append([]byte{1, 3, 0x82, 0, 1, 'a', 1, 'b'}, owners...)},
		{"endless count", []byte{1, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}},
		{"empty name", append([]byte{1, 3, 2, 0, 1, 'b'}, owners...)},
		{"name past the end", []byte{1, 3, 1, 100, 'a'}},
		{"nodes out of order", append([]byte{1, 3, 2, 1, 'b', 1, 'a'}, owners...)},
		{"node twice", append([]byte{1, 3, 2, 1, 'a', 1, 'a'}, owners...)},
		{"too few owners", append([]byte{1, 3, 2, 1, 'a', 1, 'b'}, owners[:7]...)},
		{"too many owners", append([]byte{1, 3, 2, 1, 'a', 1, 'b', 0}, owners...)},
		{"unknown owner", []byte{1, 3, 2, 1, 'a', 1, 'b', 0, 1, 2, 1, 0, 1, 0, 1}},
		{"node without partition", []byte{1, 3, 2, 1, 'a', 1, 'b', 0, 0, 0, 0, 0, 0, 0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if r, err := ring.Decode(sealed(tt.body)); !errors.Is(err, ring.ErrDecode) {
				t.Errorf("Decode = %v, %v, want ErrDecode", r, err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, owners := range []string{"aaaaaaaa", "abcdabcd", "abcdefghabcdefgh"} {
		b := encode(f, ringOf(f, owners))
		f.Add(b[:len(b)-4])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := ring.Decode(body); err != nil && !errors.Is(err, ring.ErrDecode) {
			t.Errorf("untyped error %v", err)
		}
		// The checksum would hide everything behind it from the fuzzer.
		whole := sealed(body)
		r, err := ring.Decode(whole)
		if err != nil {
			if !errors.Is(err, ring.ErrDecode) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		if !bytes.Equal(encode(t, r), whole) {
			t.Errorf("%x decodes to a ring that encodes differently", whole)
		}
	})
}

package store_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
)

func drawRecord(t *rapid.T) store.Record {
	n := rapid.Uint64()
	r := store.Record{
		Epoch: n.Draw(t, "epoch"), RingVersion: n.Draw(t, "ring version"), MaxSession: n.Draw(t, "max session"),
		Frozen: n.Draw(t, "frozen"), Sealed: n.Draw(t, "sealed"),
		Tombstone: ring.NodeID(rapid.StringN(0, 20, -1).Draw(t, "tombstone")),
	}
	if rapid.Bool().Draw(t, "with seal") {
		r.Seal = &topology.Seal{LastSeq: n.Draw(t, "last seq"), Items: n.Draw(t, "items"), Bytes: n.Draw(t, "bytes")}
		copy(r.Seal.Digest[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "digest"))
	}
	return r
}

func TestRecord_roundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRecord(t)
		b, err := want.AppendBinary([]byte("prefix"))
		if err != nil || string(b[:6]) != "prefix" {
			t.Fatalf("append: %q, %v", b[:6], err)
		}
		got, err := store.DecodeRecord(b[6:])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestRecord_layout(t *testing.T) {
	r := store.Record{
		Epoch: 1, RingVersion: 300, MaxSession: 2, Frozen: 3, Sealed: 4, Tombstone: "b",
		Seal: &topology.Seal{LastSeq: 5, Items: 6, Bytes: 7, Digest: topology.Digest{0: 0xaa, 15: 0xbb}},
	}
	got, err := r.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "\x01\x01" + "\x01\xac\x02\x02\x03\x04" + "\x05\x06\x07" + "\xaa" + strings.Repeat("\x00", 14) + "\xbb" + "\x01b"
	if string(got) != want {
		t.Errorf("record is % x, want % x", got, want)
	}
}

func TestDecodeRecord_corrupt(t *testing.T) {
	valid, err := store.Record{Epoch: 300, Seal: &topology.Seal{Items: 2}, Tombstone: "node"}.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]byte{
		"nothing":            nil,
		"a later version":    append([]byte{2}, valid[1:]...),
		"an unknown flag":    append([]byte{1, 2}, valid[2:]...),
		"a byte too many":    append(append([]byte{}, valid...), 0),
		"a padded integer":   {1, 0, 0x80, 0, 0, 0, 0, 0, 0},
		"an integer too big": append([]byte{1, 0}, strings.Repeat("\xff", 10)...),
		"a name too long":    append([]byte{1, 0, 0, 0, 0, 0, 0, 0x88, 0x08}, make([]byte, 1032)...),
	}
	for n := range valid {
		cases["cut at "+string(rune('a'+n))] = valid[:n]
	}
	for name, src := range cases {
		if r, err := store.DecodeRecord(src); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: %+v, %v, want ErrCorrupt", name, r, err)
		}
	}
	if _, err := (store.Record{Tombstone: ring.NodeID(make([]byte, 1025))}).AppendBinary(nil); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("a name of 1025 bytes: %v, want ErrCorrupt", err)
	}
}

func TestRecord_Succeed(t *testing.T) {
	stored := store.Record{Epoch: 5, RingVersion: 5, MaxSession: 5, Frozen: 5, Sealed: 5, Seal: &topology.Seal{}, Tombstone: "a"}
	for name, test := range map[string]struct {
		next store.Record
		want error
	}{
		"itself":             {stored, nil},
		"a thaw":             {store.Record{Epoch: 5, RingVersion: 5, MaxSession: 5}, nil},
		"higher fences":      {store.Record{Epoch: 6, RingVersion: math.MaxUint64, MaxSession: 6}, nil},
		"a lower epoch":      {store.Record{Epoch: 4, RingVersion: 6, MaxSession: 6}, store.ErrFenceLowered},
		"a lower ring":       {store.Record{Epoch: 6, RingVersion: 4, MaxSession: 6}, store.ErrFenceLowered},
		"a lower session":    {store.Record{Epoch: 6, RingVersion: 6, MaxSession: 4}, store.ErrFenceLowered},
		"nothing at all":     {store.Record{}, store.ErrFenceLowered},
		"a higher frozen":    {store.Record{Epoch: 5, RingVersion: 5, MaxSession: 5, Frozen: 9}, nil},
		"another tombstone":  {store.Record{Epoch: 5, RingVersion: 5, MaxSession: 5, Tombstone: "b"}, nil},
		"a seal that is new": {store.Record{Epoch: 5, RingVersion: 5, MaxSession: 5, Seal: &topology.Seal{Items: 9}}, nil},
	} {
		if err := stored.Succeed(test.next); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	for _, r := range []store.Record{{}, {Epoch: 1, MaxSession: 1 << 40, Tombstone: "n"}, {Seal: &topology.Seal{Items: 3, Digest: topology.Digest{9}}}} {
		b, err := r.AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		r, err := store.DecodeRecord(src)
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatalf("error %v", err)
			}
			return
		}
		again, err := r.AppendBinary(nil)
		if err != nil || string(again) != string(src) {
			t.Fatalf("% x decodes to %+v, which encodes to % x (%v)", src, r, again, err)
		}
	})
}

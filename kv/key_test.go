package kv_test

import (
	"bytes"
	"cmp"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
)

type name struct{ Type, Bucket, Key string }

// nameGen draws names that are short and full of the bytes that the escape
// treats specially, so that prefixes and near misses are common.
func nameGen() *rapid.Generator[string] {
	return rapid.StringOfN(rapid.SampledFrom([]rune{0, 1, 2, 'a', 'b', 0x7f}), 0, 4, -1)
}

func draw(t *rapid.T, label string) name {
	return name{
		Type:   nameGen().Draw(t, label+".type"),
		Bucket: nameGen().Draw(t, label+".bucket"),
		Key:    nameGen().Draw(t, label+".key"),
	}
}

func (n name) compare(m name) int {
	return cmp.Or(cmp.Compare(n.Type, m.Type), cmp.Compare(n.Bucket, m.Bucket), cmp.Compare(n.Key, m.Key))
}

func (n name) encode() []byte { return kv.AppendKey(nil, testHead, n.Type, n.Bucket, n.Key) }

// I1: store keys compare as the names do, and decode to them.
func TestAppendKey_keepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		if got, want := bytes.Compare(a.encode(), b.encode()), a.compare(b); got != want {
			t.Fatalf("compare(%q, %q) = %d, want %d", a, b, got, want)
		}
		var back name
		var err error
		if _, back.Type, back.Bucket, back.Key, err = kv.DecodeKey(a.encode()); err != nil || back != a {
			t.Fatalf("DecodeKey(AppendKey(%q)) = %q, %v", a, back, err)
		}
	})
}

// A head's keys are one range, which holds no other head's and no other space's.
func TestHeadRange_holdsExactlyTheHead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		head := ring.Partition(rapid.SampledFrom([]int{0, 1, 255, 256, 65534, 65535}).Draw(t, "head"))
		other := ring.Partition(rapid.SampledFrom([]int{0, 1, 255, 256, 65534, 65535}).Draw(t, "other"))
		n := draw(t, "n")
		from, to := kv.HeadRange(head)
		k := kv.AppendKey(nil, other, n.Type, n.Bucket, n.Key)
		if in := bytes.Compare(from, k) <= 0 && bytes.Compare(k, to) < 0; in != (head == other) {
			t.Fatalf("key %x of head %d in the range of head %d: %v", k, other, head, in)
		}
		if got := kv.HeadOf(k); got != other {
			t.Fatalf("head of %x is %d, want %d", k, got, other)
		}
	})
}

// I2: a bucket's range holds the bucket's keys behind After and nothing else.
func TestBucketRange_holdsExactlyTheBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := draw(t, "n")
		bucket := name{Type: n.Type, Bucket: nameGen().Draw(t, "bucket")}
		if rapid.Bool().Draw(t, "same") {
			n.Bucket = bucket.Bucket
		} else {
			n.Type = nameGen().Draw(t, "other type")
		}
		after := nameGen().Draw(t, "after")
		from, to := kv.BucketRange(testHead, bucket.Type, bucket.Bucket, after)
		k := n.encode()
		in := bytes.Compare(from, k) <= 0 && bytes.Compare(k, to) < 0
		want := n.Type == bucket.Type && n.Bucket == bucket.Bucket && (after == "" || n.Key > after)
		if in != want {
			t.Fatalf("%q in range of %q after %q: %v, want %v", n, bucket, after, in, want)
		}
	})
}

func TestAppendKey_defaultTypeIsTheEmptyType(t *testing.T) {
	a, b := kv.AppendKey(nil, testHead, kv.DefaultType, "b", "k"), kv.AppendKey(nil, testHead, "", "b", "k")
	if !bytes.Equal(a, b) {
		t.Errorf("default type encodes to %x, the empty type to %x", a, b)
	}
}

func TestDecodeKey_refusesWhatIsNoKey(t *testing.T) {
	for _, raw := range [][]byte{
		nil,
		{0x11, 0, 3, 0, 1, 0, 1},
		{0x10},
		{0x10, 0},
		{0x10, 0, 3},
		{0x10, 0, 3, 'a'},
		{0x10, 0, 3, 0},
		{0x10, 0, 3, 0, 1},
		{0x10, 0, 3, 0, 1, 'b'},
		{0x10, 0, 3, 0, 1, 'b', 0},
		{0x10, 0, 3, 0, 2, 0, 1},
		{0x10, 0, 3, 0, 0xff, 0, 2, 0, 1},
		append(append([]byte{0x10, 0, 3}, kv.DefaultType...), 0, 1, 'b', 0, 1),
	} {
		if _, _, _, _, err := kv.DecodeKey(raw); !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("DecodeKey(%x): %v, want ErrCorrupt", raw, err)
		}
	}
}

func FuzzDecodeKey(f *testing.F) {
	f.Add(kv.AppendKey(nil, testHead, "t", "b", "k"))
	f.Add(kv.AppendKey(nil, testHead, "", "a\x00b", "\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		head, bt, b, k, err := kv.DecodeKey(raw)
		if err != nil {
			return
		}
		if again := kv.AppendKey(nil, head, bt, b, k); !bytes.Equal(again, raw) {
			t.Errorf("%x decodes to %q %q %q, which encodes to %x", raw, bt, b, k, again)
		}
	})
}

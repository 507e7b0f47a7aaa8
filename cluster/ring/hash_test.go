package ring_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"math/big"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"pgregory.net/rapid"
)

func TestHash_vectors(t *testing.T) {
	tests := []struct {
		name      string
		hash      ring.Hash
		want      string
		id8, id64 ring.Partition
		index64   string
	}{
		{
			"integer 1", ring.HashInt(1), "45cc2cb178afb3f757f4cbd147f8b5b5fc7ec5b9", 3, 18,
			"411047335499316445744786359201454599278231027712",
		},
		{
			"b k", ring.HashKey([]byte("b"), []byte("k")), "6c38d93a9b70c325a8294365c4150ff68fe1a214", 4, 28,
			"639406966332270026714112114313373821099470487552",
		},
		{
			"foonum bar1", ring.HashKey([]byte("foonum"), []byte("bar1")), "8d69cf6f64aa3adc7879bceb384e16497329a9d2", 5, 36,
			"822094670998632891489572718402909198556462055424",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.hash.String(); got != tt.want {
				t.Errorf("hash = %s, want %s", got, tt.want)
			}
			if got := tt.hash.Partition(8); got != tt.id8 {
				t.Errorf("partition of 8 = %d, want %d", got, tt.id8)
			}
			if got := tt.hash.Partition(64); got != tt.id64 {
				t.Errorf("partition of 64 = %d, want %d", got, tt.id64)
			}
			if got := tt.id64.Index(64).String(); got != tt.index64 {
				t.Errorf("index of %d = %s, want %s", tt.id64, got, tt.index64)
			}
		})
	}
}

func TestHash_terms(t *testing.T) {
	long := bytes.Repeat([]byte{'x'}, 70000)
	tests := []struct {
		name string
		got  ring.Hash
		term []byte
	}{
		{"small integer", ring.HashInt(255), []byte{131, 97, 255}},
		{"integer", ring.HashInt(256), []byte{131, 98, 0, 0, 1, 0}},
		{"negative integer", ring.HashInt(-1), []byte{131, 98, 255, 255, 255, 255}},
		{"big integer", ring.HashInt(1 << 31), []byte{131, 110, 4, 0, 0, 0, 0, 128}},
		{"negative big integer", ring.HashInt(-1<<31 - 1), []byte{131, 110, 4, 1, 1, 0, 0, 128}},
		{"lowest integer", ring.HashInt(-1 << 63), []byte{131, 110, 8, 1, 0, 0, 0, 0, 0, 0, 0, 128}},
		{"empty key", ring.HashKey(nil, nil), []byte{131, 104, 2, 109, 0, 0, 0, 0, 109, 0, 0, 0, 0}},
		{
			"typed", ring.HashTypedKey([]byte("t"), []byte("b"), []byte("k")),
			[]byte{131, 104, 2, 104, 2, 109, 0, 0, 0, 1, 't', 109, 0, 0, 0, 1, 'b', 109, 0, 0, 0, 1, 'k'},
		},
		{"long key", ring.HashKey([]byte("b"), long), binaryTerms([]byte{131, 104, 2}, []byte("b"), long)},
		{
			"long typed key", ring.HashTypedKey([]byte("t"), []byte("b"), long),
			binaryTerms([]byte{131, 104, 2, 104, 2}, []byte("t"), []byte("b"), long),
		},
		{"bytes", ring.HashBytes([]byte("abc")), []byte("abc")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if want := ring.Hash(sha1.Sum(tt.term)); tt.got != want {
				t.Errorf("hash = %v, want %v", tt.got, want)
			}
		})
	}
}

func binaryTerms(head []byte, values ...[]byte) []byte {
	for _, v := range values {
		head = append(binary.BigEndian.AppendUint32(append(head, 109), uint32(len(v))), v...)
	}
	return head
}

func TestHashKey_doesNotAllocate(t *testing.T) {
	bucket, key := []byte("bucket"), bytes.Repeat([]byte("k"), 400)
	if n := testing.AllocsPerRun(100, func() { ring.HashKey(bucket, key) }); n != 0 {
		t.Errorf("HashKey allocates %v times", n)
	}
}

func TestIncrement_vectors(t *testing.T) {
	for q, want := range map[int]string{
		8:   "182687704666362864775460604089535377456991567872",
		16:  "91343852333181432387730302044767688728495783936",
		64:  "22835963083295358096932575511191922182123945984",
		256: "5708990770823839524233143877797980545530986496",
	} {
		if got := ring.Increment(q).String(); got != want {
			t.Errorf("increment of %d = %s, want %s", q, got, want)
		}
	}
}

// drawSize draws a partition count, small ones more often.
func drawSize(t *rapid.T, largest int) int {
	q := ring.MinSize << rapid.IntRange(0, 13).Draw(t, "log size")
	return min(q, largest)
}

// I1: the head of a hash is (h div inc + 1) mod Q, by the definition with big
// integers.
func TestHash_Partition_byDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawSize(t, ring.MaxSize)
		var h ring.Hash
		copy(h[:], rapid.SliceOfN(rapid.Byte(), len(h), len(h)).Draw(t, "hash"))
		id := new(big.Int).Div(new(big.Int).SetBytes(h[:]), ring.Increment(q))
		id.Add(id, big.NewInt(1)).Mod(id, big.NewInt(int64(q)))
		if got := h.Partition(q); int64(got) != id.Int64() {
			t.Fatalf("head of %v in %d = %d, want %v", h, q, got, id)
		}
		if got := ring.PartitionOf(binary.BigEndian.Uint64(h[:]), q); int64(got) != id.Int64() {
			t.Fatalf("head of %v by its top bits in %d = %d, want %v", h, q, got, id)
		}
	})
}

// I1: a partition's range ends exclusively at its index, and short id and
// index name the same partition.
func TestPartition_range(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawSize(t, ring.MaxSize)
		p := ring.Partition(rapid.IntRange(0, q-1).Draw(t, "partition"))
		first, last := p.First(q), p.Last(q)
		if first.Partition(q) != p || last.Partition(q) != p {
			t.Fatalf("partition %d of %d: first %v and last %v head %d and %d", p, q, first, last, first.Partition(q), last.Partition(q))
		}
		one := big.NewInt(1)
		end := new(big.Int).Add(new(big.Int).SetBytes(last[:]), one)
		want := p.Index(q)
		if p == 0 {
			want = new(big.Int).Lsh(one, 160)
		}
		if end.Cmp(want) != 0 {
			t.Fatalf("partition %d of %d: range ends at %v, want %v", p, q, end, want)
		}
		next := p.Next(1, q).First(q)
		if p != 0 && new(big.Int).SetBytes(next[:]).Cmp(end) != 0 {
			t.Fatalf("partition %d of %d: next range starts at %v, want %v", p, q, next, end)
		}
		got, err := ring.ParseIndex(p.Index(q).String(), q)
		if err != nil || got != p {
			t.Fatalf("index of partition %d of %d reads back as %d, %v", p, q, got, err)
		}
	})
}

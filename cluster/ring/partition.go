package ring

import (
	"fmt"
	"math/big"
	"math/bits"
)

// Bounds of a ring's partition count.
const (
	MinSize = 8
	MaxSize = 65536
)

// hashBits is the width of the key space.
const hashBits = 160

// Partition is a partition's short id, 0..Q-1. Its index is id * 2^160 / Q and
// ends the partition's range exclusively: partition p is the head for the
// hashes from index(p-1) up to but excluding index(p), and partition 0 for the
// last range before 2^160.
type Partition uint32

// ValidSize reports whether a ring may have q partitions.
func ValidSize(q int) bool {
	return q >= MinSize && q <= MaxSize && q&(q-1) == 0
}

// Increment is the length of one partition's range, 2^160 / q.
func Increment(q int) *big.Int {
	return new(big.Int).Lsh(big.NewInt(1), uint(hashBits-log2(q)))
}

// Index is the partition's index in a ring of q partitions as Riak prints it:
// for display and for the API rim, never for placing a key.
func (p Partition) Index(q int) *big.Int {
	return new(big.Int).Mul(big.NewInt(int64(p)), Increment(q))
}

// First is the lowest hash whose preflist starts at p in a ring of q
// partitions.
func (p Partition) First(q int) Hash {
	before := p.Next(-1, q)
	var h Hash
	k := log2(q)
	for bit := range k {
		if before>>(k-1-bit)&1 == 1 {
			h[bit/8] |= 0x80 >> (bit % 8)
		}
	}
	return h
}

// Last is the highest hash whose preflist starts at p in a ring of q
// partitions; for partition 0 that is 2^160-1. A work item that has no key of
// its own but belongs to p is sent by this hash.
func (p Partition) Last(q int) Hash {
	h := p.First(q)
	for bit := log2(q); bit < hashBits; bit++ {
		h[bit/8] |= 0x80 >> (bit % 8)
	}
	return h
}

// ParseIndex reads a decimal partition index of a ring of q partitions. A
// number that is no boundary of that ring is ErrIndex.
func ParseIndex(s string, q int) (Partition, error) {
	if !ValidSize(q) {
		return 0, fmt.Errorf("parse index %q of %d: %w", s, q, ErrSize)
	}
	i, ok := new(big.Int).SetString(s, 10)
	if !ok || i.Sign() < 0 {
		return 0, fmt.Errorf("parse index %q of %d: %w", s, q, ErrIndex)
	}
	id, rest := new(big.Int).DivMod(i, Increment(q), new(big.Int))
	if rest.Sign() != 0 || !id.IsInt64() || id.Int64() >= int64(q) {
		return 0, fmt.Errorf("parse index %q of %d: %w", s, q, ErrIndex)
	}
	return Partition(id.Int64()), nil
}

// Next is the partition i places after p (before it, if i is negative) in a
// ring of q partitions.
func (p Partition) Next(i, q int) Partition {
	return Partition((int(p) + i) & (q - 1))
}

func log2(q int) int { return bits.Len(uint(q)) - 1 }

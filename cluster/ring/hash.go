package ring

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// NodeID is the name an operator gave to a node; unique in the cluster.
type NodeID string

// Hash is a point of the key space 0..2^160-1, big endian.
type Hash [sha1.Size]byte

// Tags of the Erlang external term format [2].
const (
	termVersion  = 131
	tagSmallInt  = 97
	tagInt       = 98
	tagSmallTup  = 104
	tagBinary    = 109
	tagSmallBig  = 110
	binaryHeader = 5
)

// inlineTerm is the size in bytes up to which a term is laid out on the stack.
const inlineTerm = 512

// HashKey places an object: SHA-1 over the Erlang term {<<Bucket>>,<<Key>>},
// as chash:key_of/1 does for an untyped bucket. It does not allocate while
// bucket and key together stay below half a kilobyte.
func HashKey(bucket, key []byte) Hash {
	var space [inlineTerm]byte
	b := append(space[:0], termVersion, tagSmallTup, 2)
	if need := len(b) + 2*binaryHeader + len(bucket) + len(key); need > inlineTerm {
		b = append(make([]byte, 0, need), b...)
	}
	return sha1.Sum(appendBinaryTerm(appendBinaryTerm(b, bucket), key))
}

// HashTypedKey places an object of a typed bucket: SHA-1 over the Erlang term
// {{<<Type>>,<<Bucket>>},<<Key>>}.
func HashTypedKey(bucketType, bucket, key []byte) Hash {
	var space [inlineTerm]byte
	b := append(space[:0], termVersion, tagSmallTup, 2, tagSmallTup, 2)
	if need := len(b) + 3*binaryHeader + len(bucketType) + len(bucket) + len(key); need > inlineTerm {
		b = append(make([]byte, 0, need), b...)
	}
	b = appendBinaryTerm(appendBinaryTerm(b, bucketType), bucket)
	return sha1.Sum(appendBinaryTerm(b, key))
}

// HashInt places an integer: SHA-1 over it as an Erlang term.
func HashInt(i int64) Hash {
	var space [16]byte
	b := append(space[:0], termVersion)
	switch {
	case i >= 0 && i <= 255:
		b = append(b, tagSmallInt, byte(i))
	case i == int64(int32(i)):
		b = binary.BigEndian.AppendUint32(append(b, tagInt), uint32(int32(i)))
	default:
		b = appendBigTerm(b, i)
	}
	return sha1.Sum(b)
}

// HashBytes is the plain SHA-1 of b, for callers that bring their own encoding.
func HashBytes(b []byte) Hash { return sha1.Sum(b) }

// Partition is the head of h's preflist in a ring of q partitions:
// (h div (2^160 div q) + 1) mod q, since an index ends its range exclusively.
// q must be a power of two up to [MaxSize].
func (h Hash) Partition(q int) Partition {
	return PartitionOf(binary.BigEndian.Uint64(h[:]), q)
}

// PartitionOf is [Hash.Partition] for callers that keep only the top 64 bits
// of a hash.
func PartitionOf(top64 uint64, q int) Partition {
	shift := 64 - (bits.Len(uint(q)) - 1)
	return Partition((int(top64>>shift) + 1) & (q - 1))
}

// String prints the hash as 40 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

func appendBinaryTerm(b, v []byte) []byte {
	b = binary.BigEndian.AppendUint32(append(b, tagBinary), uint32(len(v)))
	return append(b, v...)
}

// appendBigTerm writes sign and magnitude, least significant byte first, with
// no leading zero bytes.
func appendBigTerm(b []byte, i int64) []byte {
	sign, magnitude := byte(0), uint64(i)
	if i < 0 {
		sign, magnitude = 1, -magnitude
	}
	n := (bits.Len64(magnitude) + 7) / 8
	b = append(b, tagSmallBig, byte(n), sign)
	for ; n > 0; n-- {
		b = append(b, byte(magnitude))
		magnitude >>= 8
	}
	return b
}

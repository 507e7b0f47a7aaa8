package topology

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// An ItemHash is the 128-bit hash of one stored item (key, version and value). Package store says
// how it is made; the field names match xxh3's Uint128, so the two convert into each other.
type ItemHash struct {
	Hi, Lo uint64
}

// A Digest is a multiset hash: the sum modulo 2^128 of the hashes of all items, big endian. Equal
// multisets have equal digests in whatever order the items came; an item that is put twice counts
// twice, and a removed one is subtracted. The zero Digest is that of no items.
//
// It detects loss, not malice: someone who chooses hashes can make two multisets collide.
type Digest [16]byte

// Add returns the digest with one more item.
func (d Digest) Add(h ItemHash) Digest {
	hi, lo := d.words()
	lo, carry := bits.Add64(lo, h.Lo, 0)
	hi, _ = bits.Add64(hi, h.Hi, carry)
	return newDigest(hi, lo)
}

// Sub returns the digest with one item less. The item must have been added before.
func (d Digest) Sub(h ItemHash) Digest {
	hi, lo := d.words()
	lo, borrow := bits.Sub64(lo, h.Lo, 0)
	hi, _ = bits.Sub64(hi, h.Hi, borrow)
	return newDigest(hi, lo)
}

// Merge returns the digest of both multisets together.
func (d Digest) Merge(o Digest) Digest {
	hi, lo := o.words()
	return d.Add(ItemHash{Hi: hi, Lo: lo})
}

// IsZero reports whether d is the digest of no items.
func (d Digest) IsZero() bool { return d == Digest{} }

// String returns the digest as 32 hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText returns the digits of String.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads what MarshalText returns. The error is ErrInvalid.
func (d *Digest) UnmarshalText(text []byte) error { return unhex(d[:], text) }

func (d Digest) words() (hi, lo uint64) {
	return binary.BigEndian.Uint64(d[:8]), binary.BigEndian.Uint64(d[8:])
}

func newDigest(hi, lo uint64) (d Digest) {
	binary.BigEndian.PutUint64(d[:8], hi)
	binary.BigEndian.PutUint64(d[8:], lo)
	return d
}

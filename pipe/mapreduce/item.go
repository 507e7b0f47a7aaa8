package mapreduce

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/zeebo/xxh3"
)

// Pairs travel as
//
//	uvarint key length, key, value
//
// between map and reduce and from reduce to the sink. The value is one encoded
// value when the job combines, and otherwise a list of them, each behind its
// length. Archives are a version byte and then pairs, each behind its length.

// appendFramed appends s behind its length.
func appendFramed(dst []byte, s string) []byte {
	if n := len(s); n < 0x80 {
		dst = append(dst, byte(n))
	} else {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return append(dst, s...)
}

// cut splits off the length-prefixed bytes at the front of b. The result
// aliases b.
func cut(b []byte) (field, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	n, w := uint64(b[0]), 1
	if n >= 0x80 {
		if n, w = binary.Uvarint(b); w <= 0 {
			return nil, nil, false
		}
	}
	if n > uint64(len(b)-w) {
		return nil, nil, false
	}
	end := w + int(n)
	return b[w:end:end], b[end:], true
}

// cutPair splits a pair into its key, which aliases the pair, and its value.
func cutPair(pair []byte) (key string, value []byte, err error) {
	k, value, ok := cut(pair)
	if !ok {
		return "", nil, fmt.Errorf("pair of %d bytes: %w", len(pair), ErrDamaged)
	}
	return view(k), value, nil
}

// KeyHash is the hash that places a pair on the ring: XXH3 of its key part, so
// that all pairs of a key meet in one partition. It is registered with package
// pipe under [HashName]. Bytes that are no pair hash as a whole.
func KeyHash(pair []byte) uint64 {
	k, _, ok := cut(pair)
	if !ok {
		k = pair
	}
	return xxh3.Hash(k)
}

// view returns b as a string without copying; b must not change any more, or
// the string must not outlive the call.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// cutUvarint splits off the number at the front of b.
func cutUvarint(b []byte) (n uint64, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 {
		return 0, nil, false
	}
	return n, b[w:], true
}

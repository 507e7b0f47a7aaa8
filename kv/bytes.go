package kv

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// view returns b as a string without copying. It is right only because every
// buffer that reaches this package from a store, a batch or a frame is
// immutable from then on, but for the command of a put, of which a vnode keeps
// nothing (Write.buffer).
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf returns the bytes of s without copying, for reading only.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// appendBytes appends b behind its length.
func appendBytes[T string | []byte](dst []byte, b T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// cutUvarint returns the number at the front of b and the rest; it refuses an
// encoding longer than the shortest one, so that equal values have equal bytes.
func cutUvarint(b []byte) (v uint64, rest []byte, ok bool) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), b[1:], true
	}
	v, n := binary.Uvarint(b)
	if n <= 0 || b[n-1] == 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}

// cutBytes returns the length-prefixed bytes at the front of b and the rest,
// both aliasing b.
func cutBytes(b []byte) (field, rest []byte, ok bool) {
	n, b, ok := cutUvarint(b)
	if !ok || n > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n:n], b[n:], true
}

// uvarintLen returns the number of bytes of v as a uvarint.
func uvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

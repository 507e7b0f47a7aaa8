package kv

import (
	"bytes"
	"fmt"
	"strings"
)

// DefaultType is the bucket type of a bucket that names none. It is the same
// type as the empty string, and decoding always gives the empty string.
const DefaultType = "default"

// A store key is
//
//	space  esc(type) 00 01  esc(bucket) 00 01  key
//
// where esc writes the byte 00 as 00 FF. The terminator sorts before every
// escaped or plain byte that could stand in its place, so store keys compare as
// the triples (type, bucket, key) do, and the key needs neither escape nor end.
const (
	spaceObject = 0x10 // leaves room for other records beside objects

	escape     = 0x00
	escapedNul = 0xFF
	terminator = 0x01
)

// AppendKey appends the store key of (bucketType, bucket, key) to dst. Store
// keys compare bytewise as the triples do.
func AppendKey(dst []byte, bucketType, bucket, key string) []byte {
	dst = AppendPrefix(dst, bucketType, bucket)
	return append(dst, key...)
}

// keyLen returns the length of a store key.
func keyLen(bucketType, bucket, key string) int {
	bucketType = normalType(bucketType)
	zeros := strings.Count(bucketType, "\x00") + strings.Count(bucket, "\x00")
	return 1 + len(bucketType) + 2 + len(bucket) + 2 + zeros + len(key)
}

// AppendPrefix appends what all store keys of one bucket begin with, and no key
// of another bucket does.
func AppendPrefix(dst []byte, bucketType, bucket string) []byte {
	dst = append(dst, spaceObject)
	dst = appendEscaped(dst, normalType(bucketType))
	return appendEscaped(dst, bucket)
}

// BucketRange returns the half-open range [from, to) of store keys that holds
// exactly the keys of the bucket that sort after the key `after`; an empty
// after means the whole bucket.
func BucketRange(bucketType, bucket, after string) (from, to []byte) {
	prefix := AppendPrefix(nil, bucketType, bucket)
	to = bytes.Clone(prefix)
	to[len(to)-1]++ // the terminator's last byte: past every key of the bucket
	if after == "" {
		return prefix, to
	}
	from = append(prefix, after...)
	return append(from, 0), to
}

// DecodeKey splits a store key. The three strings alias storeKey wherever no
// byte had to be unescaped. It fails with [ErrCorrupt].
func DecodeKey(storeKey []byte) (bucketType, bucket, key string, err error) {
	if len(storeKey) == 0 || storeKey[0] != spaceObject {
		return "", "", "", fmt.Errorf("store key %x: %w", storeKey, ErrCorrupt)
	}
	bucketType, rest, ok := cutEscaped(storeKey[1:])
	if ok {
		bucket, rest, ok = cutEscaped(rest)
	}
	if !ok || bucketType == DefaultType {
		return "", "", "", fmt.Errorf("store key %x: %w", storeKey, ErrCorrupt)
	}
	return bucketType, bucket, view(rest), nil
}

// normalType gives the default type its one form.
func normalType(bucketType string) string {
	if bucketType == DefaultType {
		return ""
	}
	return bucketType
}

func appendEscaped(dst []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, escape)
		if i < 0 {
			dst = append(dst, s...)
			return append(dst, escape, terminator)
		}
		dst = append(dst, s[:i]...)
		dst = append(dst, escape, escapedNul)
		s = s[i+1:]
	}
}

func cutEscaped(b []byte) (s string, rest []byte, ok bool) {
	i := bytes.IndexByte(b, escape)
	if i < 0 || i+1 == len(b) {
		return "", nil, false
	}
	if b[i+1] == terminator {
		return view(b[:i]), b[i+2:], true
	}
	return cutUnescaping(b)
}

// cutUnescaping is the path of names that hold the byte 00: it copies.
func cutUnescaping(b []byte) (s string, rest []byte, ok bool) {
	var out []byte
	for {
		i := bytes.IndexByte(b, escape)
		if i < 0 || i+1 == len(b) {
			return "", nil, false
		}
		out = append(out, b[:i]...)
		switch b[i+1] {
		case terminator:
			return view(out), b[i+2:], true
		case escapedNul:
			out = append(out, 0)
			b = b[i+2:]
		default:
			return "", nil, false
		}
	}
}

package kv

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv/bucket"
)

// DefaultType is the bucket type of a bucket that names none. It is the same
// type as the empty string, and decoding always gives the empty string.
const DefaultType = bucket.DefaultType

// A store key is
//
//	space  head  esc(type) 00 01  esc(bucket) 00 01  key
//
// where head is the partition that the name hashes to, in two bytes, and esc
// writes the byte 00 as 00 FF. A vnode keeps the keys of several heads, its own
// and those of the partitions before it, and what belongs to one of them is one
// range. The terminator sorts before every escaped or plain byte that could
// stand in its place, so store keys compare as (head, type, bucket, key) do, and
// the key needs neither escape nor end.
//
// Other records of a head are in other spaces, which are ranges of their own.
const (
	spaceObject    = 0x10 // the object: its State
	spaceIndex     = 0x20 // entries of secondary indexes
	spaceTombstone = 0x30 // objects of which nothing is left but tombstones
	spaceTree      = 0x40 // the hash tree

	headBytes = 2
	nameAt    = 1 + headBytes // where the type begins

	escape     = 0x00
	escapedNul = 0xFF
	terminator = 0x01
)

// AppendKey appends the store key of (bucketType, bucket, key), whose head
// partition is head, to dst. Store keys compare bytewise as (head, bucketType,
// bucket, key) do.
func AppendKey(dst []byte, head ring.Partition, bucketType, bucket, key string) []byte {
	dst = AppendPrefix(dst, head, bucketType, bucket)
	return append(dst, key...)
}

// keyLen returns the length of a store key.
func keyLen(bucketType, bucket, key string) int {
	bucketType = normalType(bucketType)
	zeros := strings.Count(bucketType, "\x00") + strings.Count(bucket, "\x00")
	return nameAt + len(bucketType) + 2 + len(bucket) + 2 + zeros + len(key)
}

// AppendPrefix appends what all store keys of one bucket and head begin with,
// and no other key does.
func AppendPrefix(dst []byte, head ring.Partition, bucketType, bucket string) []byte {
	dst = appendHead(dst, spaceObject, head)
	dst = appendEscaped(dst, normalType(bucketType))
	return appendEscaped(dst, bucket)
}

func appendHead(dst []byte, space byte, head ring.Partition) []byte {
	return binary.BigEndian.AppendUint16(append(dst, space), uint16(head))
}

// BucketRange returns the half-open range [from, to) of store keys that holds
// exactly the keys of the bucket and head that sort after the key `after`; an
// empty after means all of them.
func BucketRange(head ring.Partition, bucketType, bucket, after string) (from, to []byte) {
	prefix := AppendPrefix(nil, head, bucketType, bucket)
	to = bytes.Clone(prefix)
	to[len(to)-1]++ // the terminator's last byte: past every key of the bucket
	if after == "" {
		return prefix, to
	}
	from = append(prefix, after...)
	return append(from, 0), to
}

// HeadRange returns the half-open range [from, to) of the store keys of all
// objects of a head.
func HeadRange(head ring.Partition) (from, to []byte) { return spaceRange(spaceObject, head) }

func spaceRange(space byte, head ring.Partition) (from, to []byte) {
	from = appendHead(nil, space, head)
	if head == ring.MaxSize-1 {
		return from, []byte{space + 1}
	}
	return from, appendHead(nil, space, head+1)
}

// HeadOf returns the head of a store key of any space, which has at least three
// bytes.
func HeadOf(storeKey []byte) ring.Partition {
	return ring.Partition(binary.BigEndian.Uint16(storeKey[1:nameAt]))
}

// appendInSpace appends the key that the record of a store key has in another
// space.
func appendInSpace(dst []byte, space byte, storeKey []byte) []byte {
	return append(append(dst, space), storeKey[1:]...)
}

// DecodeKey splits a store key. The three strings alias storeKey wherever no
// byte had to be unescaped. It fails with [ErrCorrupt].
func DecodeKey(storeKey []byte) (head ring.Partition, bucketType, bucket, key string, err error) {
	if len(storeKey) < nameAt || storeKey[0] != spaceObject {
		return 0, "", "", "", fmt.Errorf("store key %x: %w", storeKey, ErrCorrupt)
	}
	bucketType, rest, ok := cutEscaped(storeKey[nameAt:])
	if ok {
		bucket, rest, ok = cutEscaped(rest)
	}
	if !ok || bucketType == DefaultType {
		return 0, "", "", "", fmt.Errorf("store key %x: %w", storeKey, ErrCorrupt)
	}
	return HeadOf(storeKey), bucketType, bucket, view(rest), nil
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

package pebble

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
)

// The first byte of a key says what it is; doc.go has the whole layout.
const (
	tagFormat     = 'f'
	tagGeneration = 'g'
	tagIdentity   = 'i'
	tagNumbers    = 'n'
	tagPointer    = 'p'
	tagRecord     = 'r'

	tagItem    = 0x00
	tagSummary = 0x01
	tagDoubt   = 0x02
)

const (
	formatVersion  = 1
	pointerVersion = 1
	prefixSize     = 1 + 8 // bytes before the second tag of a generation's keys
	versionSize    = 8     // bytes before the value of an item
	summarySize    = 8 + 8 + len(topology.Digest{})
)

func corrupt(what string, b []byte) error {
	return fmt.Errorf("%s % x: %w", what, b[:min(len(b), 32)], store.ErrCorrupt)
}

// appendIDKey appends the key of what the tag says about id.
func appendIDKey(dst []byte, tag byte, id store.ID) []byte {
	dst = append(dst, tag)
	dst = binary.AppendUvarint(dst, uint64(len(id.Kind)))
	dst = append(dst, id.Kind...)
	return binary.BigEndian.AppendUint32(dst, uint32(id.Partition))
}

func parseIDKey(key []byte) (store.ID, error) {
	n, used := binary.Uvarint(key[1:])
	rest := key[1+max(used, 0):]
	if used <= 0 || len(rest) < 4 || n != uint64(len(rest)-4) {
		return store.ID{}, corrupt("key", key)
	}
	return store.ID{Kind: string(rest[:n]), Partition: ring.Partition(binary.BigEndian.Uint32(rest[n:]))}, nil
}

// pointer is the durable part of a slot: the numbers of its generations.
type pointer struct {
	active, staged    uint64 // 0: none
	session, promoted uint64
}

func (p pointer) encode() []byte {
	b := append(make([]byte, 0, 24), pointerVersion)
	for _, v := range [...]uint64{p.active, p.staged, p.session, p.promoted} {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func decodePointer(b []byte) (pointer, error) {
	var p pointer
	rest := b
	if len(rest) == 0 || rest[0] != pointerVersion {
		return p, corrupt("pointer", b)
	}
	rest = rest[1:]
	for _, v := range [...]*uint64{&p.active, &p.staged, &p.session, &p.promoted} {
		n, used := binary.Uvarint(rest)
		if used <= 0 {
			return p, corrupt("pointer", b)
		}
		*v, rest = n, rest[used:]
	}
	if len(rest) != 0 {
		return p, corrupt("pointer", b)
	}
	return p, nil
}

// appendPrefix appends what all keys of a generation begin with. The prefix of
// number+1 is the end of their range.
func appendPrefix(dst []byte, number uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, tagGeneration), number)
}

// parsePrefix returns the number in a generation's key. The greatest number is
// none: its range would have no end.
func parsePrefix(key []byte) (uint64, error) {
	if len(key) > prefixSize {
		if number := binary.BigEndian.Uint64(key[1:]); number != math.MaxUint64 {
			return number, nil
		}
	}
	return 0, corrupt("key", key)
}

func appendSummary(dst []byte, s store.Summary) []byte {
	dst = binary.BigEndian.AppendUint64(dst, s.Items)
	dst = binary.BigEndian.AppendUint64(dst, s.Bytes)
	return append(dst, s.Digest[:]...)
}

func decodeSummary(b []byte) (store.Summary, error) {
	if len(b) != summarySize {
		return store.Summary{}, corrupt("summary", b)
	}
	s := store.Summary{Items: binary.BigEndian.Uint64(b), Bytes: binary.BigEndian.Uint64(b[8:])}
	copy(s.Digest[:], b[16:])
	return s, nil
}

// splitValue parts the stored value of an item into its version and its value.
func splitValue(b []byte) (version uint64, value []byte, err error) {
	if len(b) < versionSize {
		return 0, nil, corrupt("item", b)
	}
	return binary.BigEndian.Uint64(b), b[versionSize:], nil
}

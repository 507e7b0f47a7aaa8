package ring

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// The encoding of a ring, all of it determined by the ring:
//
//	byte     format version, 1
//	byte     log2 of the partition count
//	uvarint  number of nodes
//	nodes    ascending: uvarint length and bytes of each name
//	owners   by partition: position of the owner among the nodes, in one byte
//	         for up to 256 nodes, else in two, little endian
//	uint32   CRC-32C of all before it, little endian
const (
	codecVersion = 1
	checksumLen  = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendBinary appends the encoding of r to b. Equal rings have equal
// encodings. The error is always nil; it satisfies encoding.BinaryAppender.
func (r *Ring) AppendBinary(b []byte) ([]byte, error) {
	start := len(b)
	b = append(b, codecVersion, byte(log2(r.Size())))
	b = binary.AppendUvarint(b, uint64(len(r.nodes)))
	for _, n := range r.nodes {
		b = binary.AppendUvarint(b, uint64(len(n)))
		b = append(b, n...)
	}
	for _, i := range r.owner {
		b = append(b, byte(i))
		if len(r.nodes) > 256 {
			b = append(b, byte(i>>8))
		}
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli)), nil
}

// MarshalBinary returns the encoding of r. The error is always nil.
func (r *Ring) MarshalBinary() ([]byte, error) { return r.AppendBinary(nil) }

// Decode reads exactly one ring. Bytes that AppendBinary does not produce are
// ErrDecode. The ring keeps no reference to b.
func Decode(b []byte) (*Ring, error) {
	if len(b) < checksumLen {
		return nil, fmt.Errorf("decode ring of %d bytes: %w", len(b), ErrDecode)
	}
	body, sum := b[:len(b)-checksumLen], binary.LittleEndian.Uint32(b[len(b)-checksumLen:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, fmt.Errorf("decode ring: checksum differs: %w", ErrDecode)
	}
	if len(body) < 2 || body[0] != codecVersion {
		return nil, fmt.Errorf("decode ring: unknown version: %w", ErrDecode)
	}
	if body[1] > 16 || !ValidSize(1<<body[1]) {
		return nil, fmt.Errorf("decode ring: size 2^%d: %w", body[1], ErrDecode)
	}
	q := 1 << body[1]
	nodes, rest, err := decodeNodes(body[2:], q)
	if err != nil {
		return nil, err
	}
	return decodeOwners(rest, nodes, q)
}

func decodeNodes(b []byte, q int) ([]NodeID, []byte, error) {
	n, b, ok := uvarint(b)
	if !ok || n < 1 || n > uint64(q) || n > uint64(len(b)) {
		return nil, nil, fmt.Errorf("decode ring: %d nodes for %d partitions: %w", n, q, ErrDecode)
	}
	nodes := make([]NodeID, n)
	for i := range nodes {
		size, rest, ok := uvarint(b)
		if !ok || size < 1 || size > MaxNodeLen || size > uint64(len(rest)) {
			return nil, nil, fmt.Errorf("decode ring: node %d of %d bytes: %w", i, size, ErrDecode)
		}
		nodes[i], b = NodeID(rest[:size]), rest[size:]
		if i > 0 && nodes[i] <= nodes[i-1] {
			return nil, nil, fmt.Errorf("decode ring: node %q out of order: %w", nodes[i], ErrDecode)
		}
	}
	return nodes, b, nil
}

func decodeOwners(b []byte, nodes []NodeID, q int) (*Ring, error) {
	width := 1
	if len(nodes) > 256 {
		width = 2
	}
	if len(b) != q*width {
		return nil, fmt.Errorf("decode ring: %d bytes of owners, not %d: %w", len(b), q*width, ErrDecode)
	}
	r := &Ring{nodes: nodes, owner: make([]uint16, q), counts: make([]int32, len(nodes))}
	for p := range r.owner {
		i := uint16(b[p*width])
		if width == 2 {
			i |= uint16(b[p*width+1]) << 8
		}
		if int(i) >= len(nodes) {
			return nil, fmt.Errorf("decode ring: partition %d owned by node %d of %d: %w", p, i, len(nodes), ErrDecode)
		}
		r.owner[p] = i
		r.counts[i]++
	}
	if i := slices.Index(r.counts, 0); i >= 0 {
		return nil, fmt.Errorf("decode ring: node %q owns nothing: %w", nodes[i], ErrDecode)
	}
	return r, nil
}

// uvarint reads a number in its shortest encoding.
func uvarint(b []byte) (uint64, []byte, bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 || (n > 1 && b[n-1] == 0) {
		return 0, nil, false
	}
	return v, b[n:], true
}

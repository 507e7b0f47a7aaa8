package messages

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
)

// The limits and constants of the wire.
const (
	// ProtocolVersion is spoken in handshakes and written in every frame. Peers of another version are refused.
	ProtocolVersion = 1
	// MaxFrameSize bounds a frame on the wire, header and payload together, in bytes. It is far above what a put may
	// make of an object: nodes that did not hear of each other may each have acknowledged that much for one key.
	MaxFrameSize = 128 << 20
	// MaxHeaderSize is the longest header in bytes: the fixed part, three names of 255 bytes and the checksum.
	MaxHeaderSize = fixedSize + 3*maxName + crcSize
	// MaxPayloadSize is the longest payload that fits a frame whatever its header, in bytes.
	MaxPayloadSize = MaxFrameSize - MaxHeaderSize

	magic0, magic1 = 0xBA, 0x70
	maxName        = 255
	fixedSize      = 96
	crcSize        = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func itoa(v uint64) string { return strconv.FormatUint(v, 10) }

func (h *Header) size() int {
	return fixedSize + len(h.From) + len(h.To) + len(h.Kind) + crcSize
}

// AppendHeader appends the wire form of f's header to dst. The payload must follow it directly, and may be written from
// another buffer: the checksum already covers it. It returns ErrTooLarge when a name or the frame is over the limits.
//
//	offset size field
//	     0    2 magic BA 70
//	     2    1 protocol version
//	     3    1 type
//	     4    1 flags
//	     5    1 hop
//	     6    2 code
//	     8    3 lengths of from, to and kind
//	    11    1 zero
//	    12    4 payload length
//	    16   16 cluster id
//	    32    8 incarnation of from
//	    40    8 incarnation of to
//	    48    4 partition
//	    52    4 zero
//	    56    8 ring version
//	    64    8 epoch
//	    72    8 session
//	    80    8 sequence
//	    88    8 endpoint
//	    96      from, to, kind
//	         4  crc32c of all bytes before it and of the payload
func AppendHeader(dst []byte, f *Frame) ([]byte, error) {
	if err := f.Check(); err != nil {
		return dst, err
	}
	start := len(dst)
	var b [fixedSize]byte
	b[0], b[1], b[2], b[3] = magic0, magic1, ProtocolVersion, byte(f.Type)
	b[4], b[5] = f.Flags, f.Hop
	le := binary.LittleEndian
	le.PutUint16(b[6:], uint16(f.Code))
	b[8], b[9], b[10] = byte(len(f.From)), byte(len(f.To)), byte(len(f.Kind))
	le.PutUint32(b[12:], uint32(len(f.Payload)))
	copy(b[16:], f.ClusterID[:])
	le.PutUint64(b[32:], f.FromIncarnation)
	le.PutUint64(b[40:], f.ToIncarnation)
	le.PutUint32(b[48:], f.Partition)
	le.PutUint64(b[56:], f.RingVersion)
	le.PutUint64(b[64:], f.Epoch)
	le.PutUint64(b[72:], f.Session)
	le.PutUint64(b[80:], f.Seq)
	le.PutUint64(b[88:], f.Endpoint)
	dst = append(dst, b[:]...)
	dst = append(dst, f.From...)
	dst = append(dst, f.To...)
	dst = append(dst, f.Kind...)
	sum := crc32.Checksum(dst[start:], castagnoli)
	sum = crc32.Update(sum, castagnoli, f.Payload)
	return le.AppendUint32(dst, sum), nil
}

// AppendFrame appends the whole frame to dst, copying the payload.
func AppendFrame(dst []byte, f *Frame) ([]byte, error) {
	dst, err := AppendHeader(dst, f)
	if err != nil {
		return dst, err
	}
	return append(dst, f.Payload...), nil
}

// Check returns ErrTooLarge when a name or the frame is over the limits, so that no node would take it.
func (f *Frame) Check() error {
	if len(f.From) > maxName || len(f.To) > maxName || len(f.Kind) > maxName {
		return fmt.Errorf("frame %v: name of %d bytes, at most %d: %w",
			f.Type, max(len(f.From), len(f.To), len(f.Kind)), maxName, ErrTooLarge)
	}
	if n := f.Size(); n > MaxFrameSize {
		return fmt.Errorf("frame %v: %d bytes, at most %d: %w", f.Type, n, MaxFrameSize, ErrTooLarge)
	}
	return nil
}

// ParseFrame reads the frame at the start of b and returns it with the number of bytes it took. The payload aliases b.
// Names come from the interner, which may be nil; with one, nothing is allocated for names seen before.
//
// The error is ErrDamaged (cut short, wrong magic, checksum or padding), ErrVersion, ErrTooLarge, or ErrUnknownType. Only
// after ErrUnknownType are the frame and its length good, so that a reader can step over it; after the others the rest
// of b can't be trusted. ParseFrame never panics.
func ParseFrame(b []byte, names *Interner) (Frame, int, error) {
	headerLen, payloadLen, err := parseLengths(b)
	if err != nil {
		return Frame{}, 0, err
	}
	size := headerLen + payloadLen
	if len(b) < size {
		return Frame{}, 0, fmt.Errorf("parse frame: %d bytes of %d: %w", len(b), size, ErrDamaged)
	}
	le := binary.LittleEndian
	sum := crc32.Checksum(b[:headerLen-crcSize], castagnoli)
	sum = crc32.Update(sum, castagnoli, b[headerLen:size])
	if want := le.Uint32(b[headerLen-crcSize:]); sum != want {
		return Frame{}, 0, fmt.Errorf("parse frame of %d bytes: checksum %08x, want %08x: %w", size, sum, want, ErrDamaged)
	}
	if b[11] != 0 || le.Uint32(b[52:]) != 0 {
		return Frame{}, 0, fmt.Errorf("parse frame: padding is not zero: %w", ErrDamaged)
	}
	f := parseFields(b, names)
	if payloadLen > 0 {
		f.Payload = b[headerLen:size:size]
	}
	if !f.Type.Known() {
		return f, size, fmt.Errorf("parse frame from %s: %v: %w", f.From, f.Type, ErrUnknownType)
	}
	return f, size, nil
}

func parseFields(b []byte, names *Interner) Frame {
	le := binary.LittleEndian
	fromEnd := fixedSize + int(b[8])
	toEnd := fromEnd + int(b[9])
	f := Frame{Header: Header{
		Type:            Type(b[3]),
		Flags:           b[4],
		Hop:             b[5],
		Code:            Code(le.Uint16(b[6:])),
		From:            names.from(b[fixedSize:fromEnd]),
		FromIncarnation: le.Uint64(b[32:]),
		To:              names.to(b[fromEnd:toEnd]),
		ToIncarnation:   le.Uint64(b[40:]),
		Kind:            names.kind(b[toEnd : toEnd+int(b[10])]),
		Partition:       le.Uint32(b[48:]),
		RingVersion:     le.Uint64(b[56:]),
		Epoch:           le.Uint64(b[64:]),
		Session:         le.Uint64(b[72:]),
		Seq:             le.Uint64(b[80:]),
		Endpoint:        le.Uint64(b[88:]),
	}}
	copy(f.ClusterID[:], b[16:])
	return f
}

// MinFrameSize is the length of the shortest frame in bytes: as much must be there before FrameSize can tell a frame's.
const MinFrameSize = fixedSize + crcSize

// FrameSize returns the length in bytes of the frame that begins with b, of which MinFrameSize bytes suffice. Only the
// frame's checksum can tell whether it is true. Errors as ParseFrame.
func FrameSize(b []byte) (int, error) {
	header, payload, err := parseLengths(b)
	return header + payload, err
}

// IsFrame reports whether the two bytes at the start of b are those of a frame.
func IsFrame(b []byte) bool { return len(b) > 1 && b[0] == magic0 && b[1] == magic1 }

func parseLengths(b []byte) (header, payload int, err error) {
	if len(b) < fixedSize+crcSize {
		return 0, 0, fmt.Errorf("parse frame: %d bytes of at least %d: %w", len(b), fixedSize+crcSize, ErrDamaged)
	}
	if !IsFrame(b) {
		return 0, 0, fmt.Errorf("parse frame: magic %02x%02x: %w", b[0], b[1], ErrDamaged)
	}
	if b[2] != ProtocolVersion {
		return 0, 0, fmt.Errorf("parse frame: version %d, this node speaks %d: %w", b[2], ProtocolVersion, ErrVersion)
	}
	header = fixedSize + int(b[8]) + int(b[9]) + int(b[10]) + crcSize
	length := uint64(binary.LittleEndian.Uint32(b[12:]))
	if uint64(header)+length > MaxFrameSize {
		return 0, 0, fmt.Errorf("parse frame: %d bytes, at most %d: %w", uint64(header)+length, MaxFrameSize, ErrTooLarge)
	}
	return header, int(length), nil
}

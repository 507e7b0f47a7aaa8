package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// ErrDamaged is returned for bytes that are no entry.
var ErrDamaged = errors.New("history: damaged")

// An Entry says how a transfer ended.
type Entry struct {
	// Certificate is that of a completed transfer. Of one that failed it has the session, the type, the
	// partition, both nodes and the epoch before.
	topology.Certificate
	// Reason is why the transfer failed, empty if it was completed.
	Reason topology.Reason
	// Node wrote the entry, by whose clock the transfer was opened and ended there, in milliseconds. Opened is
	// zero when the process did not see it.
	Node   ring.NodeID
	Opened time.Time
	Ended  time.Time
}

// Failed reports whether the transfer was given up.
func (e *Entry) Failed() bool { return e.Reason != "" }

const (
	entryFormat = 1
	maxText     = 1 << 12 // bytes
	// maxEntry is above the longest entry, in bytes.
	maxEntry = 1 << 16
	// headerSize is that of what is before an entry: its length, the CRC-32C of that, and the CRC-32C of
	// the entry, 4 bytes each, little endian.
	headerSize = 12
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendEntry appends an entry behind its header.
func appendEntry(dst []byte, e *Entry) ([]byte, error) {
	if len(e.Reason) > maxText || len(e.Node) > maxText {
		return dst, fmt.Errorf("entry of session %d: node or reason of over %d bytes: %w", e.Session, maxText, topology.ErrInvalid)
	}
	start := len(dst)
	b := append(dst, make([]byte, headerSize)...)
	b = append(b, entryFormat)
	for _, t := range []time.Time{e.Opened, e.Ended} {
		b = binary.AppendUvarint(b, uint64(max(t.UnixMilli(), 0)))
	}
	for _, s := range []string{string(e.Node), string(e.Reason)} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	b, err := e.AppendBinary(b)
	if err != nil {
		return dst, err
	}
	header, payload := b[start:start+headerSize], b[start+headerSize:]
	binary.LittleEndian.PutUint32(header, uint32(len(payload)))
	binary.LittleEndian.PutUint32(header[4:], crc32.Checksum(header[:4], castagnoli))
	binary.LittleEndian.PutUint32(header[8:], crc32.Checksum(payload, castagnoli))
	return b, nil
}

// decodeEntry decodes what appendEntry puts behind the header.
func decodeEntry(b []byte) (e Entry, err error) {
	bad := fmt.Errorf("entry of %d bytes: %w", len(b), ErrDamaged)
	if len(b) == 0 || b[0] != entryFormat {
		return e, bad
	}
	b = b[1:]
	for _, t := range []*time.Time{&e.Opened, &e.Ended} {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > 1<<53 || n > 1 && b[n-1] == 0 {
			return e, bad
		}
		if b = b[n:]; v > 0 {
			*t = time.UnixMilli(int64(v))
		}
	}
	texts := [2]string{}
	for i := range texts {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > maxText || v > uint64(len(b)-n) || n > 1 && b[n-1] == 0 {
			return e, bad
		}
		texts[i], b = string(b[n:n+int(v)]), b[n+int(v):]
	}
	e.Node, e.Reason = ring.NodeID(texts[0]), topology.Reason(texts[1])
	c, err := topology.DecodeCertificate(b)
	if err != nil {
		return e, fmt.Errorf("%w: %w", bad, err)
	}
	e.Certificate = *c
	return e, nil
}

// scan gives the entries at the beginning of a file to take, and returns where the first is that is not
// whole; torn says that a crash in the middle of a write leaves such a rest.
func scan(b []byte, take func(Entry)) (good int, torn bool, err error) {
	for good < len(b) {
		rest := b[good:]
		if len(bytes.TrimRight(rest, "\x00")) < headerSize { // a file's size may be on the disk before its bytes
			return good, true, fmt.Errorf("%d bytes at the end: %w", len(rest), ErrDamaged)
		}
		size := int(binary.LittleEndian.Uint32(rest))
		switch {
		case crc32.Checksum(rest[:4], castagnoli) != binary.LittleEndian.Uint32(rest[4:]) || size > maxEntry:
			return good, false, fmt.Errorf("header: %w", ErrDamaged)
		case size > len(rest)-headerSize:
			return good, true, fmt.Errorf("%d bytes of an entry of %d: %w", len(rest)-headerSize, size, ErrDamaged)
		}
		payload := rest[headerSize : headerSize+size]
		if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(rest[8:]) {
			return good, headerSize+size == len(rest), fmt.Errorf("checksum differs: %w", ErrDamaged)
		}
		e, err := decodeEntry(payload)
		if err != nil {
			return good, false, err
		}
		take(e)
		good += headerSize + size
	}
	return good, false, nil
}

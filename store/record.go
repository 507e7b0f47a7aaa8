package store

import (
	"encoding/binary"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Record is what a node must not forget about a partition, whatever happens to
// the partition's items: the fences that it promised to hold (F4, F16), the
// freeze and the seal of a transfer (F10), and to whom the partition went
// (F12). The zero Record promises nothing.
type Record struct {
	// Epoch is the lowest owner epoch that is admitted. It never falls.
	Epoch uint64
	// RingVersion is the lowest ring version that is admitted. It never falls.
	RingVersion uint64
	// MaxSession is the highest session that was admitted; lower ones are
	// refused. It never falls.
	MaxSession uint64
	// Frozen is the session for which the source is frozen, 0 if it is not.
	Frozen uint64
	// Sealed is the session whose staging generation is complete and verified,
	// 0 if there is none.
	Sealed uint64
	// Seal is what was frozen or sealed, nil if neither happened.
	Seal *topology.Seal
	// Tombstone is the node that the partition was handed to, "" if it is here.
	Tombstone ring.NodeID
}

// Succeed reports whether next may replace r: an error that is ErrFenceLowered
// if one of the fences of next is below that of r, nil otherwise.
func (r Record) Succeed(next Record) error {
	switch {
	case next.Epoch < r.Epoch:
		return fmt.Errorf("epoch %d below %d: %w", next.Epoch, r.Epoch, ErrFenceLowered)
	case next.RingVersion < r.RingVersion:
		return fmt.Errorf("ring version %d below %d: %w", next.RingVersion, r.RingVersion, ErrFenceLowered)
	case next.MaxSession < r.MaxSession:
		return fmt.Errorf("session %d below %d: %w", next.MaxSession, r.MaxSession, ErrFenceLowered)
	}
	return nil
}

// Clone returns a copy of the record that shares no memory with it.
func (r Record) Clone() Record {
	if r.Seal != nil {
		seal := *r.Seal
		r.Seal = &seal
	}
	return r
}

const (
	recordVersion  = 1
	recordHasSeal  = 1
	recordMaxOwner = 1 << 10 // bytes of a node name
)

// AppendBinary appends the encoded record to dst:
//
//	version(1)=1 flags(1) uvarints: epoch ring_version max_session frozen sealed
//	[seal: uvarints last_seq items bytes, digest(16)] uvarint len, tombstone
//
// Bit 0 of the flags says that a seal is present; the others are zero.
func (r Record) AppendBinary(dst []byte) ([]byte, error) {
	if len(r.Tombstone) > recordMaxOwner {
		return dst, fmt.Errorf("encode record: node name of %d bytes: %w", len(r.Tombstone), ErrCorrupt)
	}
	var flags byte
	if r.Seal != nil {
		flags |= recordHasSeal
	}
	dst = append(dst, recordVersion, flags)
	for _, v := range [...]uint64{r.Epoch, r.RingVersion, r.MaxSession, r.Frozen, r.Sealed} {
		dst = binary.AppendUvarint(dst, v)
	}
	if r.Seal != nil {
		for _, v := range [...]uint64{r.Seal.LastSeq, r.Seal.Items, r.Seal.Bytes} {
			dst = binary.AppendUvarint(dst, v)
		}
		dst = append(dst, r.Seal.Digest[:]...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.Tombstone)))
	return append(dst, r.Tombstone...), nil
}

// DecodeRecord decodes exactly what AppendBinary encodes. All else is
// ErrCorrupt, a later version too: to ignore a fence that an unknown field may
// hold would break its promise.
func DecodeRecord(src []byte) (Record, error) {
	if len(src) < 2 || src[0] != recordVersion || src[1]&^recordHasSeal != 0 {
		return Record{}, fmt.Errorf("decode record: header % x: %w", src[:min(len(src), 2)], ErrCorrupt)
	}
	d := recordDecoder{src: src[2:]}
	r := Record{Epoch: d.uvarint(), RingVersion: d.uvarint(), MaxSession: d.uvarint(), Frozen: d.uvarint(), Sealed: d.uvarint()}
	if src[1]&recordHasSeal != 0 {
		r.Seal = &topology.Seal{LastSeq: d.uvarint(), Items: d.uvarint(), Bytes: d.uvarint()}
		copy(r.Seal.Digest[:], d.take(uint64(len(r.Seal.Digest))))
	}
	r.Tombstone = ring.NodeID(d.take(d.uvarint()))
	if d.bad || len(d.src) != 0 || len(r.Tombstone) > recordMaxOwner {
		return Record{}, fmt.Errorf("decode record of %d bytes: %w", len(src), ErrCorrupt)
	}
	return r, nil
}

// recordDecoder reads from src until it is exhausted, and remembers that it was.
type recordDecoder struct {
	src []byte
	bad bool
}

// uvarint reads one integer in its shortest form only, so that a record has
// one encoding.
func (d *recordDecoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.src)
	if n <= 0 || (n > 1 && d.src[n-1] == 0) {
		d.bad, d.src = true, nil
		return 0
	}
	d.src = d.src[n:]
	return v
}

func (d *recordDecoder) take(n uint64) []byte {
	if n > uint64(len(d.src)) {
		d.bad, d.src = true, nil
		return nil
	}
	head := d.src[:n]
	d.src = d.src[n:]
	return head
}

package pipe

import (
	"encoding/binary"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
)

// Enqueue is one batch on its way. It is immutable once sealed; the machines
// pass it by pointer and it may be shared within a process.
type Enqueue struct {
	Pipe        ID
	Fitting     int            // the destination; len(Spec.Fittings) is the sink
	Partition   ring.Partition // the destination; 0 for the sink
	Stream      Stream         // the sender
	Seq         uint64         // position in the sender's sequence to this destination, from 1
	Coordinator Address        // who knows the spec
	ReplyTo     Address        // zero: the vnode of partition Stream.From
	Round       uint8          // the outbox's tick when it was sent; in the flags of the frame. Refuse returns it
	Batch       Batch

	wire []byte // the payload, once encoded
}

// A payload is the fixed head of messages.Enqueue, the coordinator (incarnation
// and endpoint, 8 bytes little endian each, the node's name with one byte of
// length), then the items. Partition, Seq, ReplyTo and Round are in the frame's
// header.

// headerRoom is the length of what stands before the items.
func headerRoom(coordinator Address) int {
	return messages.EnqueueSize + 17 + len(coordinator.Node)
}

// Payload returns the wire form, without the part that travels in the frame's
// header. The items are not copied when the batch was built with room for the
// head. The result is immutable. Not safe for concurrent use until it was
// called once; an outbox calls it before it gives the Enqueue out.
func (e *Enqueue) Payload() []byte {
	if e.wire != nil {
		return e.wire
	}
	room := headerRoom(e.Coordinator)
	if e.Batch.room >= room {
		e.wire = e.Batch.buf[e.Batch.room-room:]
	} else {
		e.wire = make([]byte, room+e.Batch.Size())
		copy(e.wire[room:], e.Batch.Bytes())
	}
	messages.Enqueue{
		Pipe:          e.Pipe,
		Fitting:       int32(e.Fitting),
		StreamFitting: int32(e.Stream.Fitting),
		StreamFrom:    e.Stream.From,
		StreamAttempt: e.Stream.Attempt,
		Count:         uint32(e.Batch.Len()),
	}.Put(e.wire)
	b := e.wire[messages.EnqueueSize:]
	binary.LittleEndian.PutUint64(b, e.Coordinator.Incarnation)
	binary.LittleEndian.PutUint64(b[8:], e.Coordinator.Endpoint)
	b[16] = byte(len(e.Coordinator.Node))
	copy(b[17:], e.Coordinator.Node)
	return e.wire
}

// DecodeEnqueue returns the batch that a frame of TypePipeEnqueue carries. It
// aliases the payload. The error is ErrDamaged.
func DecodeEnqueue(f *messages.Frame) (*Enqueue, error) {
	head, rest, err := messages.ParseEnqueue(f.Payload)
	if err != nil || len(rest) < 17 || len(rest) < 17+int(rest[16]) {
		return nil, fmt.Errorf("decode enqueue of %d bytes: %w", len(f.Payload), ErrDamaged)
	}
	if head.Fitting < 0 || head.Fitting > MaxFittings || head.StreamFitting < Input || head.StreamFitting >= MaxFittings {
		return nil, fmt.Errorf("decode enqueue for fitting %d from %d: %w", head.Fitting, head.StreamFitting, ErrDamaged)
	}
	items := rest[17+int(rest[16]):]
	batch, err := DecodeBatch(int(head.Count), items)
	if err != nil {
		return nil, fmt.Errorf("decode enqueue: %w", err)
	}
	batch.own = head.StreamFitting == head.Fitting
	e := &Enqueue{
		Pipe:      head.Pipe,
		Fitting:   int(head.Fitting),
		Partition: ring.Partition(f.Partition),
		Stream:    Stream{Fitting: int(head.StreamFitting), From: head.StreamFrom, Attempt: head.StreamAttempt},
		Seq:       f.Seq,
		Coordinator: Address{
			Node:        ring.NodeID(rest[17 : 17+int(rest[16])]),
			Incarnation: binary.LittleEndian.Uint64(rest),
			Endpoint:    binary.LittleEndian.Uint64(rest[8:]),
		},
		Round: f.Flags,
		Batch: batch,
		wire:  f.Payload,
	}
	if f.Endpoint != 0 {
		e.ReplyTo = Address{Node: ring.NodeID(f.From), Incarnation: f.FromIncarnation, Endpoint: f.Endpoint}
	}
	return e, nil
}

package messages

import (
	"encoding/binary"
	"fmt"
)

// EnqueueSize is the length in bytes of an encoded Enqueue.
const EnqueueSize = 40

// Enqueue is the binary head of a TypePipeEnqueue payload: whose batch it is and how many items follow. It has a fixed
// size, so that a batch's buffer keeps room for it in front and the batch is never copied to be sent.
type Enqueue struct {
	Pipe [16]byte
	// Fitting is the destination, StreamFitting the sender's; -1 is what feeds the pipe from outside.
	Fitting, StreamFitting int32
	StreamFrom             uint64
	StreamAttempt          uint32
	Count                  uint32
}

// Put writes the head to the first EnqueueSize bytes of b, which must have them.
func (e Enqueue) Put(b []byte) {
	_ = b[EnqueueSize-1]
	le := binary.LittleEndian
	copy(b, e.Pipe[:])
	le.PutUint32(b[16:], uint32(e.Fitting))
	le.PutUint32(b[20:], uint32(e.StreamFitting))
	le.PutUint64(b[24:], e.StreamFrom)
	le.PutUint32(b[32:], e.StreamAttempt)
	le.PutUint32(b[36:], e.Count)
}

// ParseEnqueue reads the head of a payload and returns it with the encoded items, which alias the payload. The error is
// ErrDamaged.
func ParseEnqueue(payload []byte) (Enqueue, []byte, error) {
	if len(payload) < EnqueueSize {
		return Enqueue{}, nil, fmt.Errorf("parse enqueue: %d bytes of at least %d: %w", len(payload), EnqueueSize, ErrDamaged)
	}
	le := binary.LittleEndian
	e := Enqueue{
		Fitting:       int32(le.Uint32(payload[16:])),
		StreamFitting: int32(le.Uint32(payload[20:])),
		StreamFrom:    le.Uint64(payload[24:]),
		StreamAttempt: le.Uint32(payload[32:]),
		Count:         le.Uint32(payload[36:]),
	}
	copy(e.Pipe[:], payload)
	return e, payload[EnqueueSize:], nil
}

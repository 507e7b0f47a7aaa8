package handoff

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
)

// FinMessage returns the payload message of a FIN frame.
func FinMessage(s topology.Seal) *messages.Fin {
	return &messages.Fin{LastSeq: s.LastSeq, Items: s.Items, Bytes: s.Bytes, Digest: s.Digest[:]}
}

// SealOf reads a FIN. The error is messages.ErrDamaged.
func SealOf(m *messages.Fin) (topology.Seal, error) {
	return sealOf(m.GetLastSeq(), m.GetItems(), m.GetBytes(), m.GetDigest())
}

// FinReplyMessage returns the payload message of the answer to a FIN: SendFinOK
// with a nil error, SendFinBad with one.
func FinReplyMessage(have topology.Seal, err *messages.Error) *messages.FinReply {
	return &messages.FinReply{
		Ok: err == nil, LastSeq: have.LastSeq, Items: have.Items, Bytes: have.Bytes, Digest: have.Digest[:], Error: err,
	}
}

// FinReplyEvent reads the answer to a FIN as FinOK or FinBad. The error is
// messages.ErrDamaged; an answer that is neither good nor says why not is
// damaged too.
func FinReplyEvent(m *messages.FinReply) (SenderEvent, error) {
	have, err := sealOf(m.GetLastSeq(), m.GetItems(), m.GetBytes(), m.GetDigest())
	if err != nil {
		return nil, err
	}
	switch {
	case m.GetOk() && m.GetError() == nil:
		return FinOK{Seal: have}, nil
	case !m.GetOk() && m.GetError().Err() != nil:
		return FinBad{Err: m.GetError(), Have: have}, nil
	}
	return nil, fmt.Errorf("fin reply: ok %v with error %v: %w", m.GetOk(), m.GetError().Err(), messages.ErrDamaged)
}

func sealOf(lastSeq, items, size uint64, digest []byte) (topology.Seal, error) {
	s := topology.Seal{LastSeq: lastSeq, Items: items, Bytes: size}
	if len(digest) != len(s.Digest) {
		return topology.Seal{}, fmt.Errorf("seal: digest of %d bytes, want %d: %w", len(digest), len(s.Digest), messages.ErrDamaged)
	}
	copy(s.Digest[:], digest)
	return s, nil
}

package pipe

import (
	"encoding/hex"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
)

// ID names one pipe, unique in the cluster for ever.
type ID [16]byte

// String returns the ID in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID is the inverse of ID.String.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != hex.EncodedLen(len(id)) {
		return ID{}, fmt.Errorf("parse pipe id %q: %w", s, ErrDamaged)
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, fmt.Errorf("parse pipe id %q: %w", s, ErrDamaged)
	}
	return id, nil
}

// Address names an endpoint: an actor of one process that is not a vnode, such
// as a pipe's coordinator, its sink, or a sender of inputs.
type Address struct {
	Node        ring.NodeID
	Incarnation uint64
	Endpoint    uint64
}

// IsZero reports whether the address names nothing.
func (a Address) IsZero() bool { return a == Address{} }

// String returns node/incarnation/endpoint.
func (a Address) String() string {
	return fmt.Sprintf("%s/%d/%d", a.Node, a.Incarnation, a.Endpoint)
}

// Input is the fitting of senders that feed the pipe from outside.
const Input = -1

// Stream names a sender of items. At each destination it has one sequence of
// batches, numbered from 1.
type Stream struct {
	Fitting int    // the sender's fitting, or Input
	From    uint64 // a worker's partition; for Input whatever tells the senders of one pipe apart
	Attempt uint32 // tells apart senders that took over from one another without its sequence
}

// String returns the stream as fitting/from/attempt.
func (s Stream) String() string { return fmt.Sprintf("%d/%d/%d", s.Fitting, s.From, s.Attempt) }

// Key names a fitting's queue and worker at the partition at hand.
type Key struct {
	Pipe    ID
	Fitting int
}

// WorkerID names one run of a worker at the partition at hand. Instance grows
// with every start, so that what an earlier run still says is told apart.
type WorkerID struct {
	Key
	Instance uint64
}

package actors

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/vnode"
)

// letter is a message on its way to a vnode or an endpoint: a frame, whose
// payload is either encoded (it came over the wire, or is raw by nature) or
// stands decoded in body (it was made here). Within a node nothing is encoded.
// A letter is frozen once sent, but for the marks that its receiver makes.
type letter struct {
	messages.Header
	payload []byte
	body    any
	once    bool  // can't come twice: no transport has it, or it was looked at before
	own     bool  // payload is all of its buffer, which was made here
	gate    *gate // that it waits behind; the receiver's
	// direct waits for the answer within the call that serves the letter; nil for
	// most letters, and once it is kept.
	direct *direct
	// prepared says of a FoldOpen that Options.BeforeFold has run here.
	prepared bool
}

// id names this sending of a request.
func (l *letter) id() vnode.RequestID {
	return vnode.RequestID{Node: ring.NodeID(l.From), Incarnation: l.FromIncarnation, Seq: l.Seq}
}

// frame returns the letter as it travels.
func (l *letter) frame() (messages.Frame, error) {
	f := messages.Frame{Header: l.Header, Payload: l.payload}
	if l.body != nil && l.payload == nil {
		p, err := encodeBody(l.body)
		if err != nil {
			return f, fmt.Errorf("encode %v for %s: %w", l.Type, l.To, err)
		}
		f.Payload = p
	}
	return f, nil
}

// open returns the decoded message of a letter.
func (l *letter) open() (any, error) {
	if l.body != nil {
		return l.body, nil
	}
	body, err := decodeBody(&l.Header, l.payload)
	if err != nil {
		return nil, fmt.Errorf("decode %v from %s: %w", l.Type, l.From, err)
	}
	return body, nil
}

// encodeError and decodeError carry the typed error of an answer.
func encodeError(e *messages.Error) []byte {
	b, err := proto.Marshal(e)
	if err != nil {
		return nil // an Error has no field that can't be marshalled but text that is not UTF-8; the code stands in the header
	}
	return b
}

func decodeError(l *letter) error {
	var e messages.Error
	if err := proto.Unmarshal(l.payload, &e); err != nil || e.Code != uint32(l.Code) {
		e = messages.Error{Code: uint32(l.Code)}
	}
	return e.Err()
}

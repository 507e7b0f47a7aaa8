package actors

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/pipe"
)

// typeOf gives each message its frame type.
func typeOf(body any) messages.Type {
	switch body.(type) {
	case *pipe.Enqueue:
		return messages.TypePipeEnqueue
	case *pipe.Ack:
		return messages.TypePipeAck
	case *pipe.Refuse:
		return messages.TypePipeRefuse
	case *pipe.SpecRequest:
		return messages.TypeGetSpec
	case *pipe.SpecKnown, *pipe.SpecGone:
		return messages.TypeSpecReply
	case *pipe.EOI:
		return messages.TypeEndOfInputs
	case *pipe.Done:
		return messages.TypeDone
	case *pipe.Failed:
		return messages.TypeWorkerFailed
	case *pipe.Destroy:
		return messages.TypeDestroy
	case *pipe.Destroyed:
		return messages.TypeDestroyReply
	case *messages.FoldOpen:
		return messages.TypeFoldOpen
	case *messages.FoldOpened:
		return messages.TypeFoldOpened
	case *messages.FoldStart:
		return messages.TypeFoldStart
	case *messages.FoldDone:
		return messages.TypeFoldDone
	case *messages.FoldClose:
		return messages.TypeFoldClose
	case *messages.Progress:
		return messages.TypeProgress
	case *messages.Trace:
		return messages.TypeTrace
	case *messages.GetWork:
		return messages.TypeGetWork
	case *messages.WorkReply:
		return messages.TypeWorkReply
	}
	return messages.TypeInvalid
}

// encodeBody encodes a message that leaves the node.
func encodeBody(body any) ([]byte, error) {
	switch m := body.(type) {
	case *pipe.Enqueue:
		return m.Payload(), nil
	case *pipe.Ack:
		return proto.Marshal(&messages.PipeAck{Pipe: m.Pipe[:], Fitting: int32(m.Fitting), Stream: streamOut(m.Stream)})
	case *pipe.Refuse:
		return proto.Marshal(&messages.PipeRefuse{Pipe: m.Pipe[:], Fitting: int32(m.Fitting), Stream: streamOut(m.Stream)})
	case *pipe.SpecRequest:
		return proto.Marshal(&messages.GetSpec{Pipe: m.Pipe[:]})
	case *pipe.SpecKnown:
		spec, err := m.Spec.AppendBinary(nil)
		if err != nil {
			return nil, err
		}
		return proto.Marshal(&messages.SpecReply{Pipe: m.Spec.ID[:], Spec: spec})
	case *pipe.SpecGone:
		return proto.Marshal(&messages.SpecReply{Pipe: m.Pipe[:], Error: &messages.Error{Code: uint32(messages.CodeNotFound)}})
	case *pipe.EOI:
		return proto.Marshal(&messages.EndOfInputs{Pipe: m.Pipe[:], Fitting: int32(m.Fitting), ReplyTo: addressOut(m.Coordinator), RunEmpty: m.RunEmpty, Probe: m.Probe})
	case *pipe.Done:
		return proto.Marshal(&messages.Done{
			Pipe: m.Pipe[:], Fitting: int32(m.Fitting), In: m.Counts.In, Aside: m.Counts.Aside, Probe: m.Probe,
			Letters: lettersOut(m.Counts.Letters), Sent: sentOut(m.Counts.Sent), Own: sentOut(m.Counts.Own),
		})
	case *pipe.Failed:
		return proto.Marshal(&messages.WorkerFailed{Pipe: m.Pipe[:], Fitting: int32(m.Fitting), Input: m.Input, Cause: m.Cause})
	case *pipe.Destroy:
		return proto.Marshal(&messages.Destroy{Pipe: m.Pipe[:], ReplyTo: addressOut(m.ReplyTo)})
	case *pipe.Destroyed:
		return proto.Marshal(&messages.DestroyReply{Pipe: m.Pipe[:]})
	case proto.Message:
		return proto.Marshal(m)
	}
	return nil, fmt.Errorf("no wire form for %T: %w", body, messages.ErrUnknownType)
}

// decodeBody decodes a message that arrived.
func decodeBody(h *messages.Header, b []byte) (any, error) {
	here := pipe.Address{Node: ring.NodeID(h.To), Incarnation: h.ToIncarnation, Endpoint: h.Endpoint}
	p := ring.Partition(h.Partition)
	switch h.Type {
	case messages.TypePipeEnqueue:
		f := messages.Frame{Header: *h, Payload: b}
		if h.Kind == "" {
			f.Endpoint = 0 // the sink's, not that of who waits for the answer
		}
		return pipe.DecodeEnqueue(&f)
	case messages.TypePipeAck:
		return decoded(b, &messages.PipeAck{}, func(m *messages.PipeAck) any {
			return &pipe.Ack{To: here, Pipe: pipeID(m.Pipe), Fitting: int(m.Fitting), Partition: ring.Partition(h.Session), Stream: streamIn(m.Stream), Seq: h.Seq}
		})
	case messages.TypePipeRefuse:
		return decoded(b, &messages.PipeRefuse{}, func(m *messages.PipeRefuse) any {
			return &pipe.Refuse{To: here, Pipe: pipeID(m.Pipe), Fitting: int(m.Fitting), Partition: ring.Partition(h.Session), Stream: streamIn(m.Stream), Expected: h.Seq, Round: h.Flags}
		})
	case messages.TypeGetSpec:
		return decoded(b, &messages.GetSpec{}, func(m *messages.GetSpec) any {
			return &pipe.SpecRequest{To: here, Pipe: pipeID(m.Pipe), Partition: p}
		})
	case messages.TypeSpecReply:
		return decodeSpecReply(p, b)
	case messages.TypeEndOfInputs:
		return decoded(b, &messages.EndOfInputs{}, func(m *messages.EndOfInputs) any {
			return &pipe.EOI{Pipe: pipeID(m.Pipe), Fitting: int(m.Fitting), Partition: p, RunEmpty: m.RunEmpty, Probe: m.Probe, Coordinator: addressIn(m.ReplyTo)}
		})
	case messages.TypeDone:
		return decoded(b, &messages.Done{}, func(m *messages.Done) any {
			return &pipe.Done{To: here, Pipe: pipeID(m.Pipe), Fitting: int(m.Fitting), Partition: p, Probe: m.Probe, Counts: pipe.Counts{
				In: m.In, Aside: m.Aside, Letters: lettersIn(m.Letters, p), Sent: sentIn(m.Sent), Own: sentIn(m.Own),
			}}
		})
	case messages.TypeWorkerFailed:
		return decoded(b, &messages.WorkerFailed{}, func(m *messages.WorkerFailed) any {
			return &pipe.Failed{To: here, Pipe: pipeID(m.Pipe), Fitting: int(m.Fitting), Partition: p, Input: m.Input, Cause: m.Cause}
		})
	case messages.TypeDestroy:
		return decoded(b, &messages.Destroy{}, func(m *messages.Destroy) any {
			return &pipe.Destroy{Pipe: pipeID(m.Pipe), Partition: p, ReplyTo: addressIn(m.ReplyTo)}
		})
	case messages.TypeDestroyReply:
		return decoded(b, &messages.DestroyReply{}, func(m *messages.DestroyReply) any {
			return &pipe.Destroyed{To: here, Pipe: pipeID(m.Pipe), Partition: p}
		})
	case messages.TypeFoldOpen:
		return decoded(b, &messages.FoldOpen{}, same[*messages.FoldOpen])
	case messages.TypeFoldOpened:
		return decoded(b, &messages.FoldOpened{}, same[*messages.FoldOpened])
	case messages.TypeFoldStart:
		return decoded(b, &messages.FoldStart{}, same[*messages.FoldStart])
	case messages.TypeFoldDone:
		return decoded(b, &messages.FoldDone{}, same[*messages.FoldDone])
	case messages.TypeFoldClose:
		return decoded(b, &messages.FoldClose{}, same[*messages.FoldClose])
	case messages.TypeProgress:
		return decoded(b, &messages.Progress{}, same[*messages.Progress])
	case messages.TypeTrace:
		return decoded(b, &messages.Trace{}, same[*messages.Trace])
	case messages.TypeGetWork:
		return decoded(b, &messages.GetWork{}, same[*messages.GetWork])
	case messages.TypeWorkReply:
		return decoded(b, &messages.WorkReply{}, same[*messages.WorkReply])
	}
	return nil, fmt.Errorf("%v: %w", h.Type, messages.ErrUnknownType)
}

func same[M any](m M) any { return m }

func decoded[M proto.Message](b []byte, m M, make func(M) any) (any, error) {
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%w: %w", messages.ErrDamaged, err)
	}
	return make(m), nil
}

func decodeSpecReply(p ring.Partition, b []byte) (any, error) {
	var m messages.SpecReply
	if err := proto.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", messages.ErrDamaged, err)
	}
	if m.Error != nil {
		return &pipe.SpecGone{Partition: p, Pipe: pipeID(m.Pipe)}, nil
	}
	spec, err := pipe.DecodeSpec(m.Spec)
	if err != nil {
		return nil, err
	}
	return &pipe.SpecKnown{Partition: p, Spec: spec}, nil
}

// pipeID takes an id off the wire; one of a wrong length names no pipe.
func pipeID(b []byte) (id pipe.ID) {
	if len(b) == len(id) {
		copy(id[:], b)
	}
	return id
}

func streamOut(s pipe.Stream) *messages.Stream {
	return &messages.Stream{Fitting: int32(s.Fitting), From: s.From, Attempt: s.Attempt}
}

func streamIn(s *messages.Stream) pipe.Stream {
	return pipe.Stream{Fitting: int(s.GetFitting()), From: s.GetFrom(), Attempt: s.GetAttempt()}
}

func addressOut(a pipe.Address) *messages.Address {
	if a.IsZero() {
		return nil
	}
	return &messages.Address{Node: string(a.Node), Incarnation: a.Incarnation, Endpoint: a.Endpoint}
}

func addressIn(a *messages.Address) pipe.Address {
	return pipe.Address{Node: ring.NodeID(a.GetNode()), Incarnation: a.GetIncarnation(), Endpoint: a.GetEndpoint()}
}

func sentOut(sent []pipe.Sent) []*messages.Sent {
	out := make([]*messages.Sent, len(sent))
	for i, s := range sent {
		out[i] = &messages.Sent{Partition: uint32(s.Partition), Items: s.Items}
	}
	return out
}

func sentIn(sent []*messages.Sent) []pipe.Sent {
	out := make([]pipe.Sent, len(sent))
	for i, s := range sent {
		out[i] = pipe.Sent{Partition: ring.Partition(s.GetPartition()), Items: s.GetItems()}
	}
	return out
}

func lettersOut(letters []pipe.Letter) []*messages.Letter {
	out := make([]*messages.Letter, len(letters))
	for i := range letters {
		out[i] = &messages.Letter{Input: letters[i].Input, Size: uint64(letters[i].Size), Cause: letters[i].Cause}
	}
	return out
}

func lettersIn(letters []*messages.Letter, p ring.Partition) []pipe.Letter {
	out := make([]pipe.Letter, len(letters))
	for i, l := range letters {
		out[i] = pipe.Letter{Partition: p, Input: l.GetInput(), Size: int(l.GetSize()), Cause: l.GetCause()}
	}
	return out
}

package messages

import (
	"fmt"

	"google.golang.org/protobuf/proto"
)

// Encode returns the payload of a control message. It returns ErrTooLarge when no frame could carry it.
func Encode(m proto.Message) ([]byte, error) {
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	if len(b) > MaxPayloadSize {
		return nil, fmt.Errorf("encode %s: %d bytes, at most %d: %w",
			m.ProtoReflect().Descriptor().Name(), len(b), MaxPayloadSize, ErrTooLarge)
	}
	return b, nil
}

// Decode reads a control message from a payload, as in Decode[Fin](f.Payload). What it returns shares nothing with the
// payload. The error is ErrDamaged; Decode never panics.
func Decode[M any, P interface {
	*M
	proto.Message
}](payload []byte) (P, error) {
	m := P(new(M))
	if err := proto.Unmarshal(payload, m); err != nil {
		return nil, fmt.Errorf("decode %s of %d bytes: %v: %w", m.ProtoReflect().Descriptor().Name(), len(payload), err, ErrDamaged)
	}
	return m, nil
}

// Control decodes the payload of a control frame by its type, for logs and traces. It returns nil for types whose payload
// is raw or empty. The error is ErrUnknownType, ErrDamaged, or the error that the frame carries when its Code is set.
func (f *Frame) Control() (proto.Message, error) {
	if !f.Type.Known() {
		return nil, fmt.Errorf("decode %v: %w", f.Type, ErrUnknownType)
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	empty := prototypes[f.Type]
	if empty == nil {
		return nil, nil
	}
	m := empty.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(f.Payload, m); err != nil {
		return nil, fmt.Errorf("decode %v of %d bytes: %v: %w", f.Type, len(f.Payload), err, ErrDamaged)
	}
	return m, nil
}

// prototypes gives each control type the message that its payload is.
var prototypes = [256]proto.Message{
	TypeHello: (*Hello)(nil), TypeHelloReply: (*HelloReply)(nil),
	TypePipeAck: (*PipeAck)(nil), TypePipeRefuse: (*PipeRefuse)(nil),
	TypeGetSpec: (*GetSpec)(nil), TypeSpecReply: (*SpecReply)(nil), TypeEndOfInputs: (*EndOfInputs)(nil),
	TypeDone: (*Done)(nil), TypeWorkerFailed: (*WorkerFailed)(nil), TypeDestroy: (*Destroy)(nil),
	TypeDestroyReply: (*DestroyReply)(nil), TypeFoldOpen: (*FoldOpen)(nil), TypeFoldOpened: (*FoldOpened)(nil),
	TypeFoldStart: (*FoldStart)(nil), TypeFoldDone: (*FoldDone)(nil), TypeFoldClose: (*FoldClose)(nil),
	TypeProgress: (*Progress)(nil), TypeTrace: (*Trace)(nil), TypeGetWork: (*GetWork)(nil), TypeWorkReply: (*WorkReply)(nil), TypeHandoffHello: (*HandoffHello)(nil),
	TypeHandoffHelloReply: (*HandoffHelloReply)(nil), TypeHandoffFin: (*Fin)(nil), TypeHandoffFinReply: (*FinReply)(nil),
	TypeHandoffAbort: (*Abort)(nil),
}

// Fail makes the frame an answer that carries err, which must not be nil: its code in the header, its fields in the payload.
func (f *Frame) Fail(err error) {
	e := ErrorOf(err)
	f.Code, f.Payload = Code(e.GetCode()), nil
	if f.Code == CodeOK {
		f.Code = CodeInternal
	}
	// Text that is not UTF-8 can't be encoded; the code alone travels then.
	if b, encodeErr := Encode(e); encodeErr == nil {
		f.Payload = b
	}
}

// Err returns the error that an answer carries, nil when its Code is CodeOK. A payload that is no Error still gives the
// code's sentinel.
func (f *Frame) Err() error {
	if f.Code == CodeOK {
		return nil
	}
	e, err := Decode[Error](f.Payload)
	if err != nil {
		e = &Error{Message: err.Error()}
	}
	e.Code = uint32(f.Code)
	return e
}

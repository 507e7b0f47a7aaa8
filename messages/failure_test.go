package messages_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/dee2748c/baton/messages"
)

// uncomparable is an error type that can't be a map key.
type uncomparable struct{ parts []error }

func (u uncomparable) Error() string   { return "uncomparable" }
func (u uncomparable) Unwrap() []error { return u.parts }

// TestErrorOf_roundTrip proves I5 for the codes.
func TestErrorOf_roundTrip(t *testing.T) {
	tests := []struct {
		name string
		err  error
		code messages.Code
		is   error
	}{
		{"sentinel", messages.ErrFrozen, messages.CodeFrozen, messages.ErrFrozen},
		{"wrapped", fmt.Errorf("put %q: %w", "k", messages.ErrWrongOwner), messages.CodeWrongOwner, messages.ErrWrongOwner},
		{"joined", errors.Join(errors.New("disk"), messages.ErrNoSpace), messages.CodeNoSpace, messages.ErrNoSpace},
		{"uncomparable", uncomparable{[]error{errors.New("x"), messages.ErrGap}}, messages.CodeGap, messages.ErrGap},
		{"deadline", fmt.Errorf("get: %w", context.DeadlineExceeded), messages.CodeTimeout, messages.ErrTimeout},
		{"cancelled", context.Canceled, messages.CodeCancelled, messages.ErrCancelled},
		{"none of ours", errors.New("boom"), messages.CodeInternal, messages.ErrInternal},
		{"not UTF-8", errors.New("\xff"), messages.CodeInternal, messages.ErrInternal},
		{"code of another version", &messages.Error{Code: 60_000, Message: "new"}, 60_000, messages.ErrInternal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f messages.Frame
			f.Fail(tt.err)
			if f.Code != tt.code {
				t.Errorf("code %v, want %v", f.Code, tt.code)
			}
			got := f.Err()
			if !errors.Is(got, tt.is) {
				t.Errorf("err %v, want %v", got, tt.is)
			}
			if len(f.Payload) == 0 || got.Error() == "" {
				t.Errorf("the words were lost: %q", got)
			}
		})
	}
}

// TestErrorOf_fields proves I5 for the fields.
func TestErrorOf_fields(t *testing.T) {
	sent := &messages.Error{
		Code: uint32(messages.CodeWrongOwner), Op: "put", Operand: "kv/7", Message: "moved", Remedy: "ask beta",
		Owner: "beta", Epoch: 4, RingVersion: 5, Session: 6, RetryAfterMs: 20,
	}
	var f messages.Frame
	f.Fail(fmt.Errorf("outer: %w", sent))
	var got *messages.Error
	if !errors.As(f.Err(), &got) {
		t.Fatalf("err %v is no *Error", f.Err())
	}
	if diff := cmp.Diff(sent, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if got.Error() != "put kv/7: moved (ask beta)" || got.RetryAfter() != 20*time.Millisecond {
		t.Errorf("reads %q, retry after %v", got, got.RetryAfter())
	}
}

func TestError_nil(t *testing.T) {
	var none *messages.Error
	if none.Err() != nil || (&messages.Error{}).Err() != nil || messages.ErrorOf(nil) != nil {
		t.Error("no error became one")
	}
	if err := (&messages.Error{Code: uint32(messages.CodeFrozen)}).Err(); err.Error() != "partition frozen" {
		t.Errorf("an Error without words reads %q", err)
	}
	var ok messages.Frame
	if ok.Err() != nil {
		t.Errorf("a frame without a code carries %v", ok.Err())
	}
	var f messages.Frame
	f.Fail(&messages.Error{Message: "no code"})
	if !errors.Is(f.Err(), messages.ErrInternal) {
		t.Errorf("an Error without a code travels as %v", f.Err())
	}
}

func TestFrame_Err_damagedPayload(t *testing.T) {
	f := messages.Frame{Header: messages.Header{Code: messages.CodeSealed}, Payload: []byte{0xff}}
	if err := f.Err(); !errors.Is(err, messages.ErrSealed) {
		t.Errorf("err %v, want ErrSealed", err)
	}
}

func TestFrame_Control(t *testing.T) {
	payload, err := messages.Encode(&messages.Fin{LastSeq: 9, Items: 3})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		frame messages.Frame
		want  proto.Message
		err   error
	}{
		{"fin", frame(messages.TypeHandoffFin, payload), &messages.Fin{LastSeq: 9, Items: 3}, nil},
		{"raw", frame(messages.TypeRequest, payload), nil, nil},
		{"damaged", frame(messages.TypeHandoffFin, []byte{0xff}), nil, messages.ErrDamaged},
		{"unknown", frame(250, payload), nil, messages.ErrUnknownType},
		{"failed", messages.Frame{Header: messages.Header{Type: messages.TypeResponse, Code: messages.CodeGap}}, nil, messages.ErrGap},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.frame.Control()
			if !errors.Is(err, tt.err) {
				t.Fatalf("err %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEncode_errors(t *testing.T) {
	if _, err := messages.Encode(&messages.SpecReply{Spec: make([]byte, messages.MaxFrameSize)}); !errors.Is(err, messages.ErrTooLarge) {
		t.Errorf("over the limit: %v, want ErrTooLarge", err)
	}
	if _, err := messages.Encode(&messages.Abort{Reason: "\xff"}); err == nil {
		t.Error("text that is not UTF-8 was encoded")
	}
}

func frame(t messages.Type, payload []byte) messages.Frame {
	return messages.Frame{Header: messages.Header{Type: t}, Payload: payload}
}

// FuzzControl proves I1 for the decoders of all control messages.
func FuzzControl(f *testing.F) {
	for t := range 256 {
		f.Add(byte(t), uint16(0), []byte{8, 1, 18, 2, 'o', 'k'})
	}
	f.Add(byte(messages.TypeResponse), uint16(messages.CodeFrozen), []byte{8, 34})
	f.Fuzz(func(t *testing.T, typ byte, code uint16, payload []byte) {
		fr := messages.Frame{Header: messages.Header{Type: messages.Type(typ), Code: messages.Code(code)}, Payload: payload}
		m, err := fr.Control()
		switch {
		case code != 0 && fr.Type.Known():
			var e *messages.Error
			if !errors.As(err, &e) || messages.Code(e.Code) != messages.Code(code) {
				t.Fatalf("code %d became %v", code, err)
			}
		case err != nil && !errors.Is(err, messages.ErrDamaged) && !errors.Is(err, messages.ErrUnknownType):
			t.Fatalf("untyped error %v", err)
		case m != nil:
			b, err := messages.Encode(m)
			if err != nil {
				t.Fatal(err)
			}
			fr.Payload = b
			again, err := fr.Control()
			if err != nil || !proto.Equal(m, again) {
				t.Fatalf("decoded again: %v, %v", again, err)
			}
		}
	})
}

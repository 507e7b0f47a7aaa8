package actors

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/dee2748c/baton/messages"
)

// statusCodes gives the gRPC status under which an error travels. The status is for tools that watch the wire; this code
// reads the messages.Error that goes with it.
var statusCodes = map[messages.Code]codes.Code{
	messages.CodeUnavailable:     codes.Unavailable,
	messages.CodeTimeout:         codes.DeadlineExceeded,
	messages.CodeCancelled:       codes.Canceled,
	messages.CodeClosed:          codes.Unavailable,
	messages.CodeDamaged:         codes.DataLoss,
	messages.CodeVersion:         codes.FailedPrecondition,
	messages.CodeTooLarge:        codes.ResourceExhausted,
	messages.CodeClusterMismatch: codes.PermissionDenied,
	messages.CodeIncarnation:     codes.FailedPrecondition,
	messages.CodeWrongNode:       codes.FailedPrecondition,
	messages.CodeInvalid:         codes.InvalidArgument,
	messages.CodeOverloaded:      codes.ResourceExhausted,
	messages.CodeNotFound:        codes.NotFound,
	messages.CodeNoSpace:         codes.ResourceExhausted,
}

// toStatus is where a typed error becomes a gRPC status.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	e := messages.ErrorOf(err)
	code, ok := statusCodes[messages.Code(e.GetCode())]
	if !ok {
		code = codes.Aborted
	}
	st := status.New(code, e.Error())
	if detailed, err := st.WithDetails(e); err == nil {
		st = detailed
	}
	return st.Err()
}

// fromStatus is where a gRPC status becomes a typed error. io.EOF, the good end of a stream, stays what it is.
func fromStatus(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	for _, d := range st.Details() {
		if e, ok := d.(*messages.Error); ok && e.Err() != nil {
			return e
		}
	}
	code := messages.CodeUnavailable
	switch st.Code() {
	case codes.Canceled:
		code = messages.CodeCancelled
	case codes.DeadlineExceeded:
		code = messages.CodeTimeout
	case codes.ResourceExhausted:
		code = messages.CodeTooLarge
	case codes.Unimplemented:
		code = messages.CodeVersion
	}
	return &messages.Error{Code: uint32(code), Message: st.Message()}
}

// causeOf prefers the reason for which this side cancelled ctx to the error that gRPC made of the cancellation.
func causeOf(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err == nil || cause == nil || errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return err
	}
	return cause
}

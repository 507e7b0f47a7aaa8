package actors

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	"github.com/dee2748c/baton/messages"
)

// rawStream is what client and server streams of gRPC have in common.
type rawStream interface {
	Context() context.Context
	SendMsg(m any) error
	RecvMsg(m any) error
}

// grpcStream is one end of a transfer's stream.
type grpcStream struct {
	raw       rawStream
	closeSend func() error
	abort     context.CancelCauseFunc // nil on the accepting side, which ends the stream by returning
	t         *GRPC
	peer      Peer
	in        inbound
	message   inMessage
	broken    error // damage, after which nothing is read
}

var _ Stream = (*grpcStream)(nil)

// OpenStream opens a stream on a connection of its own, so that bulk data never delays a link.
func (t *GRPC) OpenStream(ctx context.Context, to Peer) (Stream, error) {
	t.mu.Lock()
	if t.closing {
		t.mu.Unlock()
		return nil, fmt.Errorf("open stream to %s: transport: %w", to.Node, messages.ErrClosed)
	}
	t.work.Add(1)
	t.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(t.ctx, func() { cancel(context.Cause(t.ctx)) })
	var cc *grpc.ClientConn
	release := func() {
		cancel(nil)
		unhook()
		if cc != nil {
			_ = cc.Close()
		}
		t.work.Done()
	}
	cc, err := t.newClient(to.Addr)
	if err != nil {
		release()
		return nil, err
	}
	raw, err := t.open(ctx, cc, transferMethod, to)
	if err != nil {
		if refused(err) {
			t.stats.refused.Add(1)
		}
		release()
		return nil, err
	}
	context.AfterFunc(raw.Context(), release)
	return &grpcStream{
		raw: raw, closeSend: raw.CloseSend, abort: cancel, t: t, peer: to, in: inbound{id: t.id, stats: &t.stats},
	}, nil
}

// serveTransfer is the accepting end of a transfer's stream.
func (t *GRPC) serveTransfer(raw grpc.ServerStream) error {
	s := &grpcStream{raw: raw, t: t, in: inbound{id: t.id, stats: &t.stats}}
	s.closeSend = func() error {
		return fmt.Errorf("close the sending side of a stream from %s: %w", s.peer.Node, messages.ErrInvalid)
	}
	peer, err := t.greet(raw, &s.in)
	if err != nil {
		return err
	}
	s.peer = peer
	return (*t.handler.Load()).HandleStream(s)
}

func (s *grpcStream) Context() context.Context { return s.raw.Context() }

func (s *grpcStream) Peer() Peer { return s.peer }

func (s *grpcStream) CloseSend() error { return s.closeSend() }

func (s *grpcStream) Send(f messages.Frame) error {
	s.t.id.stamp(&f, s.peer)
	m, err := single(&f)
	if err != nil {
		return fmt.Errorf("stream to %s: %w", s.peer.Node, err)
	}
	if err := s.raw.SendMsg(m); err != nil {
		if errors.Is(err, io.EOF) {
			err = messages.ErrClosed
		}
		return fmt.Errorf("stream to %s: send %v: %w", s.peer.Node, f.Type, causeOf(s.raw.Context(), fromStatus(err)))
	}
	s.t.stats.framesSent.Add(1)
	s.t.stats.bytesSent.Add(uint64(f.Size()))
	return nil
}

func (s *grpcStream) Recv() (messages.Frame, error) {
	for s.broken == nil {
		f, ok, err := s.in.next()
		switch {
		case ok:
			return f, err
		case err != nil:
			s.broken = fmt.Errorf("stream with %s: %w", s.peer.Node, err)
			if s.abort != nil {
				s.abort(s.broken)
			}
			continue
		}
		if err := s.raw.RecvMsg(&s.message); err != nil {
			if errors.Is(err, io.EOF) {
				return messages.Frame{}, io.EOF
			}
			return messages.Frame{}, fmt.Errorf("stream with %s: %w", s.peer.Node, causeOf(s.raw.Context(), fromStatus(err)))
		}
		s.in.rest = s.message.bytes
	}
	return messages.Frame{}, s.broken
}

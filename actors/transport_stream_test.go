package actors_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/messages"
)

func items(seq uint64, size int) messages.Frame {
	return messages.Frame{
		Header:  messages.Header{Type: messages.TypeHandoffItems, Kind: "kv", Partition: 7, Session: 9, Seq: seq},
		Payload: make([]byte, size),
	}
}

// connect starts nodes a and b and opens a stream from a, which b serves.
func connect(t *testing.T, fb fabric, serve func(s actors.Stream) error) (a, b actors.Transport, s actors.Stream) {
	t.Helper()
	a = startNode(t, fb, "a", 1, &recorder{})
	b = startNode(t, fb, "b", 1, &recorder{stream: serve})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	s, err := a.OpenStream(ctx, peerOf(b, "b", 1))
	if err != nil {
		t.Fatal(err)
	}
	return a, b, s
}

// acknowledge answers every frame, and ends when nothing follows.
func acknowledge(s actors.Stream) error {
	for {
		f, err := s.Recv()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		ack := messages.Frame{Header: messages.Header{Type: messages.TypeHandoffAck, Session: f.Session, Seq: f.Seq}}
		if err := s.Send(ack); err != nil {
			return err
		}
	}
}

func TestTransport_Stream_bothWays(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		_, _, s := connect(t, fb, acknowledge)
		const n = 500
		sent := make(chan error, 1)
		go func() {
			for i := range uint64(n) {
				if err := s.Send(items(i, int(i)*100)); err != nil {
					sent <- err
					return
				}
			}
			sent <- s.CloseSend()
		}()
		for i := range uint64(n) {
			f, err := s.Recv()
			if err != nil || f.Seq != i || f.From != "b" || f.To != "a" || f.ClusterID != ourCluster {
				t.Fatalf("ack %d: %+v, %v", i, f.Header, err)
			}
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := s.Recv(); !errors.Is(err, io.EOF) {
				t.Errorf("after the last frame: %v, want EOF", err)
			}
		}
	})
}

// TestTransport_Stream_backpressure wants a sender to wait for a receiver that doesn't read.
func TestTransport_Stream_backpressure(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		release := make(chan struct{})
		a, b, s := connect(t, fb, func(s actors.Stream) error {
			<-release
			return acknowledge(s)
		})
		defer close(release)
		_ = s
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		slow, err := a.OpenStream(ctx, peerOf(b, "b", 1))
		if err != nil {
			t.Fatal(err)
		}
		sent := 0
		for err == nil && sent < 64 {
			if err = slow.Send(items(1, 1<<20)); err == nil {
				sent++
			}
		}
		if err == nil || sent == 0 {
			t.Errorf("%d MiB went to a receiver that doesn't read (%v)", sent, err)
		}
		if err := recvErr(slow); !errors.Is(err, messages.ErrTimeout) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the waiting ended with %v, want the deadline", err)
		}
	})
}

// TestTransport_Stream_refusal wants the handler's typed error at the opener, with its fields.
func TestTransport_Stream_refusal(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		_, _, s := connect(t, fb, func(s actors.Stream) error {
			if err := s.Send(items(1, 10)); err != nil {
				return err
			}
			return fmt.Errorf("admit: %w", &messages.Error{Code: uint32(messages.CodeStaleSession), Op: "admit", Session: 12})
		})
		if f, err := s.Recv(); err != nil || f.Seq != 1 {
			t.Fatalf("the frame before the refusal: %+v, %v", f.Header, err)
		}
		_, err := s.Recv()
		var e *messages.Error
		if !errors.Is(err, messages.ErrStaleSession) || !errors.As(err, &e) || e.GetSession() != 12 {
			t.Errorf("refused with %v, want ErrStaleSession of session 12", err)
		}
		for err = nil; err == nil; {
			err = s.Send(items(2, 10))
		}
	})
}

func TestTransport_Stream_cancelled(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		ended := make(chan error, 1)
		a := startNode(t, fb, "a", 1, &recorder{})
		b := startNode(t, fb, "b", 1, &recorder{stream: func(s actors.Stream) error {
			_, err := s.Recv()
			<-s.Context().Done()
			ended <- err
			return err
		}})
		ctx, cancel := context.WithCancel(t.Context())
		s, err := a.OpenStream(ctx, peerOf(b, "b", 1))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; !errors.Is(err, messages.ErrCancelled) {
			t.Errorf("the accepting side read %v, want ErrCancelled", err)
		}
		if _, err := s.Recv(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("the opener read %v", err)
		}
		<-s.Context().Done()
		if _, err := a.OpenStream(ctx, peerOf(b, "b", 1)); err == nil {
			t.Error("opened a stream with a context that had ended")
		}
	})
}

// TestTransport_Stream_close ends a stream from either side's Close, with a typed error on both.
func TestTransport_Stream_close(t *testing.T) {
	for _, who := range []string{"opener", "acceptor"} {
		t.Run(who, func(t *testing.T) {
			conform(t, func(t *testing.T, fb fabric) {
				begun, ended := make(chan struct{}), make(chan error, 1)
				a, b, s := connect(t, fb, func(s actors.Stream) error {
					close(begun)
					_, err := s.Recv()
					ended <- err
					return err
				})
				<-begun // one that is closed before never serves the stream
				if who == "opener" {
					closeNode(t, a)
				} else {
					closeNode(t, b)
				}
				for side, err := range map[string]error{"acceptor": <-ended, "opener": recvErr(s)} {
					var typed *messages.Error
					if !errors.As(err, &typed) && !errors.Is(err, messages.ErrClosed) && !errors.Is(err, messages.ErrCancelled) {
						t.Errorf("the %s read %v", side, err)
					}
				}
			})
		})
	}
}

func recvErr(s actors.Stream) error {
	_, err := s.Recv()
	return err
}

// TestTransport_Stream_unknownType wants the frame with a typed error, and the stream alive.
func TestTransport_Stream_unknownType(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		got := make(chan error, 2)
		_, _, s := connect(t, fb, func(s actors.Stream) error {
			for range 2 {
				_, err := s.Recv()
				got <- err
			}
			return nil
		})
		strange := items(1, 10)
		strange.Type = 250
		for _, f := range []messages.Frame{strange, items(2, 10)} {
			if err := s.Send(f); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-got; !errors.Is(err, messages.ErrUnknownType) {
			t.Errorf("first: %v, want ErrUnknownType", err)
		}
		if err := <-got; err != nil {
			t.Errorf("second: %v", err)
		}
	})
}

func TestTransport_Stream_limits(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		closing := make(chan error, 1)
		_, _, s := connect(t, fb, func(s actors.Stream) error {
			closing <- s.CloseSend()
			return acknowledge(s)
		})
		if err := <-closing; !errors.Is(err, messages.ErrInvalid) {
			t.Errorf("the accepting side closes its sending side: %v, want ErrInvalid", err)
		}
		if err := s.Send(items(1, messages.MaxFrameSize)); !errors.Is(err, messages.ErrTooLarge) {
			t.Errorf("over the limit: %v, want ErrTooLarge", err)
		}
		if err := s.Send(items(2, messages.MaxPayloadSize)); err != nil {
			t.Fatal(err)
		}
		if f, err := s.Recv(); err != nil || f.Seq != 2 {
			t.Errorf("ack of the largest frame: %+v, %v", f.Header, err)
		}
		if s.Peer().Node != "b" {
			t.Errorf("the peer is %+v", s.Peer())
		}
	})
}

func TestTransport_OpenStream_unreachable(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		a := startNode(t, fb, "a", 1, &recorder{})
		b := startNode(t, fb, "b", 1, &recorder{})
		to := peerOf(b, "b", 1)
		closeNode(t, b)
		if _, err := a.OpenStream(t.Context(), to); !errors.Is(err, messages.ErrUnavailable) {
			t.Errorf("err %v, want ErrUnavailable", err)
		}
	})
}

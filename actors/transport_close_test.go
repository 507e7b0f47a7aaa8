package actors_test

import (
	"context"
	"errors"
	"testing"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/messages"
)

// TestTransport_Close_flushes wants everything that Send took to arrive, and nothing taken afterwards.
func TestTransport_Close_flushes(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		const n = 5_000
		got := &recorder{}
		a := startNode(t, fb, "a", 1, &recorder{})
		b := peerOf(startNode(t, fb, "b", 1, got), "b", 1)
		for i := range uint64(n) {
			if err := a.Send(b, request(i)); err != nil {
				t.Fatal(err)
			}
		}
		closeNode(t, a)
		got.mu.Lock()
		if len(got.frames) != n {
			t.Errorf("%d frames of %d had arrived when Close returned", len(got.frames), n)
		}
		got.mu.Unlock()
		closeNode(t, a)
		if err := a.Send(b, request(0)); !errors.Is(err, messages.ErrClosed) {
			t.Errorf("send after close: %v, want ErrClosed", err)
		}
		if _, err := a.OpenStream(t.Context(), b); !errors.Is(err, messages.ErrClosed) {
			t.Errorf("open after close: %v, want ErrClosed", err)
		}
		if err := a.Serve(&recorder{}); !errors.Is(err, messages.ErrClosed) {
			t.Errorf("serve after close: %v, want ErrClosed", err)
		}
	})
}

// TestTransport_Close_impatient wants Close to return at once while a peer stands still, and to end after all.
func TestTransport_Close_impatient(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		got := &recorder{gate: make(chan struct{})}
		a := startNode(t, fb, "a", 1, &recorder{})
		b := peerOf(startNode(t, fb, "b", 1, got), "b", 1)
		f := request(1)
		f.Payload = make([]byte, messages.MaxPayloadSize/4)
		for range 4 {
			if err := a.Send(b, f); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := a.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("close: %v, want nothing or the context's error", err)
		}
		closeNode(t, a)
		close(got.gate)
	})
}

func TestTransport_Serve_twice(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		a := startNode(t, fb, "a", 1, &recorder{})
		if err := a.Serve(&recorder{}); !errors.Is(err, messages.ErrInvalid) {
			t.Errorf("serve twice: %v, want ErrInvalid", err)
		}
	})
}

// TestTransport_node_errors wants options that can't work refused before anything runs.
func TestTransport_node_errors(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		a := startNode(t, fb, "a", 1, &recorder{})
		tests := []struct {
			name   string
			change func(o *actors.TransportOptions)
			want   error
		}{
			{"no name", func(o *actors.TransportOptions) { o.Node = "" }, messages.ErrInvalid},
			{"no cluster", func(o *actors.TransportOptions) { o.ClusterID = [16]byte{} }, messages.ErrInvalid},
			{"negative limit", func(o *actors.TransportOptions) { o.MaxBacklog = -1 }, messages.ErrInvalid},
			{"address in use", func(o *actors.TransportOptions) { o.Addr = a.Addr() }, actors.ErrAddrInUse},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				o := options("b", 1)
				tt.change(&o)
				tr, err := fb.node(o)
				if !errors.Is(err, tt.want) {
					t.Errorf("err %v, want %v", err, tt.want)
				}
				if err == nil {
					closeNode(t, tr)
				}
			})
		}
	})
}

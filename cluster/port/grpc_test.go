package port_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster/port"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
)

type inbox chan messages.Frame

func (i inbox) HandleFrame(f messages.Frame)       { i <- f }
func (i inbox) HandleStream(_ actors.Stream) error { return nil }
func (i inbox) HandleLink(_ actors.LinkEvent)      {}

// The transport of production takes the port's listener and dialer as they are.
func TestTransportRunsOverThePort(t *testing.T) {
	transport := func(node ring.NodeID, h actors.Handler) actors.Transport {
		p := listen(t, node, ours, nil)
		tr, err := actors.NewGRPC(actors.GRPCOptions{
			TransportOptions: actors.TransportOptions{Node: node, Incarnation: 1, ClusterID: ours},
			Listener:         p.Listener(port.Nodes),
			Dial: func(ctx context.Context, addr string) (net.Conn, error) {
				return p.Dial(ctx, addr, port.Nodes)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := tr.Close(ctx); err != nil {
				t.Error(err)
			}
		})
		if err := tr.Serve(h); err != nil {
			t.Fatal(err)
		}
		return tr
	}
	arrived := make(inbox, 1)
	a, b := transport("a", make(inbox, 1)), transport("b", arrived)
	frame := messages.Frame{Header: messages.Header{Type: messages.TypeRequest}, Payload: []byte("over one port")}
	if err := a.Send(actors.Peer{Node: "b", Incarnation: 1, Addr: b.Addr()}, frame); err != nil {
		t.Fatal(err)
	}
	select {
	case f := <-arrived:
		if string(f.Payload) != "over one port" || f.From != "a" {
			t.Errorf("frame from %s: %q", f.From, f.Payload)
		}
	case <-time.After(patience):
		t.Fatal("the frame did not arrive")
	}
}

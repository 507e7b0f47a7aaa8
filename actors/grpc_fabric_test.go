package actors_test

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/messages"
)

type grpcFabric struct{}

func (grpcFabric) node(opts actors.TransportOptions) (actors.Transport, error) {
	return actors.NewGRPC(actors.GRPCOptions{TransportOptions: opts})
}

func (grpcFabric) damage(t *testing.T, to actors.Peer) {
	t.Helper()
	s := dialRaw(t, to)
	bad, err := messages.AppendFrame(nil, new(request(1)))
	if err != nil {
		t.Fatal(err)
	}
	bad[len(bad)-1] ^= 1
	if err := s.SendMsg(&bad); err != nil {
		t.Fatal(err)
	}
	// The node ends the stream with a status.
	var none []byte
	if err := s.RecvMsg(&none); err == nil {
		t.Error("the node answered damage with a message")
	}
}

// bytesCodec lets a test write what it likes to a node's streams.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "bytes" }

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("marshal %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(*b)}, nil
}

func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("unmarshal %T", v)
	}
	*b = data.Materialize()
	return nil
}

// dialRaw opens a link to a node as mallory does, past the handshake.
func dialRaw(t *testing.T, to actors.Peer) grpc.ClientStream {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///"+to.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bytesCodec{})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	s, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/baton.Node/Peer")
	if err != nil {
		t.Fatal(err)
	}
	payload, err := messages.Encode(&messages.Hello{
		ProtocolVersion: messages.ProtocolVersion, ClusterId: ourCluster[:], Node: "mallory", Incarnation: 1,
		ToNode: string(to.Node), ToIncarnation: to.Incarnation,
	})
	if err != nil {
		t.Fatal(err)
	}
	hello, err := messages.AppendFrame(nil, &messages.Frame{
		Header:  messages.Header{Type: messages.TypeHello, ClusterID: ourCluster, From: "mallory", FromIncarnation: 1},
		Payload: payload,
	})
	if err != nil {
		t.Fatal(err)
	}
	var reply []byte
	if err := s.SendMsg(&hello); err != nil {
		t.Fatal(err)
	}
	if err := s.RecvMsg(&reply); err != nil {
		t.Fatal(err)
	}
	return s
}

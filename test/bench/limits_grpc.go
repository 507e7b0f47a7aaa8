package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func discard(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }

// limitGRPC is a stream of byte values as protobuf, 64 KiB each: what gRPC does
// out of the box. An operation is a megabyte; the known figure is 2.67 us per
// KiB.
var limitGRPC = Limit{CPU: 2.67 * 1e6 / 1024, Case: Case{Name: "grpc/bytes-value/64KiB", Unit: "MB/s", Run: func(m *Meter) error {
	value := &wrapperspb.BytesValue{Value: make([]byte, 64<<10)}
	return grpcStream(m, nil, 16_000, len(value.Value), value, func() any { return new(wrapperspb.BytesValue) })
}}}

// limitGRPCRaw is the same with a codec that takes the bytes as they are.
var limitGRPCRaw = Limit{Case: Case{Name: "grpc/raw/64KiB", Unit: "MB/s", Run: func(m *Meter) error {
	block := make([]byte, 64<<10)
	return grpcStream(m, rawCodec{}, 32_000, len(block), &block, func() any { return new([]byte) })
}}}

// rawCodec hands a *[]byte over as it is. A received block is left where it was
// read: the benchmark looks at its length only.
type rawCodec struct{}

func (rawCodec) Name() string { return "raw" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("raw codec: %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(*b)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("raw codec: %T", v)
	}
	*b = data.Materialize()
	return nil
}

// streamName is the method of the benchmark's service.
const streamName = "/bench.Bytes/Take"

// takeHandler receives until the client has ended and then answers once.
func takeHandler(fresh func() any) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		for {
			msg := fresh()
			err := stream.RecvMsg(msg)
			if errors.Is(err, io.EOF) {
				return stream.SendMsg(msg)
			}
			if err != nil {
				return err
			}
		}
	}
}

// grpcStream sends n messages of size bytes over one stream on loopback.
func grpcStream(m *Meter, codec encoding.CodecV2, n, size int, msg any, fresh func() any) error {
	n = m.Count(n)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var serverOptions []grpc.ServerOption
	var callOptions []grpc.CallOption
	if codec != nil {
		serverOptions = append(serverOptions, grpc.ForceServerCodecV2(codec))
		callOptions = append(callOptions, grpc.ForceCodecV2(codec))
	}
	server := grpc.NewServer(serverOptions...)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Bytes",
		HandlerType: (*any)(nil),
		Streams:     []grpc.StreamDesc{{StreamName: "Take", Handler: takeHandler(fresh), ClientStreams: true, ServerStreams: true}},
	}, struct{}{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() { server.Stop(); <-served }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	stream, err := conn.NewStream(context.Background(), desc, streamName, callOptions...)
	if err != nil {
		return err
	}
	m.Start()
	for range n {
		if err := stream.SendMsg(msg); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if err := stream.RecvMsg(fresh()); err != nil {
		return err
	}
	m.Stop(float64(n) * float64(size) / 1e6)
	return nil
}

package actors_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/messages"
)

func TestGRPC_addressInUse(t *testing.T) {
	a := startNode(t, grpcFabric{}, "a", 1, &recorder{})
	o := options("b", 1)
	o.Addr = a.Addr()
	_, err := actors.NewGRPC(actors.GRPCOptions{TransportOptions: o})
	if !errors.Is(err, actors.ErrAddrInUse) || !strings.Contains(err.Error(), a.Addr()) || !strings.Contains(err.Error(), "another address") {
		t.Errorf("err %v, want ErrAddrInUse with the address and what to do", err)
	}
	o.Addr = "no such host:1"
	if _, err := actors.NewGRPC(actors.GRPCOptions{TransportOptions: o}); err == nil || errors.Is(err, actors.ErrAddrInUse) {
		t.Errorf("listen on nonsense: %v", err)
	}
}

// TestGRPC_silentPeer bounds the wait for a peer that accepts and says nothing.
func TestGRPC_silentPeer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	seen := &recorder{}
	o := options("a", 1)
	o.HandshakeTimeout = 50 * time.Millisecond
	a := startWith(t, grpcFabric{}, o, seen)
	to := actors.Peer{Node: "b", Incarnation: 1, Addr: l.Addr().String()}
	if err := a.Send(to, request(1)); err != nil {
		t.Fatal(err)
	}
	if e := seen.waitLink(t, "news of the silent peer", down); !errors.Is(e.Err, messages.ErrUnavailable) {
		t.Errorf("told %v, want ErrUnavailable", e.Err)
	}
	if _, err := a.OpenStream(t.Context(), to); !errors.Is(err, messages.ErrUnavailable) {
		t.Errorf("stream: %v, want ErrUnavailable", err)
	}
}

// TestGRPC_stranger meets a gRPC server that has no such service.
func TestGRPC_stranger(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() {
		server.Stop()
		<-served
	}()
	a := startNode(t, grpcFabric{}, "a", 1, &recorder{})
	_, err = a.OpenStream(t.Context(), actors.Peer{Node: "b", Incarnation: 1, Addr: l.Addr().String()})
	if !errors.Is(err, messages.ErrVersion) {
		t.Errorf("err %v, want ErrVersion", err)
	}
}

// TestGRPC_seams runs two nodes over TLS, a listener and a dialler of the caller's.
func TestGRPC_seams(t *testing.T) {
	server, client := selfSigned(t)
	var dialled atomic.Int32
	start := func(o actors.TransportOptions, h actors.Handler) actors.Transport {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		tr, err := actors.NewGRPC(actors.GRPCOptions{
			TransportOptions: o, Listener: l, ServerCredentials: server, ClientCredentials: client,
			Dial: func(ctx context.Context, addr string) (net.Conn, error) {
				dialled.Add(1)
				var d net.Dialer
				return d.DialContext(ctx, "tcp", addr)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeNode(t, tr) })
		if err := tr.Serve(h); err != nil {
			t.Fatal(err)
		}
		if tr.Addr() != l.Addr().String() {
			t.Errorf("listens at %s, want %s", tr.Addr(), l.Addr())
		}
		return tr
	}
	got := &recorder{stream: acknowledge}
	a := start(options("a", 1), &recorder{})
	b := peerOf(start(options("b", 1), got), "b", 1)
	if err := a.Send(b, request(1)); err != nil {
		t.Fatal(err)
	}
	got.waitFrames(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := a.OpenStream(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Send(items(5, 100)), s.CloseSend()); err != nil {
		t.Fatal(err)
	}
	if f, err := s.Recv(); err != nil || f.Seq != 5 {
		t.Errorf("ack %+v, %v", f.Header, err)
	}
	if _, err := s.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the ack: %v, want EOF", err)
	}
	if n := dialled.Load(); n != 2 {
		t.Errorf("%d connections, want one for the link and one for the stream", n)
	}
	plain := startNode(t, grpcFabric{}, "c", 1, &recorder{})
	if _, err := plain.OpenStream(t.Context(), b); !errors.Is(err, messages.ErrUnavailable) {
		t.Errorf("without TLS: %v, want ErrUnavailable", err)
	}
}

func selfSigned(t *testing.T) (server, client credentials.TransportCredentials) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	server = credentials.NewServerTLSFromCert(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	return server, credentials.NewClientTLSFromCert(roots, "")
}

// TestToStatus_roundTrip wants every typed error to survive the gRPC edge with its fields.
func TestToStatus_roundTrip(t *testing.T) {
	for code := messages.Code(1); code < 128; code++ {
		sent := &messages.Error{Code: uint32(code), Op: "op", Operand: "x", Message: "what", Session: 7}
		st := actors.ToStatus(sent)
		if c := status.Code(st); c == codes.OK || c == codes.Unknown {
			t.Errorf("code %v travels as %v", code, c)
		}
		var got *messages.Error
		if err := actors.FromStatus(st); !errors.As(err, &got) || got.GetCode() != uint32(code) || got.GetSession() != 7 {
			t.Errorf("code %v came back as %v", code, err)
		}
	}
	if actors.ToStatus(nil) != nil || actors.FromStatus(nil) != nil {
		t.Error("no error became one")
	}
	if err := actors.FromStatus(io.EOF); !errors.Is(err, io.EOF) {
		t.Errorf("EOF became %v", err)
	}
}

// TestFromStatus_foreign gives statuses a meaning that gRPC itself made.
func TestFromStatus_foreign(t *testing.T) {
	for code, want := range map[codes.Code]error{
		codes.Unavailable: messages.ErrUnavailable, codes.Internal: messages.ErrUnavailable,
		codes.Canceled: messages.ErrCancelled, codes.DeadlineExceeded: messages.ErrTimeout,
		codes.ResourceExhausted: messages.ErrTooLarge, codes.Unimplemented: messages.ErrVersion,
	} {
		if err := actors.FromStatus(status.Error(code, "words")); !errors.Is(err, want) || err.Error() != "words" {
			t.Errorf("%v became %v, want %v", code, err, want)
		}
	}
}

// TestPack_law wants all frames in order, whatever their sizes, and no large payload copied beside small ones.
func TestPack_law(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(3_000, 6_000), rapid.IntRange(50_000, 70_000))
		var frames []messages.Frame
		for i, n := range rapid.SliceOfN(size, 1, 100).Draw(t, "sizes") {
			f := request(uint64(i))
			f.Payload = bytes.Repeat([]byte{byte(i)}, n)
			frames = append(frames, f)
		}
		seen := 0
		for seen < len(frames) {
			segments, n, err := actors.Pack(frames[seen:])
			if err != nil || n == 0 {
				t.Fatalf("pack = %d frames, %v", n, err)
			}
			rest := bytes.Join(segments, nil)
			for range n {
				f, size, err := messages.ParseFrame(rest, nil)
				if err != nil || f.Seq != uint64(seen) || !bytes.Equal(f.Payload, frames[seen].Payload) {
					t.Fatalf("frame %d: %+v, %v", seen, f.Header, err)
				}
				rest = rest[size:]
				seen++
			}
			if len(rest) > 0 || len(segments) > 2 {
				t.Fatalf("%d bytes left over, %d buffers", len(rest), len(segments))
			}
		}
	})
}

package actors

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
)

// streamEnds returns the two ends of a stream over a pipe, past the handshake, as b opened it to a. Neither has begun.
func streamEnds() (a, b *tcpStream) {
	there, here := net.Pipe()
	end := func(self, peer ring.NodeID, conn net.Conn, opener bool) *tcpStream {
		o := TransportOptions{Node: self, Incarnation: 1, ClusterID: [16]byte{1}}.withDefaults()
		t := &GRPC{opts: GRPCOptions{TransportOptions: o}, id: newIdentity(o, string(self))}
		return newTCPStream(t, conn, Peer{Node: peer, Incarnation: 1}, opener)
	}
	return end("a", "b", there, false), end("b", "a", here, true)
}

// TestTCPStream_idle wants a stream on which nothing happens to stay, and both ends to notice the end of the other's.
func TestTCPStream_idle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := streamEnds()
		ctx, cancel := context.WithCancel(t.Context())
		a.begin(t.Context())
		b.begin(ctx)
		got := make(chan error, 2)
		for _, s := range []*tcpStream{a, b} {
			go func() {
				_, err := s.Recv()
				got <- err
			}()
		}
		<-time.After(time.Hour)
		if len(got) > 0 {
			t.Fatalf("an idle stream ended: %v", <-got)
		}
		cancel()
		for range 2 {
			if err := <-got; !errors.Is(err, messages.ErrCancelled) && !errors.Is(err, context.Canceled) {
				t.Errorf("after the cancellation: %v", err)
			}
		}
		<-a.Context().Done()
		a.t.work.Wait()
		b.t.work.Wait()
	})
}

// TestTCPStream_silence wants a peer that does not even say that it lives to be given up.
func TestTCPStream_silence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := streamEnds()
		a.ctx, a.cancel = context.WithCancelCause(t.Context()) // begun, but it never beats
		b.begin(t.Context())
		go func() {
			for {
				if _, err := a.conn.Read(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		}()
		began := time.Now()
		if _, err := b.Recv(); !errors.Is(err, messages.ErrUnavailable) {
			t.Errorf("the silent peer: %v, want ErrUnavailable", err)
		}
		if took := time.Since(began); took != silenceMax {
			t.Errorf("given up after %v, want %v", took, silenceMax)
		}
		b.t.work.Wait()
	})
}

// FuzzTCPStream gives a node whatever bytes as a stream: a handshake, then frames.
func FuzzTCPStream(f *testing.F) {
	o := TransportOptions{Node: "a", Incarnation: 1, ClusterID: [16]byte{1}}.withDefaults()
	from := o
	from.Node = "b"
	id := newIdentity(from, "b")
	hello, err := id.hello(Peer{Node: "a", Incarnation: 1})
	if err != nil {
		f.Fatal(err)
	}
	seed, err := messages.AppendFrame(nil, &hello)
	if err != nil {
		f.Fatal(err)
	}
	greeted := len(seed)
	for _, typ := range []messages.Type{messages.TypeHandoffItems, messages.TypeAlive, 250, messages.TypeEnd} {
		fr := messages.Frame{Header: messages.Header{Type: typ, Seq: 1}, Payload: []byte("items")}
		id.stamp(&fr, Peer{Node: "a", Incarnation: 1})
		if seed, err = messages.AppendFrame(seed, &fr); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(seed)
	f.Add(seed[:greeted])
	f.Add(seed[:len(seed)-3])
	f.Add(append([]byte{0, 0}, seed...))
	f.Fuzz(func(t *testing.T, b []byte) {
		there, here := net.Pipe()
		go func() {
			_, _ = there.Write(b)
			_ = there.Close()
		}()
		tr := &GRPC{opts: GRPCOptions{TransportOptions: o}, id: newIdentity(o, "a")}
		defer here.Close()
		s := newTCPStream(tr, here, Peer{Node: "b", Incarnation: 1}, false)
		s.ctx, s.cancel = context.WithCancelCause(t.Context())
		first, err := s.first()
		if err == nil {
			_, _, err = tr.id.accept(first)
		}
		if err != nil {
			return
		}
		for {
			fr, err := s.Recv()
			switch {
			case err != nil && !errors.Is(err, messages.ErrUnknownType):
				return
			case fr.Type == messages.TypeEnd || fr.Type == messages.TypeAlive || fr.To != "a" || fr.ToIncarnation != 1:
				t.Fatalf("received %+v", fr.Header)
			}
		}
	})
}

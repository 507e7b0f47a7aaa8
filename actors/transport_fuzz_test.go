package actors_test

import (
	"errors"
	"testing"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/messages"
)

// collect is a Handler that keeps frames without locks.
type collect struct{ frames []messages.Frame }

func (c *collect) HandleFrame(f messages.Frame)     { c.frames = append(c.frames, f) }
func (c *collect) HandleLink(actors.LinkEvent)      {}
func (c *collect) HandleStream(actors.Stream) error { return nil }

// FuzzDeliver gives a node any bytes from a peer: it delivers only frames that are whole, known and meant for it.
func FuzzDeliver(f *testing.F) {
	good := request(1)
	good.ClusterID, good.From, good.To, good.ToIncarnation = ourCluster, "a", "b", 4
	strange := good
	strange.Type = 250
	foreign := good
	foreign.ClusterID = [16]byte{9}
	late := good
	late.ToIncarnation = 3
	astray := good
	astray.To = "c"
	var all []byte
	for _, fr := range []messages.Frame{good, strange, foreign, late, astray, good} {
		var err error
		if all, err = messages.AppendFrame(all, &fr); err != nil {
			f.Fatal(err)
		}
		f.Add(all)
	}
	f.Add(all[:len(all)-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		var got collect
		stats, err := actors.Deliver(options("b", 4), b, &got)
		if err != nil && !refusedBytes(err) {
			t.Fatalf("untyped error %v", err)
		}
		if (err != nil) != (stats.Damaged == 1) || stats.FramesReceived != uint64(len(got.frames))+stats.UnknownTypes {
			t.Fatalf("delivered %d, counted %+v, %v", len(got.frames), stats, err)
		}
		for _, fr := range got.frames {
			if fr.ClusterID != ourCluster || fr.To != "b" || fr.ToIncarnation != 4 || !fr.Type.Known() {
				t.Fatalf("delivered %+v", fr.Header)
			}
		}
	})
}

// FuzzHandshake gives both sides of a handshake any first frame.
func FuzzHandshake(f *testing.F) {
	hello, err := messages.Encode(&messages.Hello{
		ProtocolVersion: messages.ProtocolVersion, ClusterId: ourCluster[:], Node: "a", Incarnation: 1, ToNode: "b", ToIncarnation: 4,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(byte(messages.TypeHello), hello)
	f.Add(byte(messages.TypeHelloReply), hello)
	f.Add(byte(messages.TypeRequest), []byte("x"))
	f.Fuzz(func(t *testing.T, typ byte, payload []byte) {
		first := messages.Frame{Header: messages.Header{Type: messages.Type(typ), From: "a", FromIncarnation: 1}, Payload: payload}
		peer, reply, err := actors.Accept(options("b", 4), first)
		if reply.Type != messages.TypeHelloReply {
			t.Fatalf("answered %v", reply.Type)
		}
		if err == nil && (typ != byte(messages.TypeHello) || peer.Node == "") {
			t.Fatalf("accepted %v from %+v", first.Type, peer)
		}
		var e *messages.Error
		if err != nil && errors.As(err, &e) && e.GetCode() == 0 {
			t.Fatalf("refused without a code: %v", err)
		}
		if err := actors.Check(options("b", 4), first, actors.Peer{Node: "c", Incarnation: 1}); err == nil &&
			typ != byte(messages.TypeHelloReply) {
			t.Fatalf("took %v for an answer", first.Type)
		}
	})
}

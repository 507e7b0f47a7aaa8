package actors_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/messages"
)

// conform runs a test over every transport and looks for goroutines that it left behind.
func conform(t *testing.T, test func(t *testing.T, fb fabric)) {
	for _, fb := range fabrics() {
		t.Run(fb.name, func(t *testing.T) {
			running := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, running) })
			test(t, fb.new(t))
		})
	}
}

func down(e actors.LinkEvent) bool { return !e.Up && !e.Inbound }
func up(e actors.LinkEvent) bool   { return e.Up }

func TestTransport_Send_order(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		const n = 20_000
		got := &recorder{}
		a := startNode(t, fb, "a", 1, &recorder{})
		b := startNode(t, fb, "b", 1, got)
		to := peerOf(b, "b", 1)
		for i := range uint64(n) {
			f := request(i)
			if i%1000 == 0 {
				f.Payload = make([]byte, 100_000)
			}
			if err := a.Send(to, f); err != nil {
				t.Fatal(err)
			}
		}
		for i, f := range got.waitFrames(t, n) {
			if f.Seq != uint64(i) {
				t.Fatalf("frame %d has sequence %d", i, f.Seq)
			}
		}
		closeNode(t, a)
		sent, received := a.Stats(), b.Stats()
		if sent.FramesSent != n || received.FramesReceived != n || sent.BytesSent != received.BytesReceived || received.Fenced != 0 {
			t.Errorf("counted %+v and %+v", sent, received)
		}
	})
}

func TestTransport_Send_header(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		got := &recorder{}
		a := startNode(t, fb, "a", 3, &recorder{})
		b := peerOf(startNode(t, fb, "b", 4, got), "b", 4)
		sent := messages.Frame{Header: messages.Header{
			Type: messages.TypeResponse, Flags: 5, Code: messages.CodeFrozen, Kind: "kv", Partition: 6, RingVersion: 7, Epoch: 8,
			Session: 9, Seq: 10, Endpoint: 11,
		}, Payload: []byte("payload")}
		forwarded := sent
		forwarded.Hop, forwarded.From, forwarded.FromIncarnation = 1, "origin", 12
		for _, f := range []messages.Frame{sent, forwarded} {
			if err := a.Send(b, f); err != nil {
				t.Fatal(err)
			}
		}
		sent.From, sent.FromIncarnation = "a", 3
		want := []messages.Frame{sent, forwarded}
		for i := range want {
			want[i].ClusterID, want[i].To, want[i].ToIncarnation = ourCluster, "b", 4
		}
		if diff := cmp.Diff(want, got.waitFrames(t, 2)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestTransport_Send_self treats a node as its own peer.
func TestTransport_Send_self(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		got := &recorder{}
		a := startNode(t, fb, "a", 1, got)
		if err := a.Send(peerOf(a, "a", 1), request(7)); err != nil {
			t.Fatal(err)
		}
		if f := got.waitFrames(t, 1)[0]; f.Seq != 7 || f.From != "a" || f.To != "a" {
			t.Errorf("arrived %+v", f.Header)
		}
	})
}

func TestTransport_Send_largest(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		got := &recorder{}
		a := startNode(t, fb, "a", 1, &recorder{})
		b := peerOf(startNode(t, fb, "b", 1, got), "b", 1)
		f := request(1)
		pattern := make([]byte, 64<<10+1) // of no buffer's size
		for i := range pattern {
			pattern[i] = byte(i * 7 >> 3)
		}
		f.Payload = bytes.Repeat(pattern, messages.MaxPayloadSize/len(pattern)+1)[:messages.MaxPayloadSize]
		for range 2 {
			if err := a.Send(b, f); err != nil {
				t.Fatal(err)
			}
		}
		got.waitFrames(t, 1) // each has its own time
		for _, g := range got.waitFrames(t, 2) {
			if !bytes.Equal(g.Payload, f.Payload) {
				t.Error("the payload changed on its way")
			}
		}
		f.Payload = make([]byte, messages.MaxFrameSize)
		if err := a.Send(b, f); !errors.Is(err, messages.ErrTooLarge) {
			t.Errorf("over the limit: %v, want ErrTooLarge", err)
		}
	})
}

// TestTransport_Send_backlog lets a receiver stand still: senders are refused, never blocked, and what was taken arrives.
func TestTransport_Send_backlog(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		got := &recorder{gate: make(chan struct{})}
		opts := options("a", 1)
		opts.MaxBacklog = 1 << 20
		a := startWith(t, fb, opts, &recorder{})
		b := peerOf(startNode(t, fb, "b", 1, got), "b", 1)
		f := request(0)
		f.Payload = make([]byte, 64<<10)
		taken := 0
		var err error
		for taken < 10_000 && err == nil {
			f.Seq = uint64(taken)
			if err = a.Send(b, f); err == nil {
				taken++
			}
		}
		if !errors.Is(err, actors.ErrBacklog) {
			t.Fatalf("after %d frames: %v, want ErrBacklog", taken, err)
		}
		close(got.gate)
		for i, f := range got.waitFrames(t, taken) {
			if f.Seq != uint64(i) {
				t.Fatalf("frame %d has sequence %d", i, f.Seq)
			}
		}
		// The last frame may be handled before its sender hears that it is written.
		for err = actors.ErrBacklog; errors.Is(err, actors.ErrBacklog); {
			err = a.Send(b, f)
		}
		if err != nil {
			t.Errorf("after the backlog has gone: %v", err)
		}
	})
}

// TestTransport_Send_deadAddress wants the failure told at once, and the link made when the peer is there.
func TestTransport_Send_deadAddress(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		seen, got := &recorder{}, &recorder{}
		a := startNode(t, fb, "a", 1, seen)
		b := startNode(t, fb, "b", 1, &recorder{})
		addr := b.Addr()
		closeNode(t, b)
		to := actors.Peer{Node: "b", Incarnation: 2, Addr: addr}
		if err := a.Send(to, request(1)); err != nil {
			t.Fatal(err)
		}
		e := seen.waitLink(t, "news of the dead peer", down)
		if !errors.Is(e.Err, messages.ErrUnavailable) || e.Dropped != 1 || e.Peer != to {
			t.Errorf("told %+v, want one frame dropped because b is unavailable", e)
		}
		if s := a.Stats(); s.Dropped != 1 || s.FramesSent != 0 {
			t.Errorf("counted %+v", s)
		}
		opts := options("b", 2)
		opts.Addr = addr
		startWith(t, fb, opts, got)
		if err := a.Send(to, request(2)); err != nil {
			t.Fatal(err)
		}
		if f := got.waitFrames(t, 1)[0]; f.Seq != 2 {
			t.Errorf("frame %d arrived, want 2", f.Seq)
		}
		seen.waitLink(t, "news of the living peer", up)
	})
}

// TestTransport_Send_restart replaces a peer by its next life.
func TestTransport_Send_restart(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		seen, first, second := &recorder{}, &recorder{}, &recorder{}
		a := startNode(t, fb, "a", 1, seen)
		b := startNode(t, fb, "b", 1, first)
		old := peerOf(b, "b", 1)
		if err := a.Send(old, request(1)); err != nil {
			t.Fatal(err)
		}
		first.waitFrames(t, 1)
		closeNode(t, b)
		seen.waitLink(t, "loss of the first life", down)
		opts := options("b", 2)
		opts.Addr = old.Addr
		startWith(t, fb, opts, second)

		if err := a.Send(old, request(2)); err != nil {
			t.Fatal(err)
		}
		seen.waitLink(t, "refusal of the old name", func(e actors.LinkEvent) bool { return errors.Is(e.Err, messages.ErrIncarnation) })

		next := old
		next.Incarnation = 2
		if err := a.Send(next, request(3)); err != nil {
			t.Fatal(err)
		}
		if f := second.waitFrames(t, 1)[0]; f.Seq != 3 {
			t.Errorf("frame %d arrived, want 3", f.Seq)
		}
		if err := a.Send(old, request(4)); !errors.Is(err, messages.ErrIncarnation) {
			t.Errorf("send to the former life: %v, want ErrIncarnation", err)
		}
	})
}

// TestTransport_Send_formerLife keeps frames out that an earlier life of a node still sends (rule F2).
func TestTransport_Send_formerLife(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		got := &recorder{}
		b := startNode(t, fb, "b", 1, got)
		to := peerOf(b, "b", 1)
		opts := options("a", 1)
		opts.Addr = addrFor(fb, "a1")
		paused := startWith(t, fb, opts, &recorder{})
		if err := paused.Send(to, request(1)); err != nil {
			t.Fatal(err)
		}
		got.waitFrames(t, 1)
		opts.Incarnation, opts.Addr = 2, addrFor(fb, "a2")
		restarted := startWith(t, fb, opts, &recorder{})
		if err := restarted.Send(to, request(2)); err != nil {
			t.Fatal(err)
		}
		got.waitFrames(t, 2)
		if err := paused.Send(to, request(3)); err != nil {
			t.Fatal(err)
		}
		closeNode(t, paused)
		closeNode(t, restarted)
		if frames := got.waitFrames(t, 2); len(frames) != 2 {
			t.Errorf("frame %d of the former life arrived", frames[2].Seq)
		}
		if s := b.Stats(); s.Fenced != 1 {
			t.Errorf("%d frames fenced, want 1", s.Fenced)
		}
	})
}

func addrFor(fb fabric, name string) string {
	if _, ok := fb.(grpcFabric); ok {
		return ""
	}
	return name
}

// TestTransport_unknownType wants a frame of another version dropped and counted, and the link alive.
func TestTransport_unknownType(t *testing.T) {
	conform(t, func(t *testing.T, fb fabric) {
		seen, got := &recorder{}, &recorder{}
		a := startNode(t, fb, "a", 1, seen)
		b := startNode(t, fb, "b", 1, got)
		to := peerOf(b, "b", 1)
		strange := request(1)
		strange.Type = 250
		for _, f := range []messages.Frame{strange, request(2)} {
			if err := a.Send(to, f); err != nil {
				t.Fatal(err)
			}
		}
		if f := got.waitFrames(t, 1)[0]; f.Seq != 2 {
			t.Errorf("frame %d arrived, want 2", f.Seq)
		}
		if s := b.Stats(); s.UnknownTypes != 1 || s.Damaged != 0 {
			t.Errorf("counted %+v", s)
		}
	})
}

// TestTransport_damage wants the link closed and told of, and nothing delivered.
func TestTransport_damage(t *testing.T) {
	for _, fb := range fabrics()[:2] { // by reference there are no bytes to damage
		t.Run(fb.name, func(t *testing.T) {
			impl := fb.new(t)
			got := &recorder{}
			b := startNode(t, impl, "b", 1, got)
			impl.damage(t, peerOf(b, "b", 1))
			e := got.waitLink(t, "news of damage", func(e actors.LinkEvent) bool { return e.Inbound })
			if e.Peer.Node != "mallory" || !refusedBytes(e.Err) {
				t.Errorf("told %+v", e)
			}
			if s := b.Stats(); s.Damaged != 1 || s.FramesReceived != 0 {
				t.Errorf("counted %+v", s)
			}
		})
	}
}

// refusedBytes reports whether err says that bytes were no frame; a flipped bit may make them look like several things.
func refusedBytes(err error) bool {
	return errors.Is(err, messages.ErrDamaged) || errors.Is(err, messages.ErrTooLarge) || errors.Is(err, messages.ErrVersion)
}

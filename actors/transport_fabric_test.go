package actors_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
)

// patience bounds every wait of these tests; it is reached only when something is broken.
const patience = time.Minute

var ourCluster = [16]byte{0xba, 0x70, 15: 1}

// fabric makes transports that reach each other.
type fabric interface {
	node(opts actors.TransportOptions) (actors.Transport, error)
	// damage lets a peer send bytes to a node that are no frame.
	damage(t *testing.T, to actors.Peer)
}

type namedFabric struct {
	name string
	new  func(testing.TB) fabric
}

func fabrics() []namedFabric {
	return []namedFabric{
		{"grpc", func(testing.TB) fabric { return grpcFabric{} }},
		{"switchboard", func(testing.TB) fabric {
			return boardFabric{actors.NewSwitchboard(actors.SwitchboardOptions{Seed: 1})}
		}},
		{"switchboard-by-reference", func(testing.TB) fabric {
			return boardFabric{actors.NewSwitchboard(actors.SwitchboardOptions{Seed: 1, ByReference: true})}
		}},
	}
}

func options(node ring.NodeID, incarnation uint64) actors.TransportOptions {
	return actors.TransportOptions{Node: node, Incarnation: incarnation, ClusterID: ourCluster}
}

func startNode(t testing.TB, fb fabric, node ring.NodeID, incarnation uint64, h actors.Handler) actors.Transport {
	t.Helper()
	return startWith(t, fb, options(node, incarnation), h)
}

func startWith(t testing.TB, fb fabric, opts actors.TransportOptions, h actors.Handler) actors.Transport {
	t.Helper()
	tr, err := fb.node(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNode(t, tr) })
	if err := tr.Serve(h); err != nil {
		t.Fatal(err)
	}
	return tr
}

func closeNode(t testing.TB, tr actors.Transport) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := tr.Close(ctx); err != nil {
		t.Error(err)
	}
}

func peerOf(tr actors.Transport, node ring.NodeID, incarnation uint64) actors.Peer {
	return actors.Peer{Node: node, Incarnation: incarnation, Addr: tr.Addr()}
}

type boardFabric struct{ board *actors.Switchboard }

func (b boardFabric) node(opts actors.TransportOptions) (actors.Transport, error) {
	return b.board.Node(opts)
}

func (b boardFabric) damage(t *testing.T, to actors.Peer) {
	t.Helper()
	b.board.SetFault("mallory", to.Node, actors.Fault{Corrupt: 1})
	mallory := startNode(t, b, "mallory", 1, &recorder{})
	if err := mallory.Send(to, request(1)); err != nil {
		t.Fatal(err)
	}
}

// frameFunc is a Handler that only cares for frames.
type frameFunc func(messages.Frame)

func (f frameFunc) HandleFrame(fr messages.Frame)        { f(fr) }
func (frameFunc) HandleLink(actors.LinkEvent)            {}
func (frameFunc) HandleStream(actors.Stream) (err error) { return messages.ErrRefused }

// recorder is a Handler that keeps what it is given.
type recorder struct {
	gate   chan struct{}               // when set, frames wait until it is closed
	stream func(s actors.Stream) error // when set, serves streams

	mu      sync.Mutex
	changed chan struct{}
	frames  []messages.Frame
	links   []actors.LinkEvent
}

func (r *recorder) HandleFrame(f messages.Frame) {
	if r.gate != nil {
		<-r.gate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames = append(r.frames, f)
	r.notify()
}

func (r *recorder) HandleLink(e actors.LinkEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.links = append(r.links, e)
	r.notify()
}

func (r *recorder) HandleStream(s actors.Stream) error {
	if r.stream == nil {
		return messages.ErrRefused
	}
	return r.stream(s)
}

func (r *recorder) notify() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// wait returns what pick takes from the recorder as soon as it is satisfied.
func wait[T any](t *testing.T, r *recorder, what string, pick func() (T, bool)) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		r.mu.Lock()
		got, ok := pick()
		if r.changed == nil {
			r.changed = make(chan struct{})
		}
		changed, frames, links := r.changed, len(r.frames), len(r.links)
		r.mu.Unlock()
		if ok {
			return got
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("no %s; have %d frames and %d link events", what, frames, links)
		}
	}
}

// waitFrames returns the first n frames.
func (r *recorder) waitFrames(t *testing.T, n int) []messages.Frame {
	t.Helper()
	return wait(t, r, "frames", func() ([]messages.Frame, bool) { return r.frames, len(r.frames) >= n })
}

// waitLink returns the first link event that match accepts.
func (r *recorder) waitLink(t *testing.T, what string, match func(actors.LinkEvent) bool) actors.LinkEvent {
	t.Helper()
	return wait(t, r, what, func() (actors.LinkEvent, bool) {
		for _, e := range r.links {
			if match(e) {
				return e, true
			}
		}
		return actors.LinkEvent{}, false
	})
}

func request(seq uint64) messages.Frame {
	return messages.Frame{
		Header:  messages.Header{Type: messages.TypeRequest, Kind: "kv", Partition: 7, Seq: seq},
		Payload: []byte("command"),
	}
}

package netfault_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dee2748c/baton/cluster/port"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/test/netfault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// world is two nodes behind proxies that send back what they are told.
type world struct {
	net   *netfault.Network
	ports map[ring.NodeID]*port.Port
	addrs map[ring.NodeID]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{netfault.New(), make(map[ring.NodeID]*port.Port), make(map[ring.NodeID]string)}
	var work sync.WaitGroup
	t.Cleanup(work.Wait)
	t.Cleanup(w.net.Close)
	for _, node := range []ring.NodeID{"a", "b"} {
		p, err := port.Listen(port.Options{
			Node: node, Logger: slog.New(slog.DiscardHandler), DialTimeout: patience, PrefaceTimeout: patience,
		})
		if err != nil {
			t.Fatal(err)
		}
		p.SetCluster(topology.ClusterID{1})
		l := p.Listener(port.Nodes)
		work.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				work.Go(func() {
					defer c.Close()
					_, _ = io.Copy(c, c)
				})
			}
		})
		t.Cleanup(func() { _ = p.Close() })
		if w.addrs[node], err = w.net.Proxy(node, p.Addr()); err != nil {
			t.Fatal(err)
		}
		w.ports[node] = p
	}
	return w
}

func (w *world) dial(t *testing.T, from, to ring.NodeID) net.Conn {
	t.Helper()
	c, err := w.ports[from].Dial(t.Context(), w.addrs[to], port.Nodes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func write(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("read %q, %v; want %q", b, err, want)
	}
}

// silent shows that nothing comes within a moment. That it would come later
// cannot be shown, so a fault that does nothing makes this fail, and slowness
// never does.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v through a cut", n, err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
}

func TestCutsHoldOneDirectionOfBothSidesConnections(t *testing.T) { // I1, I2
	for _, way := range []struct{ from, to ring.NodeID }{{"a", "b"}, {"b", "a"}} {
		w := newWorld(t)
		ab, ba := w.dial(t, "a", "b"), w.dial(t, "b", "a")
		for _, c := range []net.Conn{ab, ba} {
			write(t, c, "before")
			expect(t, c, "before")
		}
		w.net.CutOneWay(way.from, way.to)
		for _, c := range []net.Conn{ab, ba} {
			write(t, c, "during")
			silent(t, c)
		}
		w.net.Heal("a", "b")
		for _, c := range []net.Conn{ab, ba} {
			write(t, c, "after")
			expect(t, c, "duringafter")
		}
	}
}

func TestCutHidesNewConnections(t *testing.T) {
	w := newWorld(t)
	w.net.Split([]ring.NodeID{"a"}, []ring.NodeID{"b"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.ports["a"].Dial(ctx, w.addrs["b"], port.Nodes); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("dial through a cut: %v", err)
	}
	w.net.HealAll()
	c := w.dial(t, "a", "b")
	write(t, c, "x")
	expect(t, c, "x")
}

func TestStallAfter(t *testing.T) {
	w := newWorld(t)
	c := w.dial(t, "a", "b")
	w.net.StallAfter("b", "a", 3)
	write(t, c, "abcdef")
	expect(t, c, "abc")
	silent(t, c)
	if !w.net.Held("b", "a") || w.net.Held("a", "b") {
		t.Error("held is not what waits from b to a")
	}
	if to, back := w.net.Passed("a", "b"), w.net.Passed("b", "a"); to != 6 || back < 3 {
		t.Errorf("passed %d bytes, and %d back", to, back)
	}
	w.net.Heal("b", "a")
	expect(t, c, "def")
}

func TestDelay(t *testing.T) {
	w := newWorld(t)
	c := w.dial(t, "a", "b")
	const d = 50 * time.Millisecond
	w.net.Delay("a", "b", d)
	start := time.Now()
	write(t, c, "x")
	expect(t, c, "x")
	if took := time.Since(start); took < d {
		t.Errorf("took %v", took)
	}
}

func TestResetAndMove(t *testing.T) {
	w := newWorld(t)
	c := w.dial(t, "a", "b")
	w.net.Reset("b", "a")
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read after a reset: %v", err)
	}
	// The node behind the proxy restarts elsewhere.
	addr, err := w.net.Proxy("b", w.ports["a"].Addr())
	if err != nil || addr != w.addrs["b"] {
		t.Fatalf("proxy moved to %s, %v", addr, err)
	}
	again := w.dial(t, "b", "b")
	write(t, again, "x")
	expect(t, again, "x")
}

func TestMute(t *testing.T) {
	for _, way := range []struct{ from, to ring.NodeID }{{"a", "b"}, {"b", "a"}} {
		w := newWorld(t)
		w.net.Mute(way.from, way.to)
		c := w.dial(t, "a", "b")
		write(t, c, "during")
		silent(t, c)
		w.net.HealAll()
		expect(t, c, "during")
	}
}

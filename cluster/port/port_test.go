package port_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/port"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// patience ends a test that is stuck; no verdict depends on it.
const patience = 30 * time.Second

var ours, theirs = topology.ClusterID{1}, topology.ClusterID{2}

// journal keeps what a port logs.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
	new chan struct{}
}

func newJournal() *journal { return &journal{new: make(chan struct{}, 1)} }

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	select {
	case j.new <- struct{}{}:
	default:
	}
	return j.buf.Write(b)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// await waits until all words are in one line of the journal.
func (j *journal) await(t *testing.T, words ...string) {
	t.Helper()
	late := time.After(patience)
	for {
		j.mu.Lock()
		text := j.buf.String()
		j.mu.Unlock()
		for line := range strings.Lines(text) {
			found := 0
			for _, w := range words {
				if strings.Contains(line, w) {
					found++
				}
			}
			if found == len(words) {
				return
			}
		}
		select {
		case <-j.new:
		case <-late:
			t.Fatalf("no line with %q in %s", words, text)
		}
	}
}

func listen(t *testing.T, node ring.NodeID, id topology.ClusterID, change func(*port.Options)) *port.Port {
	t.Helper()
	o := port.Options{Node: node, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	p, err := port.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	p.SetCluster(id)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// echo serves a protocol by sending everything back, after its name.
func echo(t *testing.T, p *port.Port, proto port.Protocol) {
	t.Helper()
	l := p.Listener(proto)
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer c.Close()
				_, _ = fmt.Fprintf(c, "%v:", proto)
				_, _ = io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		work.Wait()
	})
}

func say(t *testing.T, c net.Conn, word string) string {
	t.Helper()
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, word); err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestProtocolsShareOnePort(t *testing.T) {
	a, b := listen(t, "a", ours, nil), listen(t, "b", ours, nil)
	protocols := []port.Protocol{port.Nodes, port.Raft, port.Record, port.Gossip}
	for _, proto := range protocols {
		echo(t, b, proto)
	}
	for _, proto := range protocols {
		c, err := a.Dial(t.Context(), b.Addr(), proto)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := say(t, c, "word"), proto.String()+":word"; got != want {
			t.Errorf("%v answered %q, want %q", proto, got, want)
		}
	}
}

func TestHTTPRunsOverThePort(t *testing.T) {
	a, b := listen(t, "a", ours, nil), listen(t, "b", ours, nil)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "you asked for "+r.URL.Path)
	})}
	ended := make(chan error, 1)
	l := b.Listener(port.Status)
	go func() { ended <- server.Serve(l) }()
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return a.Dial(ctx, addr, port.Status)
		},
	}}
	for _, path := range []string{"/one", "/two"} {
		resp, err := client.Get("http://" + b.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(body) != "you asked for "+path {
			t.Errorf("GET %s: %q, %v", path, body, err)
		}
	}
	client.CloseIdleConnections()
	_ = server.Close()
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
}

// I1, in both directions, whoever dials.
func TestClustersDoNotMix(t *testing.T) {
	for _, proto := range []port.Protocol{port.Nodes, port.Raft, port.Record, port.Gossip, port.Status} {
		notes := newJournal()
		a := listen(t, "a", ours, nil)
		b := listen(t, "b", theirs, func(o *port.Options) { o.Logger = notes.logger() })
		l := b.Listener(proto)
		_, err := a.Dial(t.Context(), b.Addr(), proto)
		var mismatch *port.ClusterError
		if !errors.As(err, &mismatch) || !errors.Is(err, topology.ErrClusterMismatch) {
			t.Fatalf("%v: dial gave %v", proto, err)
		}
		if *mismatch != (port.ClusterError{Local: ours, Remote: theirs, Addr: b.Addr()}) {
			t.Errorf("%v: dialer's error is %+v", proto, *mismatch)
		}
		for _, id := range []topology.ClusterID{ours, theirs} {
			if !strings.Contains(err.Error(), id.String()) {
				t.Errorf("%v: %q does not name %v", proto, err, id)
			}
		}
		notes.await(t, ours.String(), theirs.String(), "another cluster")
		// Nothing came through: the next connection taken is b's own.
		c, err := b.Dial(t.Context(), b.Addr(), proto)
		if err != nil {
			t.Fatal(err)
		}
		taken, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if taken.RemoteAddr().String() != c.LocalAddr().String() {
			t.Errorf("%v: a connection of another cluster was taken", proto)
		}
		_, _ = c.Close(), taken.Close()
	}
}

// I1 and I2 also hold against an acceptor that accepts everybody.
func TestDialerJudgesToo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var answer atomic.Value
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = port.ReadPreface(c)
			_, _ = io.WriteString(c, answer.Load().(string))
			_ = c.Close()
		}
	})
	defer work.Wait()
	defer l.Close()
	a := listen(t, "a", ours, nil)
	for _, test := range []struct {
		name, answer string
		want         error
	}{
		{"other cluster", "BTN1\x00" + string(theirs[:]), topology.ErrClusterMismatch},
		{"no cluster", "BTN1\x00" + string(make([]byte, 16)), port.ErrNoCluster},
		{"newer version", "BTN2\x00" + string(ours[:]), port.ErrVersion},
		{"unknown verdict", "BTN1\xff" + string(ours[:]), port.ErrVersion},
		{"another service", "HTTP/1.1 400 Bad Request\r\n", port.ErrNotPort},
		{"cut short", "BTN1\x00", io.ErrUnexpectedEOF},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer.Store(test.answer)
			if _, err := a.Dial(t.Context(), l.Addr().String(), port.Raft); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestNoClusterSpeaksRecordOnly(t *testing.T) { // I2
	joiner, member := listen(t, "joiner", topology.ClusterID{}, nil), listen(t, "member", ours, nil)
	for _, p := range []*port.Port{joiner, member} {
		echo(t, p, port.Record)
		echo(t, p, port.Raft)
	}
	for _, pair := range [][2]*port.Port{{joiner, member}, {member, joiner}, {joiner, joiner}} {
		c, err := pair[0].Dial(t.Context(), pair[1].Addr(), port.Record)
		if err != nil {
			t.Fatal(err)
		}
		if got := say(t, c, "x"); got != "record:x" {
			t.Errorf("record answered %q", got)
		}
		if c, err := pair[0].Dial(t.Context(), pair[1].Addr(), port.Raft); !errors.Is(err, port.ErrNoCluster) {
			t.Errorf("raft without a cluster: %v", err)
			if err == nil {
				_ = c.Close()
			}
		}
	}
	joiner.SetCluster(ours)
	if joiner.Cluster() != ours {
		t.Error("the cluster is not kept")
	}
	c, err := joiner.Dial(t.Context(), member.Addr(), port.Raft)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

func TestRefusals(t *testing.T) { // I4
	a, b := listen(t, "a", ours, nil), listen(t, "b", ours, nil)
	dial := func(proto port.Protocol) error {
		c, err := a.Dial(t.Context(), b.Addr(), proto)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	if err := dial(99); !errors.Is(err, port.ErrProtocol) {
		t.Errorf("unknown protocol: %v", err)
	}
	if err := dial(port.Raft); !errors.Is(err, port.ErrNotServed) {
		t.Errorf("no listener yet: %v", err)
	}
	l := b.Listener(port.Raft)
	if _, err := b.Listener(port.Raft).Accept(); !errors.Is(err, port.ErrTaken) {
		t.Errorf("second listener: %v", err)
	}
	if _, err := b.Listener(0).Accept(); !errors.Is(err, port.ErrProtocol) {
		t.Errorf("listener of no protocol: %v", err)
	}
	// Nobody accepts, so the queue fills up.
	full := false
	for range 1000 {
		if err := dial(port.Raft); err != nil {
			if !errors.Is(err, port.ErrBusy) {
				t.Fatalf("full queue: %v", err)
			}
			full = true
			break
		}
	}
	if !full {
		t.Error("the queue has no end")
	}
	_ = l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept on a closed listener: %v", err)
	}
	if err := dial(port.Raft); !errors.Is(err, port.ErrNotServed) {
		t.Errorf("closed listener: %v", err)
	}
	echo(t, b, port.Raft)
	if err := dial(port.Raft); err != nil {
		t.Errorf("listener after a closed one: %v", err)
	}
	if _, err := port.Listen(port.Options{Node: "c", Addr: b.Addr()}); !errors.Is(err, port.ErrAddrInUse) {
		t.Errorf("address in use: %v", err)
	}
	for _, name := range []ring.NodeID{"", ring.NodeID(strings.Repeat("x", 256))} {
		if _, err := port.Listen(port.Options{Node: name}); !errors.Is(err, port.ErrPreface) {
			t.Errorf("name of %d bytes: %v", len(name), err)
		}
	}
}

func TestOtherVersionIsAnswered(t *testing.T) { // I4
	b := listen(t, "b", ours, nil)
	c, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "BTN2"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if want := "BTN1\x03" + string(ours[:]); err != nil || string(got) != want {
		t.Errorf("answer %q, %v; want %q", got, err, want)
	}
}

func TestSilentClientsCostNothing(t *testing.T) { // I3
	b := listen(t, "b", ours, func(o *port.Options) { o.MaxPrefaces, o.PrefaceTimeout = 4, time.Hour })
	echo(t, b, port.Record)
	silent := make([]net.Conn, 20)
	for i := range silent {
		c, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent[i] = c
	}
	// All places are taken by the silent; an honest dialer gets one all the same.
	a := listen(t, "a", ours, nil)
	c, err := a.Dial(t.Context(), b.Addr(), port.Record)
	if err != nil {
		t.Fatal(err)
	}
	if got := say(t, c, "x"); got != "record:x" {
		t.Errorf("got %q", got)
	}
	// The oldest were turned out.
	_ = silent[0].SetDeadline(time.Now().Add(patience))
	if _, err := silent[0].Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the oldest silent client is still there: %v", err)
	}
}

func TestPrefaceHasADeadline(t *testing.T) { // I3
	b := listen(t, "b", ours, func(o *port.Options) { o.PrefaceTimeout = 10 * time.Millisecond })
	for _, start := range []string{"", "BT", "BTN1\x01", "GET / HTTP/1.1\r\n\r\n"} {
		c, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, start)
		_ = c.SetDeadline(time.Now().Add(patience))
		if got, _ := io.ReadAll(c); len(got) != 0 {
			t.Errorf("%q was answered with %q", start, got)
		}
		_ = c.Close()
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	// A listener that nobody serves accepts in the kernel and answers nothing.
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	a := listen(t, "a", ours, func(o *port.Options) { o.DialTimeout = time.Hour })
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	if _, err := a.Dial(ctx, mute.Addr().String(), port.Raft); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled dial: %v", err)
	}
	hasty := listen(t, "hasty", ours, func(o *port.Options) { o.DialTimeout = 10 * time.Millisecond })
	if _, err := hasty.Dial(t.Context(), mute.Addr().String(), port.Raft); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("late dial: %v", err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := a.Dial(t.Context(), mute.Addr().String(), port.Raft)
		ended <- err
	}()
	if c, err := mute.Accept(); err == nil { // hasty's or a's first; the dial under test is under way or fails at once
		defer c.Close()
	}
	_ = a.Close()
	if err := <-ended; !errors.Is(err, port.ErrClosed) {
		t.Errorf("dial from a closed port: %v", err)
	}
}

// flaky fails some Accepts as a process without file descriptors does.
type flaky struct {
	net.Listener
	failures atomic.Int32
}

func (f *flaky) Accept() (net.Conn, error) {
	if f.failures.Add(-1) >= 0 {
		return nil, errors.New("too many open files")
	}
	return f.Listener.Accept()
}

func TestAcceptSurvivesErrors(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &flaky{Listener: inner}
	l.failures.Store(3)
	b := listen(t, "b", ours, func(o *port.Options) { o.Listener = l })
	echo(t, b, port.Record)
	c, err := b.Dial(t.Context(), b.Addr(), port.Record)
	if err != nil {
		t.Fatal(err)
	}
	if got := say(t, c, "x"); got != "record:x" {
		t.Errorf("got %q", got)
	}
}

func TestWrapComesAfterThePreface(t *testing.T) {
	// The wrapping spells a word in each direction, as a handshake does.
	wrap := func(c net.Conn, server bool) (net.Conn, error) {
		mine, other := "client", "server"
		if server {
			mine, other = other, mine
		}
		if _, err := io.WriteString(c, mine); err != nil {
			return nil, err
		}
		b := make([]byte, len(other))
		if _, err := io.ReadFull(c, b); err != nil {
			return nil, err
		}
		if string(b) != other {
			return nil, fmt.Errorf("said %q", b)
		}
		return c, nil
	}
	a := listen(t, "a", ours, func(o *port.Options) { o.Wrap = wrap })
	b := listen(t, "b", ours, func(o *port.Options) { o.Wrap = wrap })
	echo(t, b, port.Raft)
	c, err := a.Dial(t.Context(), b.Addr(), port.Raft)
	if err != nil {
		t.Fatal(err)
	}
	if got := say(t, c, "x"); got != "raft:x" {
		t.Errorf("got %q", got)
	}
	no := errors.New("no key")
	c2 := listen(t, "c", ours, func(o *port.Options) {
		o.Wrap = func(net.Conn, bool) (net.Conn, error) { return nil, no }
	})
	if _, err := c2.Dial(t.Context(), b.Addr(), port.Raft); !errors.Is(err, no) {
		t.Errorf("a failed wrapping: %v", err)
	}
}

func TestCloseEndsEverything(t *testing.T) { // I5, with goleak in TestMain
	b := listen(t, "b", ours, nil)
	l := b.Listener(port.Raft)
	waiting, err := b.Dial(t.Context(), b.Addr(), port.Raft)
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	silent, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []net.Conn{waiting, silent} {
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a connection outlived the port: %v", err)
		}
	}
	for _, l := range []net.Listener{l, b.Listener(port.Nodes)} {
		if _, err := l.Accept(); !errors.Is(err, port.ErrClosed) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after Close: %v", err)
		}
	}
	if _, err := b.Dial(t.Context(), b.Addr(), port.Raft); !errors.Is(err, port.ErrClosed) {
		t.Errorf("dial after Close: %v", err)
	}
}

func FuzzReadPreface(f *testing.F) {
	good, err := port.AppendPreface(nil, port.Preface{Protocol: port.Raft, Cluster: ours, Node: "n1"})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{good, good[:10], append(good, "more"...), []byte("GET /"), []byte("BTN2"), nil} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		p, err := port.ReadPreface(r)
		if err != nil {
			return
		}
		again, err := port.AppendPreface(nil, p)
		if err != nil {
			t.Fatalf("%+v was read and cannot be written: %v", p, err)
		}
		if read := b[:len(b)-r.Len()]; !bytes.Equal(again, read) {
			t.Fatalf("read %x, wrote %x", read, again)
		}
	})
}

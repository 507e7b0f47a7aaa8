package actors_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/messages"
)

// cpu returns the CPU time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sink counts what it is given.
type sink struct {
	frames, bytes atomic.Int64
	want          int64
	done          chan struct{}
	credit        chan struct{} // one token for every creditStep frames
}

// The benchmark's sender has at most this many frames on their way, as protocols with acknowledgements have.
const (
	creditWindow = 8 << 10
	creditStep   = 1 << 10
)

func (s *sink) HandleFrame(f messages.Frame) {
	s.bytes.Add(int64(len(f.Payload)))
	n := s.frames.Add(1)
	if n%creditStep == 0 && s.credit != nil {
		s.credit <- struct{}{}
	}
	if n == s.want {
		close(s.done)
	}
}

func (s *sink) HandleLink(actors.LinkEvent) {}

func (s *sink) HandleStream(st actors.Stream) error {
	for {
		f, err := st.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return st.Send(messages.Frame{Header: messages.Header{Type: messages.TypeHandoffAck}})
		case err != nil:
			return err
		}
		s.bytes.Add(int64(len(f.Payload)))
	}
}

const streamFrame = 256 << 10

// BenchmarkTransport_Stream moves frames of 256 KiB over loopback: a bare TCP connection as the limit, then the transport.
func BenchmarkTransport_Stream(b *testing.B) {
	b.Run("limit=tcp", benchmarkTCP)
	for _, fb := range fabrics() {
		b.Run(fb.name, func(b *testing.B) { benchmarkStream(b, fb.new(b)) })
	}
}

func benchmarkTCP(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, streamFrame))
		}
		done <- err
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	payload := make([]byte, streamFrame)
	b.SetBytes(streamFrame)
	start := cpu()
	for b.Loop() {
		if _, err := c.Write(payload); err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(c.Close(), <-done); err != nil {
		b.Fatal(err)
	}
	reportCPU(b, start, streamFrame)
}

func benchmarkStream(b *testing.B, fb fabric) {
	s := &sink{done: make(chan struct{})}
	from := startNode(b, fb, "a", 1, &sink{})
	to := startNode(b, fb, "b", 1, s)
	st, err := from.OpenStream(b.Context(), peerOf(to, "b", 1))
	if err != nil {
		b.Fatal(err)
	}
	f := messages.Frame{Header: messages.Header{Type: messages.TypeHandoffItems, Session: 9}, Payload: make([]byte, streamFrame)}
	b.SetBytes(streamFrame)
	b.ReportAllocs()
	start, n := cpu(), int64(0)
	for b.Loop() {
		n++
		f.Seq = uint64(n)
		if err := st.Send(f); err != nil {
			b.Fatal(err)
		}
	}
	if err := st.CloseSend(); err != nil {
		b.Fatal(err)
	}
	if _, err := st.Recv(); err != nil || s.bytes.Load() != n*streamFrame {
		b.Fatalf("%d bytes of %d arrived: %v", s.bytes.Load(), n*streamFrame, err)
	}
	reportCPU(b, start, streamFrame)
}

func reportCPU(b *testing.B, start time.Duration, bytes int) {
	us := float64((cpu() - start).Microseconds()) / float64(b.N)
	b.ReportMetric(us, "cpu-us/op")
	if bytes > 0 {
		b.ReportMetric(us*1024/float64(bytes), "cpu-us/KiB")
	}
}

// BenchmarkTransport_Send sends small frames one way; the clock stops when the last has arrived.
func BenchmarkTransport_Send(b *testing.B) {
	for _, fb := range fabrics() {
		for _, size := range []int{100, 1 << 10} {
			b.Run(fmt.Sprintf("%s/payload=%d", fb.name, size), func(b *testing.B) { benchmarkSend(b, fb.new(b), size) })
		}
	}
}

func benchmarkSend(b *testing.B, fb fabric, size int) {
	s := &sink{want: int64(b.N), done: make(chan struct{}), credit: make(chan struct{}, creditWindow/creditStep+1)}
	from := startNode(b, fb, "a", 1, &sink{})
	to := peerOf(startNode(b, fb, "b", 1, s), "b", 1)
	f := messages.Frame{
		Header:  messages.Header{Type: messages.TypeRequest, Kind: "kv", Partition: 7, RingVersion: 3, Epoch: 1},
		Payload: make([]byte, size),
	}
	b.ReportAllocs()
	b.ResetTimer()
	start := cpu()
	for i := range b.N {
		f.Seq = uint64(i)
		if i >= creditWindow && i%creditStep == 0 {
			<-s.credit
		}
		if err := from.Send(to, f); err != nil {
			b.Fatal(err)
		}
	}
	<-s.done
	reportCPU(b, start, 0)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}

// BenchmarkTransport_RoundTrip has one request outstanding.
func BenchmarkTransport_RoundTrip(b *testing.B) {
	for _, fb := range fabrics() {
		b.Run(fb.name, func(b *testing.B) {
			impl := fb.new(b)
			back := make(chan messages.Frame, 1)
			var a, z actors.Transport
			az := make(chan actors.Peer, 1)
			a = startNode(b, impl, "a", 1, frameFunc(func(f messages.Frame) { back <- f }))
			az <- peerOf(a, "a", 1)
			home := <-az
			z = startNode(b, impl, "z", 1, frameFunc(func(f messages.Frame) {
				_ = z.Send(home, messages.Frame{Header: messages.Header{Type: messages.TypeResponse, Seq: f.Seq}})
			}))
			to := peerOf(z, "z", 1)
			b.ReportAllocs()
			start := cpu()
			for b.Loop() {
				if err := a.Send(to, messages.Frame{Header: messages.Header{Type: messages.TypeRequest}}); err != nil {
					b.Fatal(err)
				}
				<-back
			}
			reportCPU(b, start, 0)
		})
	}
}

// BenchmarkTransport_OpenStream opens a stream, says one thing, and ends it: what a transfer of nothing costs.
func BenchmarkTransport_OpenStream(b *testing.B) {
	for _, fb := range fabrics() {
		b.Run(fb.name, func(b *testing.B) {
			impl := fb.new(b)
			a := startNode(b, impl, "a", 1, &sink{})
			to := peerOf(startNode(b, impl, "b", 1, &sink{}), "b", 1)
			b.ReportAllocs()
			start := cpu()
			for b.Loop() {
				s, err := a.OpenStream(b.Context(), to)
				if err != nil {
					b.Fatal(err)
				}
				if err := s.CloseSend(); err != nil {
					b.Fatal(err)
				}
				for err = nil; err == nil; {
					_, err = s.Recv()
				}
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
			}
			reportCPU(b, start, 0)
		})
	}
}

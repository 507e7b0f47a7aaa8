package actors

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/dee2748c/baton/messages"
)

// tcpStream is one end of a transfer's stream: frames one after the other on a connection of its own. Beside those of the
// transfer there are two types, which no user of the stream sees:
//
//	alive  from both sides now and then: a peer that is silent for too long is lost
//	end    the last frame of a side, with the error that ends the stream, if one does
type tcpStream struct {
	t      *GRPC
	peer   Peer
	conn   net.Conn
	opener bool

	ctx    context.Context
	cancel context.CancelCauseFunc

	sending sync.Mutex
	head    []byte // room for what is sent beside a payload
	parts   [2][]byte
	last    bool // the end frame is out, or a frame was cut short

	r      *bufio.Reader
	in     inbound
	broken error // what Recv returned last, if it was an error to stay
}

var _ Stream = (*tcpStream)(nil)

const (
	// aliveEvery is how often either side of a stream says that it lives, silenceMax after which time without a byte the
	// peer is lost. The target says so to a source even while it takes no data.
	aliveEvery = 3 * time.Second
	silenceMax = 13 * time.Second
	// maxGreeting bounds a first frame, in bytes: the peer is not known yet.
	maxGreeting = 64 << 10
	// headerRoom is what is read ahead of a payload, in bytes; the payload itself is read to where it stays.
	headerRoom = 4 << 10
	// pieceBytes of a frame are read at once, in bytes: the pages of a new buffer are often new to the process too, and
	// the core that waits for them serves nobody.
	pieceBytes = 16 << 10
	// maxPieces of a frame are read at most: between two of them everybody else has a turn.
	maxPieces = 32
)

func newTCPStream(t *GRPC, conn net.Conn, peer Peer, opener bool) *tcpStream {
	s := &tcpStream{t: t, conn: conn, peer: peer, opener: opener, in: inbound{id: t.id, stats: &t.stats}}
	s.r = bufio.NewReaderSize(&patient{conn}, headerRoom)
	return s
}

// patient gives every read of a connection the same time.
type patient struct{ net.Conn }

func (p *patient) Read(b []byte) (int, error) {
	if err := p.SetReadDeadline(time.Now().Add(silenceMax)); err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}

// begin makes the stream live: until ctx ends, or it is cancelled.
func (s *tcpStream) begin(ctx context.Context) {
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.t.work.Go(s.beat)
}

// beat says from time to time that this side lives, until the stream is over. Then it closes the connection, and the
// peer is told why if nothing stands in the way.
func (s *tcpStream) beat() {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			// While a frame is on its way the peer sees it come.
			if s.sending.TryLock() {
				_ = s.write(messages.Frame{Header: messages.Header{Type: messages.TypeAlive}})
				s.sending.Unlock()
			}
			continue
		case <-s.ctx.Done():
		}
		if s.sending.TryLock() {
			_ = s.conn.SetWriteDeadline(time.Now().Add(time.Second))
			s.end(context.Cause(s.ctx))
			s.sending.Unlock()
		}
		_ = s.conn.Close()
		return
	}
}

func (s *tcpStream) Context() context.Context { return s.ctx }

func (s *tcpStream) Peer() Peer { return s.peer }

func (s *tcpStream) Copies() bool { return true }

func (s *tcpStream) CloseSend() error {
	if !s.opener {
		return fmt.Errorf("close the sending side of a stream from %s: %w", s.peer.Node, messages.ErrInvalid)
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	s.end(nil)
	return nil
}

// end sends the last frame of this side. The caller holds the lock.
func (s *tcpStream) end(err error) {
	f := messages.Frame{Header: messages.Header{Type: messages.TypeEnd}}
	if err != nil {
		f.Fail(err)
	}
	_ = s.write(f)
	s.last = true
}

func (s *tcpStream) Send(f messages.Frame) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	if err := s.write(f); err != nil {
		return fmt.Errorf("stream to %s: send %v: %w", s.peer.Node, f.Type, err)
	}
	s.t.stats.framesSent.Add(1)
	s.t.stats.bytesSent.Add(uint64(f.Size()))
	return nil
}

// write sends one frame, a large payload from where it is. The caller holds the lock.
func (s *tcpStream) write(f messages.Frame) (err error) {
	if s.last {
		return messages.ErrClosed
	}
	s.t.id.stamp(&f, s.peer)
	if s.head, err = messages.AppendHeader(s.head[:0], &f); err != nil {
		return err
	}
	if large(&f) {
		s.parts = [2][]byte{s.head, f.Payload}
		parts := net.Buffers(s.parts[:])
		_, err = parts.WriteTo(s.conn)
		s.parts = [2][]byte{}
	} else {
		s.head = append(s.head, f.Payload...)
		_, err = s.conn.Write(s.head)
	}
	if err != nil {
		s.last = true
		return s.why(err)
	}
	return nil
}

// why prefers the reason for which this side ended the stream to what the connection made of it.
func (s *tcpStream) why(err error) error {
	if s.ctx != nil && s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return &messages.Error{Code: uint32(messages.CodeUnavailable), Message: err.Error()}
}

func (s *tcpStream) Recv() (messages.Frame, error) {
	for s.broken == nil {
		f, ok, err := s.in.next()
		switch {
		case ok && f.Type == messages.TypeAlive:
		case ok && f.Type == messages.TypeEnd:
			s.over(f.Err())
		case ok:
			return f, err
		case err != nil:
			s.over(err)
		default:
			if s.in.rest, err = s.read(messages.MaxFrameSize); err != nil {
				s.over(s.why(err))
			}
		}
	}
	return messages.Frame{}, s.broken
}

// over remembers why nothing is received any more; no error is the good end. Unless this side may still have something
// to say, the stream ends.
func (s *tcpStream) over(err error) {
	s.broken = io.EOF
	if err != nil {
		s.broken = fmt.Errorf("stream with %s: %w", s.peer.Node, err)
	}
	if err != nil || s.opener {
		s.cancel(err)
	}
}

// read returns the bytes of the next frame, of at most limit bytes, in a buffer of their own.
func (s *tcpStream) read(limit int) ([]byte, error) {
	head, err := s.r.Peek(messages.MinFrameSize)
	if err != nil {
		return nil, err
	}
	size, err := messages.FrameSize(head)
	switch {
	case err != nil:
		s.t.stats.damaged.Add(1)
		return nil, err
	case size > limit:
		return nil, fmt.Errorf("frame of %d bytes, at most %d: %w", size, limit, messages.ErrTooLarge)
	}
	b := make([]byte, size)
	piece := max(pieceBytes, size/maxPieces)
	for rest := b; len(rest) > 0; rest = rest[min(len(rest), piece):] {
		if len(rest) < len(b) {
			runtime.Gosched()
		}
		if _, err = io.ReadFull(s.r, rest[:min(len(rest), piece)]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// finish ends an accepted stream with its handler's error. The connection stays until the peer has closed it: what the
// peer has sent and nobody reads would take the last frame away from it.
func (s *tcpStream) finish(err error) {
	s.sending.Lock()
	// A peer that sends and does not read takes no last frame, either.
	_ = s.conn.SetWriteDeadline(time.Now().Add(s.t.opts.HandshakeTimeout))
	s.end(err)
	s.sending.Unlock()
	late := time.AfterFunc(s.t.opts.HandshakeTimeout, func() { s.cancel(nil) })
	_, _ = io.Copy(io.Discard, s.conn)
	late.Stop()
	s.cancel(nil)
}

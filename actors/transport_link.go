package actors

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dee2748c/baton/messages"
)

// linkConn is an established one-way connection that carries a link's frames.
type linkConn interface {
	// write sends frames in order, and may block. It returns how many of them were written.
	write(frames []messages.Frame) (int, error)
	// lost is closed when the connection broke; cause tells why then.
	lost() <-chan struct{}
	cause() error
	// finish waits until the peer has taken all that was written, or ctx ends; then it closes the connection.
	finish(ctx context.Context)
	// abort closes the connection now.
	abort()
}

// link queues the frames for one life of one peer and owns the goroutine that sends them. The connection is made when
// there is something to send:
//
//	idle -frame-> connecting -ok-> up -lost-> idle
//	                 |failed: drop the queue, tell, back off
//	                 v
//	               idle
type link struct {
	peer  Peer
	opts  TransportOptions
	dial  func(ctx context.Context, to Peer) (linkConn, error)
	event func(LinkEvent)
	stats *counters

	wake chan struct{} // holds one token while the queue may have frames
	stop chan struct{} // closed: send what is queued, then end
	done chan struct{} // closed: the goroutine has ended
	kill context.CancelFunc

	full    error         // what senders get while the queue is full, made once because they may be many
	backoff time.Duration // the goroutine's own: the pause before the next attempt

	mu     sync.Mutex
	queue  []*chunk
	bytes  int // queued, or taken and not yet written
	closed bool
}

// chunk is a piece of a link's queue. Pieces of one size are used again, however long a queue grows for a while.
type chunk struct {
	frames []messages.Frame
	bytes  int
}

const chunkFrames = 256

var chunks = sync.Pool{New: func() any { return &chunk{frames: make([]messages.Frame, 0, chunkFrames)} }}

func newLink(peer Peer, opts TransportOptions, stats *counters,
	dial func(context.Context, Peer) (linkConn, error), event func(LinkEvent),
) *link {
	ctx, kill := context.WithCancel(context.Background())
	l := &link{
		peer: peer, opts: opts, dial: dial, event: event, stats: stats, kill: kill,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		full: fmt.Errorf("send to %s: more than %d bytes wait: %w", peer.Node, opts.MaxBacklog, ErrBacklog),
	}
	go l.run(ctx)
	return l
}

// send queues one frame. It never blocks.
func (l *link) send(f *messages.Frame) error {
	size := f.Size()
	l.mu.Lock()
	switch {
	case l.closed:
		l.mu.Unlock()
		return fmt.Errorf("send %v to %s: %w", f.Type, l.peer.Node, messages.ErrClosed)
	case l.bytes+size > l.opts.MaxBacklog && l.bytes > 0:
		l.mu.Unlock()
		return l.full
	}
	first := len(l.queue) == 0
	if first || len(l.queue[len(l.queue)-1].frames) == chunkFrames {
		l.queue = append(l.queue, chunks.Get().(*chunk))
	}
	c := l.queue[len(l.queue)-1]
	c.frames, c.bytes = append(c.frames, *f), c.bytes+size
	l.bytes += size
	l.mu.Unlock()
	if first {
		token(l.wake)
	}
	return nil
}

// close lets the goroutine send what is queued, as long as ctx allows, and waits for its end. It may be called again.
func (l *link) close(ctx context.Context) {
	l.refuse()
	unhook := context.AfterFunc(ctx, l.kill)
	<-l.done
	unhook()
}

// abort ends the link without sending what is queued, and does not wait.
func (l *link) abort() {
	l.refuse()
	l.kill()
}

// refuse makes every later send fail.
func (l *link) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.stop)
	}
}

// run is the link's goroutine.
func (l *link) run(ctx context.Context) {
	defer close(l.done)
	defer l.kill()
	var conn linkConn
	for {
		conn = l.await(ctx, conn)
		// Whoever closes the link first stops senders: an empty queue seen after this look stays empty.
		ending := l.ending(ctx)
		if conn == nil && l.waiting() {
			var err error
			if conn, err = l.connect(ctx); err != nil {
				l.giveUp(l.take(), err, true)
				continue
			}
		}
		queue := l.take()
		switch {
		case len(queue) > 0:
			conn = l.write(conn, queue)
		case ending:
			if conn != nil {
				conn.finish(ctx)
			}
			return
		}
	}
}

// await returns when there may be work: frames, a lost connection, or the end.
func (l *link) await(ctx context.Context, conn linkConn) linkConn {
	var lost <-chan struct{}
	if conn != nil {
		lost = conn.lost()
	}
	select {
	case <-l.wake:
	case <-l.stop:
	case <-ctx.Done():
	case <-lost:
		conn.abort()
		l.backoff = l.opts.BackoffMin
		l.event(LinkEvent{Peer: l.peer, Err: conn.cause()})
		return nil
	}
	return conn
}

func (l *link) ending(ctx context.Context) bool {
	select {
	case <-l.stop:
		return true
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// connect tries once, after the pause that is due.
func (l *link) connect(ctx context.Context) (linkConn, error) {
	if l.backoff > 0 {
		timer := time.NewTimer(l.backoff)
		defer timer.Stop()
		// A closing link does not wait: it has one attempt left.
		select {
		case <-timer.C:
		case <-l.stop:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("link to %s: %w", l.peer.Node, messages.ErrClosed)
	}
	conn, err := l.dial(ctx, l.peer)
	if err != nil {
		l.backoff = min(max(2*l.backoff, l.opts.BackoffMin), l.opts.BackoffMax)
		return nil, err
	}
	l.backoff = 0
	l.event(LinkEvent{Peer: l.peer, Up: true})
	return conn, nil
}

// write sends the queue and returns the connection, nil when it broke.
func (l *link) write(conn linkConn, queue []*chunk) linkConn {
	for i, c := range queue {
		n, err := conn.write(c.frames)
		if err != nil {
			conn.abort()
			l.backoff = l.opts.BackoffMin
			l.sent(c.frames[:n])
			c.frames = slices.Delete(c.frames, 0, n)
			l.giveUp(queue[i:], err, false)
			return nil
		}
		l.sent(c.frames)
		l.settle(c)
	}
	return conn
}

// sent counts frames that were written.
func (l *link) sent(frames []messages.Frame) {
	size := 0
	for i := range frames {
		size += frames[i].Size()
	}
	l.stats.framesSent.Add(uint64(len(frames)))
	l.stats.bytesSent.Add(uint64(size))
}

// giveUp drops frames, and tells. They are unsent if no connection has carried them.
func (l *link) giveUp(queue []*chunk, err error, unsent bool) {
	e := LinkEvent{Peer: l.peer, Err: err}
	for _, c := range queue {
		e.Dropped += len(c.frames)
		if unsent {
			e.Unsent = append(e.Unsent, c.frames...)
		}
		l.settle(c)
	}
	l.stats.dropped.Add(uint64(e.Dropped))
	l.event(e)
}

// waiting reports whether frames are queued.
func (l *link) waiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) > 0
}

// take empties the queue into the caller's hands.
func (l *link) take() []*chunk {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue := l.queue
	l.queue = nil
	return queue
}

// settle makes room for what a chunk held, and forgets it.
func (l *link) settle(c *chunk) {
	l.mu.Lock()
	l.bytes -= c.bytes
	l.mu.Unlock()
	clear(c.frames)
	c.frames, c.bytes = c.frames[:0], 0
	chunks.Put(c)
}

// token leaves one token in a channel that holds one.
func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

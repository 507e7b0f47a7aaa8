package actors

import (
	"context"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
)

// Peer is one life of one node and where to reach it.
type Peer struct {
	// Node is the node's name.
	Node ring.NodeID
	// Incarnation is the life that is meant: another life at the same address is refused (rule F2).
	Incarnation uint64
	// Addr is where the node listens.
	Addr string
}

// Transport carries frames between nodes. All methods are safe for concurrent use.
//
// A frame's ClusterID, To and ToIncarnation are filled in by Send, and its From and FromIncarnation too unless From is
// set already, as in a forward. A frame is frozen once sent. Frames that fail the rules F1 and F2 are dropped and counted
// before a Handler sees them.
type Transport interface {
	// Send queues a frame for the peer and never blocks. Frames to one peer arrive in order and at most once while the
	// link lives; those on their way when it breaks are lost, and Handler.HandleLink tells. A link is made when there is
	// something to send. The error is ErrBacklog when the peer's queue is full, messages.ErrClosed, messages.ErrTooLarge,
	// or messages.ErrIncarnation when the transport has seen a later life of the peer; nothing was queued then.
	Send(to Peer, f messages.Frame) error
	// OpenStream opens a stream of its own to the peer, for bulk data, and blocks until the peer has answered the
	// handshake. The stream holds resources until ctx ends or Recv has returned an error.
	OpenStream(ctx context.Context, to Peer) (Stream, error)
	// Serve begins to deliver to h and returns at once. It is called once.
	Serve(h Handler) error
	// Addr returns the address that peers reach this node at.
	Addr() string
	// Stats returns counters since the start.
	Stats() TransportStats
	// Close sends what is queued, as long as ctx allows, ends all streams and waits for all goroutines; nothing is
	// delivered after it returned nil. It is idempotent and must not be called from a Handler.
	Close(ctx context.Context) error
}

// Handler takes what a Transport delivers. Its methods are called concurrently; frames of one link come in order.
type Handler interface {
	// HandleFrame takes one frame and must not block: it holds up the whole link.
	HandleFrame(f messages.Frame)
	// HandleStream serves a stream that a peer opened, in a goroutine of its own. The stream ends when it returns; its
	// error travels to the peer as a typed error. It must return soon after the stream's context ended.
	HandleStream(s Stream) error
	// HandleLink tells of a change of a link and must not block.
	HandleLink(e LinkEvent)
}

// LinkEvent tells that the link to a peer came up or went down.
type LinkEvent struct {
	Peer Peer
	// Up says that the link can carry frames. When it is false, frames sent before may be lost.
	Up bool
	// Inbound says that the peer dialled. Of inbound links only refused handshakes and damage are told.
	Inbound bool
	// Dropped counts the queued frames that were given up.
	Dropped int
	// Unsent are the frames given up of which nothing was sent, because the link could not be made.
	Unsent []messages.Frame
	// Err says why the link went down or was refused.
	Err error
}

// Stream is a reliable ordered stream of frames between two nodes with flow control. One goroutine may send while
// another receives.
type Stream interface {
	// Context ends when the stream is over.
	Context() context.Context
	// Peer returns the other side.
	Peer() Peer
	// Send sends one frame and blocks while the receiver lags behind. After an error Recv tells why the stream ended.
	Send(f messages.Frame) error
	// Copies reports whether the payload is the caller's again when Send has returned; otherwise it stays frozen.
	Copies() bool
	// Recv returns the next frame; io.EOF after the last one, or a typed error when the stream broke. After
	// messages.ErrUnknownType, which comes with the frame, the stream goes on.
	Recv() (messages.Frame, error)
	// CloseSend tells the other side that no frame follows. Only the side that opened the stream may call it.
	CloseSend() error
}

// TransportStats are counters of a transport since its start.
type TransportStats struct {
	FramesSent, FramesReceived uint64
	BytesSent, BytesReceived   uint64
	// Dropped counts frames queued here and given up because the link was down.
	Dropped uint64
	// Refused counts handshakes that either side refused.
	Refused uint64
	// Fenced counts received frames dropped by the rules F1 and F2.
	Fenced uint64
	// Damaged counts links and streams closed because of bytes that were not a frame.
	Damaged uint64
	// UnknownTypes counts whole frames of a type that this build doesn't know.
	UnknownTypes uint64
}

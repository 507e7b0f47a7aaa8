package actors

import (
	"errors"
	"sync/atomic"

	"github.com/dee2748c/baton/messages"
)

// counters are the live form of TransportStats.
type counters struct {
	framesSent, framesReceived atomic.Uint64
	bytesSent, bytesReceived   atomic.Uint64
	dropped, refused, fenced   atomic.Uint64
	damaged, unknownTypes      atomic.Uint64
}

func (c *counters) snapshot() TransportStats {
	return TransportStats{
		FramesSent: c.framesSent.Load(), FramesReceived: c.framesReceived.Load(),
		BytesSent: c.bytesSent.Load(), BytesReceived: c.bytesReceived.Load(),
		Dropped: c.dropped.Load(), Refused: c.refused.Load(), Fenced: c.fenced.Load(),
		Damaged: c.damaged.Load(), UnknownTypes: c.unknownTypes.Load(),
	}
}

// inbound reads frames that arrived on one link or stream. It is not safe for concurrent use.
type inbound struct {
	id    *identity
	stats *counters
	names messages.Interner
	rest  []byte
}

// next returns the next admitted frame of the bytes at hand, false when they are used up. Frames that the rules F1 and F2
// forbid are counted and stepped over. After messages.ErrUnknownType reading may go on, after another error it must end.
func (in *inbound) next() (messages.Frame, bool, error) {
	for len(in.rest) > 0 {
		f, n, err := messages.ParseFrame(in.rest, &in.names)
		if err != nil && !errors.Is(err, messages.ErrUnknownType) {
			in.rest = nil
			in.stats.damaged.Add(1)
			return f, false, err
		}
		in.rest = in.rest[n:]
		if in.admit(&f, n) {
			if err != nil {
				in.stats.unknownTypes.Add(1)
			}
			return f, true, err
		}
	}
	return messages.Frame{}, false, nil
}

func (in *inbound) admit(f *messages.Frame, size int) bool {
	if in.id.admit(f) != nil {
		in.stats.fenced.Add(1)
		return false
	}
	in.stats.framesReceived.Add(1)
	in.stats.bytesReceived.Add(uint64(size))
	return true
}

// deliver gives all frames of b to the handler. Frames of unknown types are counted and dropped.
func (in *inbound) deliver(b []byte, h Handler) error {
	in.rest = b
	for {
		f, ok, err := in.next()
		switch {
		case errors.Is(err, messages.ErrUnknownType):
		case err != nil:
			return err
		case !ok:
			return nil
		default:
			h.HandleFrame(f)
		}
	}
}

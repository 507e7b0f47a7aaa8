package actors

import "github.com/dee2748c/baton/messages"

// What the tests of the gRPC edge look at.
var (
	ToStatus   = toStatus
	FromStatus = fromStatus
)

// Pack returns the bytes of the first gRPC message made of the frames, in its buffers, and how many frames it holds.
func Pack(frames []messages.Frame) ([][]byte, int, error) {
	m, n, err := pack(frames)
	if err != nil {
		return nil, 0, err
	}
	var out [][]byte
	for _, b := range m.segments {
		out = append(out, append([]byte(nil), b.ReadOnlyData()...))
		b.Free()
	}
	return out, n, nil
}

// Deliver gives bytes that a peer sent to a handler, as a link of the node does.
func Deliver(opts TransportOptions, b []byte, h Handler) (TransportStats, error) {
	var stats counters
	in := inbound{id: newIdentity(opts.withDefaults(), "here"), stats: &stats}
	err := in.deliver(b, h)
	return stats.snapshot(), err
}

// Accept judges a peer's first frame.
func Accept(opts TransportOptions, first messages.Frame) (Peer, messages.Frame, error) {
	return newIdentity(opts.withDefaults(), "here").accept(first)
}

// Check judges the answer to a handshake.
func Check(opts TransportOptions, reply messages.Frame, to Peer) error {
	return newIdentity(opts.withDefaults(), "here").check(reply, to)
}

package sim

import (
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
)

// A frame is a message of a transfer, of the source (a handoff.ReceiverEvent) or of the target (a
// handoff.SenderEvent).
type frame struct {
	messages.Header
	conn    conn
	event   any
	bytes   []byte // of a damaged frame: what arrives instead
	session uint64 // whose data it carries, as the checker knows it, whatever the envelope says
}

// A conn is one connection from a source to a target.
type conn struct {
	source ring.NodeID
	life   int
	number uint64
}

// isData reports whether a message is one between vnodes, which the network treats worst.
func isData(msg any) bool {
	switch msg.(type) {
	case *frame, *request, *response:
		return true
	}
	return false
}

// corrupted returns the message with another bit in it, of a frame in its bytes on the wire.
func (n *Network) corrupted(msg any) any {
	f, ok := msg.(*frame)
	if !ok {
		return nil // a request or a response that is not understood is dropped
	}
	wire := messages.Frame{Header: f.Header}
	if b, ok := f.event.(handoff.Batch); ok {
		wire.Payload = b.Payload
	}
	g := *f
	var err error
	if g.bytes, err = messages.AppendFrame(nil, &wire); err != nil {
		n.w.Failf("encode frame: %v", err)
		return nil
	}
	g.bytes[n.w.rnd.IntN(len(g.bytes))] ^= 1 << n.w.rnd.IntN(8)
	return &g
}

// damaged reports whether a frame is not what was sent, as who takes it sees by its checksum (F7).
func (n *Node) damaged(f *frame) bool {
	if f.bytes == nil {
		return false
	}
	if _, _, err := messages.ParseFrame(f.bytes, nil); err == nil {
		n.c.W.Failf("F7 %s takes a frame %v of session %d that is damaged", n.ID, f.Type, f.session)
	}
	return true
}

// foreign returns the message as one of another cluster that was here before.
func foreign(msg any) any {
	other := func(h *messages.Header) { h.ClusterID[15]++ }
	switch m := msg.(type) {
	case *frame:
		g := *m
		other(&g.Header)
		return &g
	case *request:
		g := *m
		other(&g.Header)
		return &g
	case *response:
		g := *m
		other(&g.Header)
		return &g
	}
	return msg
}

// receive takes what the network brings for vnodes.
func (n *Node) receiveData(msg any) {
	switch m := msg.(type) {
	case *frame:
		if n.admitted(&m.Header) {
			n.receiveFrame(m)
		}
	case *request:
		if n.admitted(&m.Header) {
			if m.forwards > 1 {
				n.c.W.Failf("F14 a request for %s/%d was forwarded %d times", m.Kind, m.Partition, m.forwards)
			}
			n.deliver(m)
		}
	case *response:
		if n.admitted(&m.Header) {
			n.answered(m.Seq, m.Code, m.body)
		}
	}
}

// admitted holds an envelope to F1 and F2.
func (n *Node) admitted(h *messages.Header) bool {
	if n.parts == nil {
		return false // it does not listen yet
	}
	from, _ := n.shown.Member(ring.NodeID(h.From))
	err := handoff.CheckEnvelope(h, handoff.Local{
		ClusterID: n.shown.ClusterID(), Node: string(n.ID), Incarnation: n.incarnation, PeerIncarnation: from.Incarnation,
	})
	if err != nil {
		n.c.Counts.Fenced++
		return false
	}
	switch {
	case topology.ClusterID(h.ClusterID) != n.c.opts.ClusterID:
		n.c.W.Failf("F1 %s takes a message of cluster %v", n.ID, topology.ClusterID(h.ClusterID))
	case h.ToIncarnation != n.incarnation:
		n.c.W.Failf("F2 %s takes a message for its incarnation %d and is %d", n.ID, h.ToIncarnation, n.incarnation)
	case h.FromIncarnation < from.Incarnation:
		n.c.W.Failf("F2 %s takes a message of %s@%d, which is at %d", n.ID, h.From, h.FromIncarnation, from.Incarnation)
	}
	return true
}

// receiveFrame gives a frame to the task that it is for.
func (n *Node) receiveFrame(f *frame) {
	id := store.ID{Kind: f.Kind, Partition: ring.Partition(f.Partition)}
	if e, ok := f.event.(handoff.SenderEvent); ok {
		if s := n.sources[f.conn]; s != nil {
			s.receive(f, e)
		}
		return
	}
	if t := n.targets[f.conn]; t != nil {
		t.receive(f)
		return
	}
	if _, hello := f.event.(handoff.Hello); hello {
		n.greeted(id, f)
		return
	}
	// Its connection is gone. If the partition is received again now, the receiver gets it: what it
	// must tell by is the session.
	for _, t := range n.incoming {
		if t.id == id && t.session != f.session {
			n.c.Counts.Fenced++
			t.receive(f)
			return
		}
	}
	n.c.Counts.Fenced++
}

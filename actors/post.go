package actors

import (
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/pipe"
)

// PipeKind is the vnode kind that runs pipe workers.
const PipeKind = "pipe"

// header begins the envelope of a letter from this node.
func (h *Host) header(body any) messages.Header {
	head := messages.Header{Type: typeOf(body), From: string(h.opts.Self.Node), FromIncarnation: h.opts.Self.Incarnation}
	switch m := body.(type) {
	case *pipe.Enqueue:
		head.Seq, head.Flags, head.Endpoint = m.Seq, m.Round, m.ReplyTo.Endpoint
	case *pipe.Ack:
		// The header's partition is where the letter goes; which destination
		// acknowledges travels in the session field, unused outside transfers.
		head.Seq, head.Session = m.Seq, uint64(m.Partition)
	case *pipe.Refuse:
		head.Seq, head.Session, head.Flags = m.Expected, uint64(m.Partition), m.Round
	}
	return head
}

// toEndpoint sends a message to an endpoint. Partition says which vnode it
// comes from or concerns.
func (h *Host) toEndpoint(to pipe.Address, p ring.Partition, body any) {
	head := h.header(body)
	head.To, head.ToIncarnation, head.Endpoint = string(to.Node), to.Incarnation, to.Endpoint
	head.Partition, head.RingVersion = uint32(p), h.View().Version()
	h.send(&letter{Header: head, body: body})
}

// toPipe sends a message to the pipe vnode of a partition, wherever that is now.
func (h *Host) toPipe(p ring.Partition, body any) { h.toVnode(PipeKind, p, body) }

// toVnode sends a message to the owner of a partition.
func (h *Host) toVnode(kind string, p ring.Partition, body any) {
	v := h.View()
	owner, epoch := v.Owner(kind, p)
	head := h.header(body)
	head.To, head.Kind, head.Partition = string(owner), kind, uint32(p)
	head.RingVersion, head.Epoch = v.Version(), epoch
	h.send(&letter{Header: head, body: body})
}

// transmit sends a batch to its vnode or to the sink.
func (h *Host) transmit(t pipe.Transmit, sink pipe.Address) {
	if t.ToSink {
		h.toEndpoint(sink, 0, t.Enqueue)
		return
	}
	h.toPipe(t.Enqueue.Partition, t.Enqueue)
}

// reply sends a machine's answer where it names: an endpoint, or the vnode of
// the sending worker's partition when it names none.
func (h *Host) reply(to pipe.Address, from pipe.Stream, p ring.Partition, body any) {
	if to.IsZero() {
		h.toPipe(ring.Partition(from.From), body)
		return
	}
	h.toEndpoint(to, p, body)
}

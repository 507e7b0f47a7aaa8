package sim

import (
	"errors"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// A request is a command on its way to a vnode, or to the next one.
type request struct {
	messages.Header
	body     []byte
	forwards int // as the checker counts them, whatever the envelope says
}

// A response answers a request.
type response struct {
	messages.Header
	body []byte
}

// A server runs a module over its store: one command at a time, each one atomic batch that is durable
// before the answer leaves.
type server struct {
	n     *Node
	id    store.ID
	at    slot
	vault *vault

	part    store.Partition
	module  vnode.Vnode
	cx      *vnode.Context
	version uint64
	seen    uint64 // version of the record that the context has its Copy of
	recent  vnode.Recent
}

// open makes the module ready on the active generation.
func (x *partition) open() {
	part, err := x.vault.Open(x.id)
	if err != nil {
		x.n.c.W.Failf("%s: open %v: %v", x.n.ID, x.id, err)
		return
	}
	_, epoch := x.life.Owner()
	at := vnode.Partition{
		Kind: x.id.Kind, ID: x.id.Partition, Size: x.n.c.base.RingSize(), Node: x.n.ID, Epoch: epoch, Incarnation: x.n.incarnation,
	}
	x.part = part
	x.version = max(x.version, vnode.FirstVersion(epoch, x.n.incarnation))
	x.cx, x.seen = vnode.NewContext(at, part, &x.version, nil), 0
	if x.module, err = x.n.c.modules[x.kind].Open(at); err != nil {
		x.n.c.W.Failf("%s: open %v: %v", x.n.ID, x.id, err)
		return
	}
	x.n.c.check.opened(x)
}

func (s *server) close() { s.module, s.cx = nil, nil }

// context is for the next command.
func (s *server) context() *vnode.Context {
	s.cx.Reset()
	if v := s.n.shown; v.Version() != s.seen {
		s.seen = v.Version()
		part := v.Part(s.id.Kind, s.id.Partition)
		s.cx.SetCopy(vnode.Copy{
			Grace: v.Grace(), Incomplete: part.Incomplete, Lost: part.Lost, Hinted: part.Hinted,
			Hints: func(p ring.Partition) bool { return len(v.Hints(s.id.Kind, p)) > 0 },
		})
	}
	return s.cx
}

// twice reports whether a request came before.
func (s *server) twice(r *request) bool {
	return !s.recent.Add(vnode.RequestID{Node: ring.NodeID(r.From), Incarnation: r.FromIncarnation, Seq: r.Seq})
}

// admit serves a request as the lifecycle decides.
func (x *partition) admit(r *request) {
	verdict := x.life.Admit(r.RingVersion, r.Hop)
	if verdict == vnode.Park {
		x.parked = append(x.parked, r)
		return
	}
	x.n.c.check.admitted(x, r, verdict)
	if x.twice(r) {
		return
	}
	switch verdict {
	case vnode.Serve, vnode.ServeMoving:
		x.serve(r)
	case vnode.ForwardNow:
		owner, _ := x.life.Owner()
		x.forward(r, owner)
	case vnode.WrongOwner:
		x.n.respond(r, messages.CodeWrongOwner, nil)
	case vnode.StaleRing:
		x.n.respond(r, messages.CodeStaleRing, nil)
	case vnode.RefuseFrozen:
		x.n.respond(r, messages.CodeFrozen, nil)
	}
}

// forward sends a request on to the owner, with one hop more.
func (x *partition) forward(r *request, owner ring.NodeID) {
	g := *r
	g.Hop++
	g.To, g.ToIncarnation, g.RingVersion = string(owner), 0, x.life.Version()
	g.forwards++
	x.n.post(&g)
}

// serve runs the module's handler, writes what it wrote, and answers when that is durable.
func (x *partition) serve(r *request) {
	_, epoch := x.life.Owner()
	d := x.module.HandleCommand(x.context(), vnode.Command{Body: r.body})
	reply, ok := d.(vnode.Reply)
	if err := x.cx.Err(); err != nil || !ok {
		x.n.respond(r, messages.CodeRefused, nil)
		return
	}
	batch := x.cx.Batch()
	acknowledge := func() {
		x.n.c.check.acknowledged(x, epoch, r)
		x.n.respond(r, messages.CodeOK, reply.Body)
	}
	if batch.Len() == 0 {
		acknowledge()
		return
	}
	if err := x.part.Write(batch); err != nil {
		code := messages.CodeInternal
		if errors.Is(err, store.ErrDiskFull) {
			code = messages.CodeNoSpace
		}
		x.n.respond(r, code, nil)
		return
	}
	if x.moving {
		for _, op := range batch.Ops() {
			x.dirty.Mark(op.Key)
		}
	}
	if x.spec.Volatile {
		acknowledge()
		return
	}
	x.n.flush(acknowledge)
}

// respond answers a request.
func (n *Node) respond(r *request, code messages.Code, body []byte) {
	if ring.NodeID(r.From) == n.ID {
		if r.FromIncarnation == n.incarnation {
			n.answered(r.Seq, code, body)
		}
		return
	}
	m := &response{Header: messages.Header{
		Type: messages.TypeResponse, Code: code, ClusterID: n.State.ClusterID(), From: string(n.ID), FromIncarnation: n.incarnation,
		To: r.From, ToIncarnation: r.FromIncarnation, RingVersion: n.shown.Version(), Seq: r.Seq,
	}, body: body}
	n.send(ring.NodeID(r.From), m)
}

// post sends a request to the node that it names.
func (n *Node) post(r *request) {
	if r.To == string(n.ID) {
		n.deliver(r)
		return
	}
	m, ok := n.shown.Member(ring.NodeID(r.To))
	if !ok || m.Status == topology.Removed {
		n.respond(r, messages.CodeNotFound, nil)
		return
	}
	r.ClusterID, r.ToIncarnation = n.shown.ClusterID(), m.Incarnation
	n.send(m.Node, r)
}

// deliver gives a request to its vnode.
func (n *Node) deliver(r *request) {
	k := n.c.kindIndex(r.Kind)
	if k < 0 || n.parts == nil {
		return
	}
	n.vnode(k, ring.Partition(r.Partition)).take(r)
}

// vnode returns the vnode of a partition, started if need be.
func (n *Node) vnode(k int, p ring.Partition) *partition {
	x := n.parts[k][p]
	if x == nil {
		x = newPartition(n, k, p)
	}
	return x
}

// tell tells a vnode its entry in the record that the node goes by.
func (n *Node) tell(x *partition) {
	x.take(vnode.Applied{
		Version: n.shown.Version(), Part: n.shown.Part(x.spec.Name, x.id.Partition), Fence: n.shown.Fence(), Activate: x.spec.Activate,
	})
}

package actors

import (
	"fmt"
	"sync"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
)

// identity is who a transport is, and the latest life it has seen of every other node. It makes and judges handshakes,
// and holds received frames to the rules F1 and F2.
type identity struct {
	opts TransportOptions
	addr string

	mu    sync.RWMutex
	lives map[string]uint64
}

func newIdentity(opts TransportOptions, addr string) *identity {
	return &identity{opts: opts, addr: addr, lives: make(map[string]uint64)}
}

// stamp fills in the names of a frame that leaves for a peer.
func (id *identity) stamp(f *messages.Frame, to Peer) {
	f.ClusterID = id.opts.ClusterID
	f.To, f.ToIncarnation = string(to.Node), to.Incarnation
	if f.From == "" {
		f.From, f.FromIncarnation = string(id.opts.Node), id.opts.Incarnation
	}
}

// admit holds a received frame to F1 and F2.
func (id *identity) admit(f *messages.Frame) error {
	switch {
	case f.ClusterID != id.opts.ClusterID:
		return fmt.Errorf("frame %v from %s of cluster %x: %w", f.Type, f.From, f.ClusterID, messages.ErrClusterMismatch)
	case f.To != string(id.opts.Node):
		return fmt.Errorf("frame %v for %s at %s: %w", f.Type, f.To, id.opts.Node, messages.ErrWrongNode)
	case f.ToIncarnation != id.opts.Incarnation:
		return fmt.Errorf("frame %v for %s/%d at %d: %w", f.Type, f.To, f.ToIncarnation, id.opts.Incarnation, messages.ErrIncarnation)
	}
	return id.learn(f.From, f.FromIncarnation)
}

// learn notes a node's life, and refuses one before the latest.
func (id *identity) learn(node string, incarnation uint64) error {
	id.mu.RLock()
	latest, known := id.lives[node]
	id.mu.RUnlock()
	if known && incarnation == latest {
		return nil
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	if latest, known := id.lives[node]; known && incarnation < latest {
		return fmt.Errorf("node %s/%d, seen %d: %w", node, incarnation, latest, messages.ErrIncarnation)
	}
	id.lives[node] = incarnation
	return nil
}

// hello is the first frame of every stream to the peer.
func (id *identity) hello(to Peer) (messages.Frame, error) {
	payload, err := messages.Encode(&messages.Hello{
		ProtocolVersion: id.opts.Version, ClusterId: id.opts.ClusterID[:],
		Node: string(id.opts.Node), Incarnation: id.opts.Incarnation, Addr: id.addr,
		ToNode: string(to.Node), ToIncarnation: to.Incarnation,
	})
	f := messages.Frame{Header: messages.Header{Type: messages.TypeHello}, Payload: payload}
	id.stamp(&f, to)
	return f, err
}

// accept judges a peer's first frame. It returns the peer, as far as it named itself, and the answer, which goes out even
// when the error says that the peer is refused.
func (id *identity) accept(first messages.Frame) (Peer, messages.Frame, error) {
	peer := Peer{Node: ring.NodeID(first.From), Incarnation: first.FromIncarnation}
	err := id.judge(first, &peer)
	reply := &messages.HelloReply{
		ProtocolVersion: id.opts.Version, ClusterId: id.opts.ClusterID[:],
		Node: string(id.opts.Node), Incarnation: id.opts.Incarnation, Error: messages.ErrorOf(err),
	}
	payload, encodeErr := messages.Encode(reply)
	if encodeErr != nil {
		err = encodeErr
	}
	f := messages.Frame{Header: messages.Header{Type: messages.TypeHelloReply}, Payload: payload}
	id.stamp(&f, peer)
	return peer, f, err
}

func (id *identity) judge(first messages.Frame, peer *Peer) error {
	if first.Type != messages.TypeHello {
		return fmt.Errorf("stream from %s begins with %v: %w", first.From, first.Type, messages.ErrInvalid)
	}
	h, err := messages.Decode[messages.Hello](first.Payload)
	if err != nil {
		return err
	}
	if h.GetNode() == "" || h.GetNode() != first.From || h.GetIncarnation() != first.FromIncarnation {
		return fmt.Errorf("hello of %q/%d in a frame from %q/%d: %w",
			h.GetNode(), h.GetIncarnation(), first.From, first.FromIncarnation, messages.ErrInvalid)
	}
	peer.Addr = h.GetAddr()
	if err := id.compare(h.GetProtocolVersion(), h.GetClusterId(), *peer); err != nil {
		return err
	}
	if h.GetToNode() != string(id.opts.Node) {
		return id.mismatch(*peer, messages.CodeWrongNode, fmt.Sprintf("the peer looks for %s", h.GetToNode()),
			"correct the address of the one or the other")
	}
	if h.GetToIncarnation() != id.opts.Incarnation {
		return id.mismatch(*peer, messages.CodeIncarnation,
			fmt.Sprintf("the peer looks for %s/%d", h.GetToNode(), h.GetToIncarnation()),
			"one of the two views is old; retry after the next view")
	}
	if err := id.learn(h.GetNode(), h.GetIncarnation()); err != nil {
		return id.mismatch(*peer, messages.CodeIncarnation, err.Error(), "two processes run as one node; stop the older")
	}
	return nil
}

// check judges the answer to hello.
func (id *identity) check(reply messages.Frame, to Peer) error {
	if reply.Type != messages.TypeHelloReply {
		return fmt.Errorf("handshake with %s at %s: answered %v: %w", to.Node, to.Addr, reply.Type, messages.ErrInvalid)
	}
	r, err := messages.Decode[messages.HelloReply](reply.Payload)
	if err != nil {
		return err
	}
	found := Peer{Node: ring.NodeID(r.GetNode()), Incarnation: r.GetIncarnation(), Addr: to.Addr}
	if err := id.compare(r.GetProtocolVersion(), r.GetClusterId(), found); err != nil {
		return err
	}
	if found.Node != to.Node {
		return id.mismatch(found, messages.CodeWrongNode, fmt.Sprintf("expected %s at %s", to.Node, to.Addr),
			"correct the address of the one or the other")
	}
	if found.Incarnation != to.Incarnation {
		return id.mismatch(found, messages.CodeIncarnation, fmt.Sprintf("expected %s/%d", to.Node, to.Incarnation),
			"one of the two views is old; retry after the next view")
	}
	if err := r.GetError().Err(); err != nil {
		return err
	}
	return id.learn(string(found.Node), found.Incarnation)
}

// compare is the part of the handshake that is the same on both sides.
func (id *identity) compare(version uint32, cluster []byte, peer Peer) error {
	if version != id.opts.Version {
		return id.mismatch(peer, messages.CodeVersion,
			fmt.Sprintf("protocol version mismatch: %d here, %d there", id.opts.Version, version),
			"run the same release on both nodes")
	}
	if string(cluster) != string(id.opts.ClusterID[:]) {
		return id.mismatch(peer, messages.CodeClusterMismatch,
			fmt.Sprintf("cluster id mismatch: %x here, %x there", id.opts.ClusterID, cluster),
			"the nodes belong to two clusters; correct the address, or join one of them as a new node")
	}
	return nil
}

// mismatch is a refusal that names both sides.
func (id *identity) mismatch(peer Peer, code messages.Code, what, remedy string) error {
	return &messages.Error{
		Code: uint32(code), Op: "handshake",
		Operand: fmt.Sprintf("%s/%d with %s/%d", id.opts.Node, id.opts.Incarnation, peer.Node, peer.Incarnation),
		Message: what, Remedy: remedy,
	}
}

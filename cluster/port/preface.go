package port

import (
	"fmt"
	"io"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// A Protocol is what a connection is for.
type Protocol byte

// The protocols between nodes. Their values are on the wire.
const (
	// Nodes carries frames over gRPC.
	Nodes Protocol = 1
	// Raft carries the consensus among the record's voters.
	Raft Protocol = 2
	// Record carries proposals, reads and requests to join.
	Record Protocol = 3
	// Gossip carries the failure detector.
	Gossip Protocol = 4
	// Status carries HTTP between nodes.
	Status Protocol = 5

	lastProtocol = Status
)

// String returns the protocol's name.
func (p Protocol) String() string {
	switch p {
	case Nodes:
		return "nodes"
	case Raft:
		return "raft"
	case Record:
		return "record"
	case Gossip:
		return "gossip"
	case Status:
		return "status"
	}
	return fmt.Sprintf("protocol %d", byte(p))
}

// known reports whether this program has the protocol.
func (p Protocol) known() bool { return p >= Nodes && p <= lastProtocol }

const (
	magic = "BTN1" // three letters and the version
	// headSize is the magic, the protocol, the cluster id and the name's length.
	headSize   = len(magic) + 1 + 16 + 1
	answerSize = len(magic) + 1 + 16
	// MaxNodeName is the longest node name in bytes.
	MaxNodeName = 255
)

// A Preface is what a dialer says first.
type Preface struct {
	// Protocol is what the connection is for; it may be unknown here.
	Protocol Protocol
	// Cluster is the dialer's cluster; zero when it has none yet.
	Cluster topology.ClusterID
	// Node is the dialer's name, 1 to MaxNodeName bytes.
	Node ring.NodeID
}

// AppendPreface appends the bytes of p to b. The error is ErrPreface when the
// name is empty or too long.
func AppendPreface(b []byte, p Preface) ([]byte, error) {
	if len(p.Node) == 0 || len(p.Node) > MaxNodeName {
		return b, fmt.Errorf("node name of %d bytes, want 1 to %d: %w", len(p.Node), MaxNodeName, ErrPreface)
	}
	b = append(b, magic...)
	b = append(b, byte(p.Protocol))
	b = append(b, p.Cluster[:]...)
	b = append(b, byte(len(p.Node)))
	return append(b, p.Node...), nil
}

// ReadPreface reads a preface and not one byte more. The error is ErrPreface
// for bytes that are none, ErrVersion for a preface of another version, or the
// reader's.
func ReadPreface(r io.Reader) (Preface, error) {
	var b [headSize + MaxNodeName]byte
	// The magic comes first, so that garbage is not waited for.
	if _, err := io.ReadFull(r, b[:len(magic)]); err != nil {
		return Preface{}, fmt.Errorf("read preface: %w", err)
	}
	if err := checkMagic(b[:len(magic)], ErrPreface); err != nil {
		return Preface{}, err
	}
	if _, err := io.ReadFull(r, b[len(magic):headSize]); err != nil {
		return Preface{}, fmt.Errorf("read preface: %w", err)
	}
	p := Preface{Protocol: Protocol(b[len(magic)])}
	copy(p.Cluster[:], b[len(magic)+1:])
	size := int(b[headSize-1])
	if size == 0 {
		return Preface{}, fmt.Errorf("no node name: %w", ErrPreface)
	}
	if _, err := io.ReadFull(r, b[headSize:headSize+size]); err != nil {
		return Preface{}, fmt.Errorf("read preface: %w", err)
	}
	p.Node = ring.NodeID(b[headSize : headSize+size])
	return p, nil
}

// checkMagic returns other for bytes of something else, and ErrVersion for
// another version of this.
func checkMagic(b []byte, other error) error {
	switch last := len(magic) - 1; {
	case string(b[:last]) != magic[:last]:
		return fmt.Errorf("begins with %q: %w", b, other)
	case b[last] != magic[last]:
		return fmt.Errorf("version %q, this is %q: %w", b[last:], magic[last:], ErrVersion)
	}
	return nil
}

// A verdict is the acceptor's answer; its values are on the wire.
type verdict byte

const (
	accepted verdict = iota
	otherCluster
	badProtocol
	badVersion
	noCluster
	notServed
	busy
)

// verdicts gives the error that a refusal means to the dialer.
var verdicts = map[verdict]error{
	badProtocol: ErrProtocol, badVersion: ErrVersion, noCluster: ErrNoCluster, notServed: ErrNotServed, busy: ErrBusy,
}

func appendAnswer(b []byte, v verdict, cluster topology.ClusterID) []byte {
	return append(append(append(b, magic...), byte(v)), cluster[:]...)
}

func readAnswer(r io.Reader) (verdict, topology.ClusterID, error) {
	var b [answerSize]byte
	var cluster topology.ClusterID
	if _, err := io.ReadFull(r, b[:len(magic)]); err != nil {
		return 0, cluster, fmt.Errorf("read answer: %w", err)
	}
	if err := checkMagic(b[:len(magic)], ErrNotPort); err != nil {
		return 0, cluster, err
	}
	if _, err := io.ReadFull(r, b[len(magic):]); err != nil {
		return 0, cluster, fmt.Errorf("read answer: %w", err)
	}
	copy(cluster[:], b[len(magic)+1:])
	return verdict(b[len(magic)]), cluster, nil
}

// judge says whether nodes of the two clusters may speak the protocol.
func judge(local, remote topology.ClusterID, proto Protocol) verdict {
	switch {
	case !proto.known():
		return badProtocol
	case local != remote && !local.IsZero() && !remote.IsZero():
		return otherCluster
	case (local.IsZero() || remote.IsZero()) && proto != Record && proto != Status:
		return noCluster
	}
	return accepted
}

package port

import (
	"errors"
	"fmt"

	"github.com/dee2748c/baton/cluster/topology"
)

// Errors of a port. A dialer gets those of the first group from the node that
// it has reached.
var (
	// ErrProtocol: the node at the address does not know the protocol; the two
	// run different versions of the program.
	ErrProtocol = errors.New("unknown protocol")
	// ErrVersion: the preface of one is newer than the other understands.
	ErrVersion = errors.New("unknown version of the cluster port")
	// ErrNoCluster: one of the two belongs to no cluster yet, so only Record is
	// spoken between them. It ends when the node has joined.
	ErrNoCluster = errors.New("no cluster yet")
	// ErrNotServed: nobody takes this protocol's connections, because the node
	// is starting or stopping.
	ErrNotServed = errors.New("protocol not served now")
	// ErrBusy: too many connections wait to be taken.
	ErrBusy = errors.New("too many waiting connections")

	// ErrNotPort: what answers at the address is no cluster port.
	ErrNotPort = errors.New("not a cluster port")
	// ErrPreface: bytes that are no preface, or a node name that does not fit one.
	ErrPreface = errors.New("bad preface")
	// ErrAddrInUse: another process listens at the address.
	ErrAddrInUse = errors.New("address in use")
	// ErrTaken: the protocol has a listener already.
	ErrTaken = errors.New("protocol has a listener")
	// ErrClosed: the port was closed. It matches net.ErrClosed for listeners.
	ErrClosed = errors.New("cluster port closed")
)

// A ClusterError says that two nodes belong to different clusters. It matches
// topology.ErrClusterMismatch.
type ClusterError struct {
	// Local and Remote are the ids of the two clusters.
	Local, Remote topology.ClusterID
	// Addr is the other node's address.
	Addr string
}

// Error names both clusters and the way out.
func (e *ClusterError) Error() string {
	return fmt.Sprintf("node at %s belongs to cluster %v, this one to %v: %v: "+
		"check the address, or start with an empty data directory to join there",
		e.Addr, e.Remote, e.Local, topology.ErrClusterMismatch)
}

// Unwrap returns topology.ErrClusterMismatch.
func (e *ClusterError) Unwrap() error { return topology.ErrClusterMismatch }

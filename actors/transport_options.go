package actors

import (
	"errors"
	"fmt"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
)

// Errors of transports, beside those of package messages.
var (
	// ErrBacklog says that too many bytes wait for a peer; nothing was queued.
	ErrBacklog = errors.New("peer backlog full")
	// ErrAddrInUse says that another process listens at the address.
	ErrAddrInUse = errors.New("address in use")
)

// TransportOptions say who a node is and how it treats its links.
type TransportOptions struct {
	// Node is the node's name, 1 to 255 bytes; required.
	Node ring.NodeID
	// Incarnation is the node's life, as the record issued it.
	Incarnation uint64
	// ClusterID is the cluster that the node belongs to; required.
	ClusterID [16]byte
	// Addr is where to listen; default "127.0.0.1:0", on a switchboard the node's name.
	Addr string
	// MaxBacklog bounds what waits for one peer, in bytes; default 256 MiB, two of the largest frames.
	MaxBacklog int
	// BackoffMin and BackoffMax bound the pause between two attempts to reach a peer; default 10 ms and 1 s.
	BackoffMin, BackoffMax time.Duration
	// HandshakeTimeout bounds an attempt to reach a peer; default 3 s.
	HandshakeTimeout time.Duration
	// Version is the protocol version to speak; default messages.ProtocolVersion.
	Version uint32
}

func (o TransportOptions) withDefaults() TransportOptions {
	if o.MaxBacklog == 0 {
		o.MaxBacklog = 2 * messages.MaxFrameSize
	}
	if o.BackoffMin == 0 {
		o.BackoffMin = 10 * time.Millisecond
	}
	if o.BackoffMax == 0 {
		o.BackoffMax = max(time.Second, o.BackoffMin)
	}
	if o.HandshakeTimeout == 0 {
		o.HandshakeTimeout = 3 * time.Second
	}
	if o.Version == 0 {
		o.Version = messages.ProtocolVersion
	}
	return o
}

// Validate returns what makes the options unusable.
func (o TransportOptions) Validate() error {
	switch {
	case o.Node == "" || len(o.Node) > 255:
		return fmt.Errorf("transport options: node name %q, want 1 to 255 bytes: %w", o.Node, messages.ErrInvalid)
	case o.ClusterID == [16]byte{}:
		return fmt.Errorf("transport options of %s: no cluster id: %w", o.Node, messages.ErrInvalid)
	case o.MaxBacklog < 0 || o.BackoffMin < 0 || o.BackoffMax < o.BackoffMin || o.HandshakeTimeout < 0:
		return fmt.Errorf("transport options of %s: negative or crossed limits: %w", o.Node, messages.ErrInvalid)
	}
	return nil
}

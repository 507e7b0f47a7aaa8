package actors

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// busy counts what a node must finish before it may leave the cluster: pipes
// that it coordinates, and snapshots that feed pipes. The zero value is ready.
type busy struct {
	mu    sync.Mutex
	n     int
	quiet chan struct{} // closed when n falls to 0; nil before the first add
}

func (b *busy) add() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n == 0 {
		b.quiet = make(chan struct{})
	}
	b.n++
}

func (b *busy) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n--
	if b.n == 0 {
		close(b.quiet)
	}
}

// wait returns the channel that is closed when nothing is left, nil when
// nothing is.
func (b *busy) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n == 0 {
		return nil
	}
	return b.quiet
}

// Quiesce returns when the node neither coordinates a pipe nor feeds one from a
// snapshot.
func (h *Host) Quiesce(ctx context.Context) error {
	for quiet := h.busy.wait(); quiet != nil; quiet = h.busy.wait() {
		select {
		case <-quiet:
		case <-ctx.Done():
			return fmt.Errorf("node %s still works for pipes: %w", h.opts.Self.Node, context.Cause(ctx))
		}
	}
	return nil
}

// Listen opens the address that a GRPC transport will listen at, so that it is
// known before the node is a member. The error is ErrAddrInUse when the port is
// taken.
func Listen(addr string) (net.Listener, error) { return listen(addr) }

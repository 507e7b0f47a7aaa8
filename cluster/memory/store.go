package memory

import (
	"context"
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// A Store is one node's handle on a Log. It implements cluster.Store and is safe for concurrent use.
type Store struct {
	log    *Log
	node   ring.NodeID
	notify cluster.Notifier

	// The log's lock guards these.
	cut           bool
	lagging       bool
	closed        bool
	loseAnswers   int
	loseProposals int
}

var _ cluster.Store = (*Store)(nil)

// Node returns the node that the handle was opened for.
func (s *Store) Node() ring.NodeID { return s.node }

// Read returns the record as it is now.
func (s *Store) Read(ctx context.Context) (topology.State, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if err := s.reachable(ctx); err != nil {
		return topology.State{}, fmt.Errorf("read record at %s: %w", s.node, err)
	}
	return s.log.state, nil
}

// Propose applies the commands.
func (s *Store) Propose(ctx context.Context, cmds ...topology.Command) ([]topology.Outcome, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if err := s.reachable(ctx); err != nil {
		return nil, fmt.Errorf("propose %d commands at %s: %w", len(cmds), s.node, err)
	}
	if len(cmds) > topology.Window {
		return nil, fmt.Errorf("propose %d commands at %s, the limit is %d: %w", len(cmds), s.node, topology.Window, cluster.ErrBatch)
	}
	if s.loseProposals > 0 {
		s.loseProposals--
		return nil, fmt.Errorf("propose %d commands at %s: %w", len(cmds), s.node, cluster.ErrUnknown)
	}
	out := s.log.apply(cmds)
	if s.loseAnswers > 0 {
		s.loseAnswers--
		return nil, fmt.Errorf("propose %d commands at %s: %w", len(cmds), s.node, cluster.ErrUnknown)
	}
	return out, nil
}

// Watch returns the record and its changes as this handle sees them.
func (s *Store) Watch(ctx context.Context) <-chan cluster.Update { return s.notify.Watch(ctx) }

// reachable returns why a call has no effect. The caller holds the log's lock.
func (s *Store) reachable(ctx context.Context) error {
	switch {
	case s.closed:
		return cluster.ErrClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case s.cut:
		return cluster.ErrUnavailable
	}
	return nil
}

// Close ends the handle: its watches end and its calls return ErrClosed. It is idempotent.
func (s *Store) Close() error {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.notify.Close()
	s.log.handles = slices.DeleteFunc(s.log.handles, func(o *Store) bool { return o == s })
	s.log.elect()
	s.log.publish()
	return nil
}

// Cut separates the handle from the log: calls return ErrUnavailable, watchers see no changes, and
// another handle leads.
func (s *Store) Cut() { s.set(func() { s.cut = true }) }

// Heal takes a Cut back.
func (s *Store) Heal() { s.set(func() { s.cut = false }) }

// Lag holds changes back from the handle's watchers until it is called with false. Reads and
// proposals go on.
func (s *Store) Lag(on bool) { s.set(func() { s.lagging = on }) }

// LoseAnswers lets the next n proposals take effect and answers them with ErrUnknown.
func (s *Store) LoseAnswers(n int) { s.set(func() { s.loseAnswers = n }) }

// LoseProposals drops the next n proposals and answers them with ErrUnknown.
func (s *Store) LoseProposals(n int) { s.set(func() { s.loseProposals = n }) }

func (s *Store) set(change func()) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	change()
	s.log.elect()
	s.log.publish()
}

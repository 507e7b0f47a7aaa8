package consul

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// A Store is one node's handle on the record in Consul. It implements cluster.Store and is safe for
// concurrent use.
type Store struct {
	opts     Options
	client   *client
	log      *slog.Logger
	life     string // random; names this handle's presence
	notify   cluster.Notifier
	liveness detector
	queue    chan *proposal
	renew    chan struct{} // capacity 1: asks the presence loop to look now
	compact  chan struct{} // capacity 1: asks for a snapshot

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	// struggles is what the check says of this node; nil or empty: nothing.
	struggles atomic.Pointer[string]
	closed    func() error

	mu      sync.Mutex
	applied record
	session string        // held by this life; empty while there is none
	changed chan struct{} // closed and replaced when session changes
	leading bool
	leader  ring.NodeID // as last seen
	trouble error       // of the last renewal
}

var _ cluster.Store = (*Store)(nil)

// Open registers the node and returns a handle that has read the record. The error is
// cluster.ErrUnavailable (with ErrDenied when the token is not enough), the context's, or says which
// option is wrong. A server that lost the record is no error: Restore needs a handle.
func Open(ctx context.Context, opts Options) (*Store, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	c, err := newClient(opts)
	if err != nil {
		return nil, err
	}
	s := &Store{
		opts: opts, client: c, life: rand.Text(), log: opts.Logger.With("node", opts.Node, "prefix", opts.Prefix),
		queue: make(chan *proposal), renew: make(chan struct{}, 1), compact: make(chan struct{}, 1), changed: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.closed = sync.OnceValue(s.shutDown)
	s.liveness.init(opts)
	if err := s.begin(ctx); err != nil {
		return nil, fmt.Errorf("open the record in Consul at %s for %s: %w", opts.Address, opts.Node, errors.Join(err, s.Close()))
	}
	s.tasks.Go(func() { s.followHead(s.ctx) })
	s.tasks.Go(func() { s.followHealth(s.ctx) })
	s.tasks.Go(func() { s.keepPresence(s.ctx) })
	s.tasks.Go(func() { s.propose(s.ctx) })
	s.tasks.Go(func() { s.compactions(s.ctx) })
	return s, nil
}

// begin reads the record and makes the node present. A session of the node's life before, which died or
// was replaced, ends: what it locked is free.
func (s *Store) begin(ctx context.Context) error {
	_, lost := s.catchUp(ctx)
	if lost != nil && !errors.Is(lost, cluster.ErrTopologyLost) {
		return lost
	}
	if err := s.endPredecessors(ctx); err != nil {
		return err
	}
	if err := s.establish(ctx); err != nil {
		return err
	}
	if err := s.contend(ctx); err != nil {
		return err
	}
	if lost == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.publish() // an empty record is news as well
	}
	return nil
}

// Close ends the session, takes the registration back and waits for the handle's goroutines.
func (s *Store) Close() error { return s.closed() }

func (s *Store) shutDown() error {
	s.cancel()
	s.tasks.Wait()
	s.notify.Close()
	s.liveness.Close()
	s.leave()
	s.client.transport.CloseIdleConnections()
	return nil
}

// Liveness tells which nodes pass their health checks.
func (s *Store) Liveness() cluster.Liveness { return &s.liveness }

// Watch returns the newest record and its changes; see cluster.Store.
func (s *Store) Watch(ctx context.Context) <-chan cluster.Update { return s.notify.Watch(ctx) }

// Read returns the record; see cluster.Store. It costs one consistent read of the server. When the server
// lost the record, the error is cluster.ErrTopologyLost.
func (s *Store) Read(ctx context.Context) (topology.State, error) {
	if s.ctx.Err() != nil {
		return topology.State{}, fmt.Errorf("read record at %s: %w", s.opts.Node, cluster.ErrClosed)
	}
	r, err := s.catchUp(ctx)
	if err != nil {
		return topology.State{}, fmt.Errorf("read record at %s: %w", s.opts.Node, err)
	}
	return r.state, nil
}

// record returns what the handle has applied.
func (s *Store) record() record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied
}

// install makes r the record, unless the handle knows a later one, and shows it to the watchers.
func (s *Store) install(r record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.follows(s.applied) {
		return
	}
	s.applied = r
	s.publish()
	if s.leading && r.index >= r.snapshotIndex()+s.opts.SnapshotEvery {
		nudge(s.compact)
	}
}

// publish is called with the lock held.
func (s *Store) publish() {
	s.notify.Publish(cluster.Update{State: s.applied.state, Leader: s.leading})
}

func (s *Store) lead(leading bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leading != leading {
		s.log.Info("coordinator leadership", "leading", leading)
		s.leading = leading
		s.publish()
	}
}

// held returns the session of this life, whether it leads, and what is closed when the session changes.
func (s *Store) held() (session string, leading bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session, s.leading, s.changed
}

// hold makes session the one of this life; leadership does not pass to another session.
func (s *Store) hold(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if session == s.session {
		return
	}
	s.session = session
	if s.leading {
		s.leading = false
		s.publish()
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// nudge wakes the reader of a channel of capacity one.
func nudge(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

package raft

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	hraft "github.com/hashicorp/raft"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

// A Store is one server of the replicated record, and this node's handle on it. It is safe for
// concurrent use.
type Store struct {
	opts      Options
	id        string
	storage   *storage
	machine   *machine
	stream    *stream
	transport *transport
	raft      *hraft.Raft
	plan      planner
	book      *book
	start     uint64 // counts the starts of this server

	notify    cluster.Notifier
	publishMu sync.Mutex
	newest    topology.State // of machine and what was fetched from members
	leadTerm  atomic.Uint64  // raft term in which this server leads and has applied all before; 0

	life    context.Context // ends with Close
	end     context.CancelFunc
	calls   calls
	workers sync.WaitGroup
	peers   *peers
	server  *server
	nudge   chan struct{} // the record or the configuration changed
}

var _ cluster.Store = (*Store)(nil)

// A planner says what the next change of raft's configuration is.
type planner func(topology.State, []hraft.Server, hraft.ServerID, func(hraft.Server) bool) change

// Open opens a server. One with a record goes on with it. One without waits: for Bootstrap, or until
// its node has joined and the leader adds it; until then it reads and proposes through Options.Seeds.
// The error is a *DirError when the directory is not fit for use.
func Open(o Options) (*Store, error) { return open(o, desired) }

func open(o Options, plan planner) (_ *Store, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open raft store: %w", err), closeListeners(o))
		}
	}()
	if err := o.complete(); err != nil {
		return nil, err
	}
	s := &Store{opts: o, id: ServerID(o.Node, o.Nonce), plan: plan, nudge: make(chan struct{}, 1)}
	if s.storage, err = openStorage(&s.opts); err != nil {
		return nil, err
	}
	s.book = s.storage.book
	if s.start, err = s.storage.begin(); err != nil {
		return nil, errors.Join(err, s.storage.close())
	}
	s.book.told(s.place())
	s.life, s.end = context.WithCancel(context.Background())
	s.machine = newMachine(s.applied)
	if err := s.startRaft(); err != nil {
		s.end()
		return nil, errors.Join(err, s.storage.close())
	}
	s.peers = newPeers(s.opts.DialRecord, s.opts.Timeouts)
	s.server = serve(s.opts.RecordListener, s.answer, s.opts.Timeouts.Request)
	s.applied()
	s.workers.Go(s.lead)
	s.workers.Go(s.follow)
	if s.alone() {
		s.hurry()
	}
	return s, nil
}

func closeListeners(o Options) error {
	var err error
	if o.RaftListener != nil {
		err = o.RaftListener.Close()
	}
	if o.RecordListener != nil {
		err = errors.Join(err, o.RecordListener.Close())
	}
	return err
}

// startRaft starts the consensus. On failure nothing of it is left running.
func (s *Store) startRaft() error {
	log := logger{s.opts.Logger.With("server", s.id)}
	s.stream = &stream{
		Listener: s.opts.RaftListener, id: s.id, where: s.book.where, dial: s.opts.DialRaft, conns: map[net.Conn]struct{}{},
	}
	t := &transport{NetworkTransport: hraft.NewNetworkTransportWithConfig(&hraft.NetworkTransportConfig{
		ServerAddressProvider: names{},
		Stream:                s.stream, Logger: log, MaxPool: 3, Timeout: s.opts.Timeouts.Dial,
		// No pipelining: when a follower refuses in the middle of a pipeline, the library's
		// replication waits for ever, and with it the shutdown (v1.8.0).
		MaxRPCsInFlight: 1,
	})}
	r, err := hraft.NewRaft(s.config(), s.machine, s.storage.logs, s.storage.stable, s.storage.snapshots, t)
	if err != nil {
		return errors.Join(err, t.Close())
	}
	s.raft, s.transport = r, t
	t.raft.Store(r)
	return nil
}

func (s *Store) config() *hraft.Config {
	t := s.opts.Timeouts
	c := hraft.DefaultConfig()
	c.LocalID = hraft.ServerID(s.id)
	c.HeartbeatTimeout, c.ElectionTimeout = t.Election, t.Election
	c.LeaderLeaseTimeout = t.Election * 2 / 3
	c.CommitTimeout = t.Commit
	c.SnapshotInterval, c.SnapshotThreshold, c.TrailingLogs = t.Snapshot, s.opts.SnapshotEvery, s.opts.Trailing
	c.NoLegacyTelemetry = true
	c.Logger = logger{s.opts.Logger.With("server", s.id)}
	return c
}

// names gives the transport names for addresses: the stream finds them. (A configuration that was
// written by an earlier version of this package has addresses in it.)
type names struct{}

func (names) ServerAddr(id hraft.ServerID) (hraft.ServerAddress, error) {
	return hraft.ServerAddress(id), nil
}

// Watch returns the newest record that this server knows and its changes. Leader is set while this
// server leads and has applied all that its predecessors committed.
func (s *Store) Watch(ctx context.Context) <-chan cluster.Update { return s.notify.Watch(ctx) }

// applied is called by the machine after each change.
func (s *Store) applied() {
	state, index, _ := s.machine.now()
	s.publish(state, index <= s.storage.last)
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// publish shows watchers a record, if it is news, and whether this server leads. With old, all of it
// was in the log when this server was started.
func (s *Store) publish(state topology.State, old bool) {
	s.publishMu.Lock()
	defer s.publishMu.Unlock()
	if state.Version() >= s.newest.Version() {
		s.newest = state
		s.book.record(state, old)
	}
	s.notify.Publish(cluster.Update{State: s.newest, Leader: s.leadTerm.Load() != 0})
}

// place is where this server is.
func (s *Store) place() place { return place{s.id, s.opts.Addr, s.start} }

func (s *Store) known() topology.State {
	s.publishMu.Lock()
	defer s.publishMu.Unlock()
	return s.newest
}

// Close ends the server: its node goes on without it. It waits for calls into raft, which end within
// an election time-out. It is idempotent.
func (s *Store) Close() error {
	if !s.calls.close() {
		return nil
	}
	s.end()
	err := s.server.close()
	s.peers.close()
	s.workers.Wait()
	s.calls.wait()
	s.notify.Close()
	down := s.raft.Shutdown()
	s.stream.Close() // wakes up those of raft's goroutines that wait for others
	err = errors.Join(err, down.Error())
	s.transport.still()
	return errors.Join(err, s.storage.close())
}

// errNotBegun: the store was closed before the call.
var errNotBegun = fmt.Errorf("not begun: %w", cluster.ErrClosed)

// calls counts the calls that wait for raft. Raft forgets the futures that it holds when it shuts
// down, so it is only shut down when there are none.
type calls struct {
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

func (c *calls) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.wg.Add(1)
	}
	return !c.closed
}

func (c *calls) leave() { c.wg.Done() }

func (c *calls) close() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.closed
	c.closed = true
	return !was
}

func (c *calls) wait() { c.wg.Wait() }

// await waits for a call into raft, at most until ctx ends; begin makes the call, which may block.
// The call itself always runs to its end.
func (s *Store) await(ctx context.Context, begin func() hraft.Future) error {
	if !s.calls.enter() {
		return errNotBegun
	}
	done := make(chan error, 1)
	go func() {
		defer s.calls.leave()
		done <- begin().Error()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// bound returns a context that ends with ctx and with the store.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if s.life.Err() != nil {
		cancel(cluster.ErrClosed) // AfterFunc would do it a moment later
	}
	stop := context.AfterFunc(s.life, func() { cancel(cluster.ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

package baton

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/memory"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/store"
	memstore "github.com/dee2748c/baton/store/memory"
	"github.com/dee2748c/baton/store/pebble"
	"github.com/dee2748c/baton/vnode"
)

// ErrUnknownOutcome says that a command was sent and its answer did not come in
// time: it may have been done.
var ErrUnknownOutcome = actors.ErrUnknownOutcome

// ErrAddrInUse says that another process listens at the node's address.
var ErrAddrInUse = actors.ErrAddrInUse

// Node is one running node. Safe for concurrent use.
type Node struct {
	opts     Options
	host     *actors.Host
	record   *memory.Store
	proposer *cluster.Proposer
	jobs     *mapreduce.Registry

	nonce uint64
	known bool // the node was a member before, by its data directory

	stop   context.CancelFunc
	tasks  sync.WaitGroup
	once   sync.Once
	closed error
}

// Start starts a node. On a record without a cluster it creates one and owns
// every partition; else it asks to join and, once a plan with it is committed,
// takes its share. ctx bounds the start only.
func Start(ctx context.Context, o Options) (*Node, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("start node %q: %w", o.Name, err)
	}
	o = o.withDefaults()
	n := &Node{opts: o}
	s := &starting{node: n}
	if err := s.run(ctx); err != nil {
		s.undo(ctx)
		return nil, fmt.Errorf("start node %q: %w", o.Name, err)
	}
	return n, nil
}

// starting is a start under way: what was opened, to be closed if it fails.
type starting struct {
	node      *Node
	workers   *pipe.Registry
	listener  net.Listener
	durable   store.Engine
	volatile  store.Engine
	transport actors.Transport
	joined    bool
}

func (s *starting) run(ctx context.Context) error {
	n := s.node
	var err error
	if err = s.register(); err != nil {
		return err
	}
	addr, err := s.listen()
	if err != nil {
		return err
	}
	if err = s.openEngines(); err != nil {
		return err
	}
	n.record = n.opts.Record.Store(ring.NodeID(n.opts.Name))
	var nonce [8]byte
	rand.Read(nonce[:])
	n.proposer = cluster.NewProposer(n.record, fmt.Sprintf("%s/%x", n.opts.Name, nonce))
	if err = n.identify(binary.BigEndian.Uint64(nonce[:])); err != nil {
		return err
	}
	self, id, err := n.enter(ctx, addr)
	if err != nil {
		return err
	}
	s.joined = !n.known
	if n.opts.Engine == EnginePebble && !n.known {
		if err = (identity{id, n.opts.Name, n.nonce}).save(n.opts.DataDir); err != nil {
			return err
		}
	}
	if err = s.connect(self, id); err != nil {
		return err
	}
	n.host, err = actors.Start(ctx, actors.Options{
		Self: self, Agreement: n.record, Transport: s.transport, Engine: s.durable, Volatile: s.volatile,
		Kinds: append([]vnode.Kind{kv.Kind()}, n.opts.Kinds...), Workers: s.workers,
		Log: n.opts.Logger, RetryAfter: n.opts.RetryAfter, Events: n.opts.Events,
	})
	if err != nil {
		return err
	}
	return n.coordinate(nonce[:])
}

// register gathers the workers that this node can run.
func (s *starting) register() error {
	o := s.node.opts
	s.workers = pipe.NewRegistry()
	var err error
	if s.node.jobs, err = mapreduce.NewRegistry(o.Jobs...); err != nil {
		return err
	}
	errs := []error{s.node.jobs.Bind(s.workers)}
	for name, f := range o.Fittings {
		errs = append(errs, s.workers.AddWorker(name, f))
	}
	for name, h := range o.Hashes {
		errs = append(errs, s.workers.AddHash(name, h))
	}
	return errors.Join(errs...)
}

func (s *starting) listen() (addr string, err error) {
	if s.node.opts.Transport != nil {
		return s.node.opts.Addr, nil
	}
	s.listener, err = actors.Listen(s.node.opts.Addr)
	if err != nil {
		return "", err
	}
	return s.listener.Addr().String(), nil
}

func (s *starting) openEngines() (err error) {
	s.volatile = memstore.New()
	if s.node.opts.Engine == EngineMemory {
		s.durable = memstore.New()
		return nil
	}
	s.durable, err = pebble.Open(s.node.opts.DataDir, pebble.Options{})
	return err
}

func (s *starting) connect(self actors.Peer, id topology.ClusterID) (err error) {
	o := actors.TransportOptions{Node: self.Node, Incarnation: self.Incarnation, ClusterID: id, Addr: self.Addr}
	if s.node.opts.Transport != nil {
		s.transport, err = s.node.opts.Transport(o)
		return err
	}
	s.transport, err = actors.NewGRPC(actors.GRPCOptions{TransportOptions: o, Listener: s.listener})
	if err == nil {
		s.listener = nil // the transport's from here on
	}
	return err
}

// undo closes what a failed start has opened.
func (s *starting) undo(ctx context.Context) {
	n := s.node
	if n.host != nil {
		_ = n.host.Stop(ctx)
		s.transport, s.durable, s.volatile = nil, nil, nil
	}
	if s.transport != nil {
		_ = s.transport.Close(ctx)
	}
	if s.listener != nil {
		_ = s.listener.Close()
	}
	for _, e := range []store.Engine{s.durable, s.volatile} {
		if e != nil {
			_ = e.Close()
		}
	}
	if n.record != nil {
		if s.joined {
			_, _ = n.proposer.Propose(ctx, 0, topology.Unstage{Node: ring.NodeID(n.opts.Name)})
		}
		_ = n.record.Close()
	}
}

// enter makes the node a member: of a new cluster, of one that it asks to join,
// or again of one that it was stopped in.
func (n *Node) enter(ctx context.Context, addr string) (actors.Peer, topology.ClusterID, error) {
	state, err := n.record.Read(ctx)
	if err != nil {
		return actors.Peer{}, topology.ClusterID{}, err
	}
	self := actors.Peer{Node: ring.NodeID(n.opts.Name), Addr: addr}
	op := n.entry(state, addr)
	outcomes, err := n.proposer.Propose(ctx, 0, op)
	if err == nil {
		err = outcomes[0].Err
	}
	if errors.Is(err, topology.ErrClusterExists) {
		return n.enter(ctx, addr) // another node was first
	}
	if err != nil {
		return actors.Peer{}, topology.ClusterID{}, err
	}
	state, err = n.record.Read(ctx)
	if err != nil {
		return actors.Peer{}, topology.ClusterID{}, err
	}
	m, ok := state.Member(self.Node)
	if !ok {
		return actors.Peer{}, topology.ClusterID{}, fmt.Errorf("node is not in the record: %w", topology.ErrNotMember)
	}
	self.Incarnation = m.Incarnation
	return self, state.ClusterID(), nil
}

// identify takes the nonce that the node joined with from its data directory,
// or a new one.
func (n *Node) identify(fresh uint64) error {
	n.nonce = fresh
	if n.opts.Engine != EnginePebble {
		return nil
	}
	id, ok, err := loadIdentity(n.opts.DataDir)
	if err != nil || !ok {
		return err
	}
	if id.Node != n.opts.Name {
		return fmt.Errorf("%s is of node %q: %w: start it under that name or give another directory", n.opts.DataDir, id.Node, ErrIdentity)
	}
	n.nonce, n.known = id.Nonce, true
	return nil
}

func (n *Node) entry(state topology.State, addr string) topology.Op {
	kinds := n.kindSpecs()
	node := ring.NodeID(n.opts.Name)
	if state.Ring() == nil {
		op := topology.CreateCluster{
			RingSize: n.opts.RingSize, TargetN: n.opts.TargetN, NVal: 1, Kinds: kinds,
			Member: topology.Member{Node: node, Addr: addr, Weight: n.opts.Weight, Location: n.opts.Location, Nonce: n.nonce},
		}
		if op.RingSize == 0 {
			op.RingSize = DefaultRingSize
		}
		rand.Read(op.ClusterID[:])
		return op
	}
	if n.known {
		return topology.StartNode{ClusterID: state.ClusterID(), Node: node, Nonce: n.nonce, Addr: addr, Kinds: kinds}
	}
	return topology.Join{
		ClusterID: state.ClusterID(), Node: node, Addr: addr, Nonce: n.nonce, Kinds: kinds,
		RingSize: n.opts.RingSize, Weight: n.opts.Weight, Location: n.opts.Location,
	}
}

// kindSpecs are the kinds that this node serves. With one copy of each
// partition the target of a move activates it by a change of the record.
func (n *Node) kindSpecs() []topology.KindSpec {
	volatile := n.opts.Engine == EngineMemory
	specs := []topology.KindSpec{
		{Name: kv.KindName, Volatile: volatile, Activate: true},
		{Name: actors.PipeKind, Volatile: true, Activate: true},
	}
	for _, k := range n.opts.Kinds {
		s := topology.KindSpec{Name: k.Name(), Volatile: volatile, Activate: true}
		if p, ok := k.(vnode.Properties); ok && p.Volatile() {
			s.Volatile = true
		}
		specs = append(specs, s)
	}
	return specs
}

// coordinate runs the coordinator, which acts while this node leads.
func (n *Node) coordinate(nonce []byte) error {
	c, err := cluster.NewCoordinator(cluster.CoordinatorOptions{
		CoordinationOptions: cluster.CoordinationOptions{Node: ring.NodeID(n.opts.Name)},
		Store:               n.record, Proposer: fmt.Sprintf("%s/%x/coordinator", n.opts.Name, nonce), Logger: n.opts.Logger,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	n.tasks.Add(1)
	go func() {
		defer n.tasks.Done()
		if err := c.Run(ctx); err != nil {
			n.opts.Logger.Error("coordinator ended", "err", err)
		}
	}()
	return nil
}

// Record returns the replicated record that the node was started on; further
// nodes of this process join through it.
func (n *Node) Record() *memory.Log { return n.opts.Record }

// Name returns the node's name.
func (n *Node) Name() string { return n.opts.Name }

// Addr returns where other nodes reach this one.
func (n *Node) Addr() string { return n.host.Self().Addr }

// View returns the record as this node has applied it.
func (n *Node) View() *actors.View { return n.host.View() }

// Stop ends the node and returns when all its goroutines have ended. It stays a
// member, which owns what it owns: others find it unreachable. To give its
// partitions away first, Leave.
func (n *Node) Stop(ctx context.Context) error {
	n.once.Do(func() {
		n.stop()
		n.closed = errors.Join(n.host.Stop(ctx), n.record.Close())
		n.tasks.Wait()
	})
	return n.closed
}

// Kill ends the node as a crash of its process would, for tests: nothing more is
// sent or agreed, and what was not durable is lost. It returns when all
// goroutines have ended.
func (n *Node) Kill() {
	n.once.Do(func() {
		n.record.Cut()
		n.stop()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		n.closed = errors.Join(n.host.Stop(ctx), n.record.Close())
		n.tasks.Wait()
	})
}

// Command sends a command to the vnode of a kind that serves the key and returns
// its answer. See ErrUnknownOutcome.
func (n *Node) Command(ctx context.Context, kind, key string, body []byte) ([]byte, error) {
	h := ring.HashKey([]byte(kind), []byte(key))
	return n.host.Request(ctx, kind, h.Partition(n.View().RingSize()), body)
}

package baton

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/port"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/swim"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff/history"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/store"
	memstore "github.com/dee2748c/baton/store/memory"
	"github.com/dee2748c/baton/store/pebble"
	"github.com/dee2748c/baton/vnode"
)

// Start starts a node and returns when it takes part in a cluster: one that it
// creates (Options.Bootstrap) and owns whole, one that it asks to join
// (Options.Join) and gets its share of once a plan with it is committed, or
// again the one that its data directory says. Without any of these it waits
// until the admin API tells it to join. ctx bounds the start only.
func Start(ctx context.Context, o Options) (*Node, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("start node %q: %w", o.Name, err)
	}
	o = o.withDefaults()
	n := &Node{
		opts: o, self: ring.NodeID(o.Name), life: fmt.Sprintf("%s/%x", o.Name, random64()),
		joins: make(chan joinRequest), done: make(chan struct{}), listings: make(chan struct{}, o.Listings),
	}
	n.entropy = newEntropy(n, o.Entropy)
	n.ctx, n.stop = context.WithCancel(context.Background())
	n.setPhase(admin.PhaseUnjoined)
	s := &starting{node: n}
	if err := s.run(ctx); err != nil {
		s.undo(ctx)
		return nil, fmt.Errorf("start node %q: %w", o.Name, err)
	}
	return n, nil
}

func random64() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}

func newLineage() uint32 { return uint32(random64()) }

// starting is a start under way: what was opened, to be closed if it fails.
type starting struct {
	node      *Node
	workers   *pipe.Registry
	durable   store.Engine
	volatile  store.Engine
	history   *history.Log
	transport actors.Transport
	peer      actors.Peer // this node, as the record knows it
	joined    bool        // by this start
}

func (s *starting) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		s.register, s.identify, s.listen, s.openEngines, s.enter, s.ownStore, s.connect, s.takePart,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// register gathers the workers that this node can run.
func (s *starting) register(context.Context) error {
	o := s.node.opts
	s.workers = pipe.NewRegistry()
	var err error
	if s.node.jobs, err = mapreduce.NewRegistry(o.Jobs...); err != nil {
		return err
	}
	if s.node.queries, err = mapreduce.NewQueries(mapreduce.QueryOptions{
		Objects: queryObjects{s.node}, Functions: o.Functions, Engines: o.Engines,
	}); err != nil {
		return err
	}
	errs := []error{s.node.jobs.Bind(s.workers), s.node.queries.Bind(s.workers)}
	for name, f := range o.Fittings {
		errs = append(errs, s.workers.AddWorker(name, f))
	}
	for name, h := range o.Hashes {
		errs = append(errs, s.workers.AddHash(name, h))
	}
	for name, c := range o.BucketTypes {
		if err := s.node.registered(c); err != nil {
			errs = append(errs, fmt.Errorf("bucket type %q: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// identify takes the data directory for this process, and the identity that is
// in it or a new one.
func (s *starting) identify(context.Context) error {
	n := s.node
	n.id = identity{Node: n.opts.Name, Nonce: random64(), Lineage: newLineage()}
	dir := n.opts.DataDir
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	var err error
	if n.lock, err = lockDir(dir); err != nil {
		return err
	}
	id, ok, err := loadIdentity(dir)
	if err != nil || !ok {
		return err
	}
	if id.Node != n.opts.Name {
		return fmt.Errorf("%s is of node %q: %w: start it under that name or give another directory", dir, id.Node, ErrIdentity)
	}
	n.id, n.resumed = id, true
	return nil
}

// keepIdentity makes what changed in the identity durable.
func (n *Node) keepIdentity() error {
	if n.opts.DataDir == "" {
		return nil
	}
	return n.id.save(n.opts.DataDir)
}

// listen opens the cluster port, and the admin API, which says from then on how
// far the start has come.
func (s *starting) listen(context.Context) (err error) {
	n := s.node
	if n.opts.Transport == nil {
		n.port, err = port.Listen(port.Options{Node: n.self, Addr: n.opts.Addr, Logger: n.opts.Logger})
		if err != nil {
			return err
		}
		n.port.SetCluster(n.id.ClusterID)
	}
	return n.serve()
}

// addr is where others reach this node.
func (n *Node) addr() string {
	switch {
	case n.opts.Advertise != "":
		return n.opts.Advertise
	case n.port != nil:
		return n.port.Addr()
	}
	return n.opts.Addr
}

func (s *starting) openEngines(context.Context) error {
	s.volatile = memstore.New()
	if s.node.opts.Engine == EngineMemory {
		s.durable = memstore.Open(memstore.Options{MaxBytes: s.node.opts.MemoryLimit})
	} else {
		e, err := pebble.Open(filepath.Join(s.node.opts.DataDir, storeDir), pebble.Options{Logger: s.node.opts.Logger})
		if err != nil {
			return err
		}
		s.durable = e
	}
	s.node.store = s.durable
	dir := ""
	if s.node.opts.DataDir != "" {
		dir = filepath.Join(s.node.opts.DataDir, historyDir)
	}
	var err error
	s.history, err = history.Open(dir, history.Options{})
	return err
}

func (s *starting) connect(context.Context) (err error) {
	n := s.node
	o := actors.TransportOptions{Node: n.self, Incarnation: s.peer.Incarnation, ClusterID: n.id.ClusterID, Addr: s.peer.Addr}
	if n.opts.Transport != nil {
		s.transport, err = n.opts.Transport(o)
		return err
	}
	s.transport, err = actors.NewGRPC(actors.GRPCOptions{
		TransportOptions: o, Listener: n.port.Listener(port.Nodes), Dial: n.dial(port.Nodes),
	})
	return err
}

// dial connects to other nodes' cluster ports for one protocol.
func (n *Node) dial(p port.Protocol) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, addr string) (net.Conn, error) { return n.port.Dial(ctx, addr, p) }
}

// takePart starts the vnodes, and what looks after the cluster and this node's
// place in it.
func (s *starting) takePart(ctx context.Context) (err error) {
	n := s.node
	var live cluster.Liveness
	switch r := n.record.(type) {
	case raftRecord:
		if n.detector, err = s.detect(); err != nil {
			return err
		}
		live = n.detector
	case consulRecord:
		live = r.Liveness()
	}
	events, changes := n.opts.Events, make(chan struct{}, 1)
	events.Struggling = n.strugglingChanged(changes)
	n.host, err = actors.Start(ctx, actors.Options{
		Self: s.peer, Lineage: n.id.Lineage, Agreement: n.record, Transport: s.transport, Engine: s.durable, Volatile: s.volatile, History: s.history,
		Kinds: append([]vnode.Kind{kv.Kind(n.catalog)}, n.opts.Kinds...), Workers: s.workers, PipeWorkers: n.opts.PipeWorkers,
		Log: n.opts.Logger, RetryAfter: n.opts.RetryAfter, Events: events, Queue: n.opts.VnodeQueue, Slow: n.opts.VnodeSlow, Up: seemsUp(live),
		BeforeFold: n.entropy.beforeFold,
	})
	if err != nil {
		return err
	}
	n.up.Store(&reached{n.record, n.proposer, n.host, live})
	c, err := cluster.NewCoordinator(cluster.CoordinatorOptions{
		CoordinationOptions: cluster.CoordinationOptions{Node: n.self, SealBudget: n.opts.SealBudget},
		Store:               n.record, Proposer: n.life + "/coordinator", Logger: n.opts.Logger, Liveness: live,
	})
	if err != nil {
		return err
	}
	n.task(func() {
		if err := c.Run(n.ctx); err != nil {
			n.opts.Logger.Error("coordinator ended", "err", err)
		}
	})
	n.task(func() { n.mind(s.peer.Incarnation) })
	n.task(func() { n.tellStruggling(changes) })
	n.entropy.start()
	if s.joined && n.opts.CommitJoin {
		n.task(n.commitOwn)
	}
	if n.id.Gathers && n.opts.BootstrapExpect > 1 {
		n.task(n.commitExpected)
	}
	if err := n.prepareTypes(ctx); err != nil {
		return err
	}
	n.setPhase(admin.PhaseMember)
	return nil
}

// seemsUp asks a failure detector; nil, which trusts everybody, without one.
func seemsUp(live cluster.Liveness) func(ring.NodeID) bool {
	if live == nil {
		return nil
	}
	return func(node ring.NodeID) bool { return live.Health().Serves(node) }
}

// detect starts the failure detector among the members of the record.
func (s *starting) detect() (*swim.Detector, error) {
	n := s.node
	d, err := swim.Open(swim.Options{
		Node: n.self, Incarnation: s.peer.Incarnation, Cluster: n.id.ClusterID,
		Listener: n.port.Listener(port.Gossip), Dial: n.dial(port.Gossip), Logger: n.opts.Logger,
	})
	if err != nil {
		return nil, err
	}
	n.task(func() {
		for u := range n.record.Watch(n.ctx) {
			members := make(map[ring.NodeID]string)
			for _, m := range u.State.Members() {
				if m.Status != topology.Removed {
					members[m.Node] = m.Addr
				}
			}
			d.SetMembers(members)
		}
	})
	return d, nil
}

// task runs f in a goroutine that Stop waits for.
func (n *Node) task(f func()) { n.tasks.Go(f) }

// undo closes what a failed start has opened.
func (s *starting) undo(ctx context.Context) {
	n := s.node
	n.stop()
	n.tasks.Wait()
	if n.host != nil {
		_ = n.host.Stop(ctx)
		s.transport, s.durable, s.volatile, s.history = nil, nil, nil, nil
	}
	if s.transport != nil {
		_ = s.transport.Close(ctx)
	}
	if s.history != nil {
		_ = s.history.Close()
	}
	for _, e := range []store.Engine{s.durable, s.volatile} {
		if e != nil {
			_ = e.Close()
		}
	}
	if s.joined && n.record != nil && n.opts.DataDir == "" {
		// Nothing remembers this attempt: it would stay a member that joins for ever.
		_, _ = n.proposer.Propose(ctx, 0, topology.Unstage{Node: n.self})
	}
	n.close(nil)
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

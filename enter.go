package baton

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/port"
	"github.com/dee2748c/baton/cluster/raft"
	"github.com/dee2748c/baton/cluster/topology"
)

// ErrRemoved says that the node is no longer a member of its cluster. Its data
// is of no use there: to come back, join as a new node.
var ErrRemoved = errors.New("node was removed from the cluster")

// joinRequest asks an unjoined node to join.
type joinRequest struct {
	ctx   context.Context
	addrs []string
	reply chan error // holds one
}

// enter makes the node a member: again of the cluster that its data directory
// names, of a new one, or of one that it asks to join. Who it is was made
// durable before anything is asked, so that whatever dies in between, the next
// start repeats the same attempt.
func (s *starting) enter(ctx context.Context) error {
	n := s.node
	if !n.id.ClusterID.IsZero() {
		if err := n.meet(ctx, n.opts.Join); err != nil {
			return err
		}
	}
	switch o := n.opts; {
	case n.id.Founder:
		return s.found(ctx)
	case !n.id.ClusterID.IsZero():
		return s.rejoin(ctx)
	case o.Store == StoreMemory || o.Store == StoreConsul && (o.Bootstrap || o.BootstrapExpect > 0):
		return s.foundOrJoin(ctx)
	case o.Bootstrap:
		return s.found(ctx)
	case o.BootstrapExpect > 0:
		seeds, first, err := s.agree(ctx)
		switch {
		case err != nil:
			return err
		case first:
			return s.found(ctx)
		}
		return s.join(ctx, seeds)
	case len(o.Join) > 0 || o.Store == StoreConsul:
		return s.join(ctx, o.Join)
	}
	return s.awaitJoin(ctx)
}

// found creates a cluster, or goes on with one that an earlier life of this
// node began to create.
func (s *starting) found(ctx context.Context) error {
	n := s.node
	if n.id.ClusterID.IsZero() {
		rand.Read(n.id.ClusterID[:])
		n.id.Founder, n.id.Gathers = true, n.opts.BootstrapExpect > 1
		if err := n.keepIdentity(); err != nil {
			return err
		}
	}
	n.member(n.id.ClusterID)
	if err := n.openRecord(ctx, nil); err != nil {
		return err
	}
	if r, ok := n.record.(raftRecord); ok {
		if err := r.Bootstrap(ctx); err != nil && !(n.resumed && errors.Is(err, raft.ErrHasRecord)) {
			return err
		}
	}
	state, err := n.read(ctx)
	if err != nil {
		return err
	}
	if state.Ring() != nil && state.ClusterID() == n.id.ClusterID {
		return s.startAgain(ctx)
	}
	if _, err := n.ask(ctx, n.create()); err != nil {
		return err
	}
	return s.admitted(ctx, false)
}

// member makes the cluster's id known to the port, which refuses others.
func (n *Node) member(id topology.ClusterID) {
	n.id.ClusterID = id
	if n.port != nil {
		n.port.SetCluster(id)
	}
}

// rejoin takes part again in the cluster that the node is a member of.
func (s *starting) rejoin(ctx context.Context) error {
	n := s.node
	if err := n.openRecord(ctx, n.opts.Join); err != nil {
		return err
	}
	return s.startAgain(ctx)
}

// meet asks the given addresses once whether they are of this node's cluster.
// Those that do not answer are not asked again: the record knows the members.
func (n *Node) meet(ctx context.Context, addrs []string) error {
	if n.port == nil || n.opts.Store != StoreRaft {
		return nil
	}
	for _, addr := range addrs {
		conn, err := n.port.Dial(ctx, addr, port.Record)
		if err == nil {
			_ = conn.Close()
		}
		if errors.Is(err, topology.ErrClusterMismatch) {
			return err
		}
	}
	return nil
}

// startAgain says that a member's process runs anew.
func (s *starting) startAgain(ctx context.Context) error {
	n := s.node
	n.setPhase(admin.PhaseJoining)
	_, err := n.ask(ctx, topology.StartNode{
		ClusterID: n.id.ClusterID, Node: n.self, Nonce: n.id.Nonce, Addr: n.addr(), Kinds: n.kindSpecs(),
	})
	switch {
	case errors.Is(err, topology.ErrNotMember), errors.Is(err, topology.ErrNameTaken):
		return fmt.Errorf("%w: %w: to join as a new node, start it with an empty data directory", ErrRemoved, err)
	case err != nil:
		return err
	}
	return s.admitted(ctx, false)
}

// foundOrJoin: in a record that all share, whoever comes first creates the
// cluster.
func (s *starting) foundOrJoin(ctx context.Context) error {
	n := s.node
	if err := n.keepIdentity(); err != nil {
		return err
	}
	if err := n.openRecord(ctx, nil); err != nil {
		return err
	}
	state, err := n.read(ctx)
	if err != nil {
		return err
	}
	if state.Ring() == nil {
		op := n.create()
		rand.Read(op.ClusterID[:])
		_, err := n.ask(ctx, op)
		if err == nil {
			n.id.Gathers = n.opts.BootstrapExpect > 1
			return s.admitted(ctx, false)
		}
		if !errors.Is(err, topology.ErrClusterExists) {
			return err
		}
	} else if n.opts.Bootstrap {
		return fmt.Errorf("bootstrap: %w: it is %v: join it instead, or name another record", topology.ErrClusterExists, state.ClusterID())
	}
	return s.propose(ctx)
}

// join asks members at the given addresses for admission.
func (s *starting) join(ctx context.Context, seeds []string) error {
	n := s.node
	if err := n.keepIdentity(); err != nil {
		return err
	}
	if err := n.openRecord(ctx, seeds); err != nil {
		return err
	}
	return s.propose(ctx)
}

// propose asks the record for admission. The decision is a matter of the record
// alone: whoever leads, now or later, gives the same answer to this nonce.
func (s *starting) propose(ctx context.Context) error {
	n := s.node
	n.setPhase(admin.PhaseJoining)
	_, err := n.ask(ctx, topology.Join{
		Node: n.self, Addr: n.addr(), Nonce: n.id.Nonce, Kinds: n.kindSpecs(),
		RingSize: n.opts.RingSize, Weight: n.opts.Weight, Location: n.opts.Location,
	})
	if err != nil {
		return err
	}
	s.joined = true
	return s.admitted(ctx, n.resumed)
}

// admitted looks up as whom the record knows this node. With again, an earlier
// process was admitted under the same nonce, so this one is a new life.
func (s *starting) admitted(ctx context.Context, again bool) error {
	n := s.node
	state, err := n.read(ctx)
	if err != nil {
		return err
	}
	m, ok := state.Member(n.self)
	if !ok || m.Nonce != n.id.Nonce {
		return fmt.Errorf("%w: %w", ErrRemoved, topology.ErrNotMember)
	}
	n.member(state.ClusterID())
	n.catalogs.of(state) // vnodes ask for it as soon as they start
	n.id.Founder = false // there is a cluster: whatever is lost later, it is not created again
	if err := n.keepIdentity(); err != nil {
		return err
	}
	if again {
		return s.startAgain(ctx)
	}
	s.peer = actors.Peer{Node: n.self, Incarnation: m.Incarnation, Addr: n.addr()}
	return nil
}

// awaitJoin waits until the admin API names a cluster to join.
func (s *starting) awaitJoin(ctx context.Context) error {
	n := s.node
	if n.opts.AdminAddr == "" {
		return &OptionError{"Join", "", "say what the node is to do: Bootstrap a cluster, or Join one"}
	}
	n.opts.Logger.Info("no cluster yet: waiting to be told which one to join", "admin", n.AdminAddr())
	if n.opts.Unjoined != nil {
		n.opts.Unjoined(Addresses{n.addr(), n.AdminAddr(), n.HTTPAddr()})
	}
	for {
		select {
		case r := <-n.joins:
			err := s.joinOn(ctx, r)
			r.reply <- err
			if err == nil {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("wait for a join: %w", context.Cause(ctx))
		}
	}
}

// joinWithin bounds a join on request, so that whoever asked hears why it does
// not work; the node may be asked again.
const joinWithin = 10 * time.Second

var errJoinTimeout = fmt.Errorf("no decision within %v", joinWithin)

// joinOn tries to join on request; after a failure the node is unjoined again.
func (s *starting) joinOn(ctx context.Context, r joinRequest) error {
	n := s.node
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.ctx, func() { cancel(context.Cause(r.ctx)) })()
	ctx, end := context.WithTimeoutCause(ctx, joinWithin, errJoinTimeout)
	defer end()
	err := s.join(ctx, r.addrs)
	if err != nil && n.record != nil {
		n.closeRecord()
		n.setPhase(admin.PhaseUnjoined)
	}
	return err
}

// create is the operation that creates the cluster with this node in it.
func (n *Node) create() topology.CreateCluster {
	op := topology.CreateCluster{
		ClusterID: n.id.ClusterID, RingSize: n.opts.RingSize, TargetN: n.opts.TargetN, NVal: n.opts.NVal, Kinds: n.kindSpecs(),
		Member: topology.Member{Node: n.self, Addr: n.addr(), Weight: n.opts.Weight, Location: n.opts.Location, Nonce: n.id.Nonce},
	}
	if op.RingSize == 0 {
		op.RingSize = DefaultRingSize
	}
	return op
}

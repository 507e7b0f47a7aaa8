package baton

import (
	"context"
	"fmt"
	"sync"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// administration is a node as the admin API sees it, from before it is a member
// until it has stopped.
type administration struct{ n *Node }

var _ admin.Node = (*administration)(nil)

func (a *administration) Name() ring.NodeID { return a.n.self }

func (a *administration) Cluster() topology.ClusterID { return a.View().ClusterID() }

func (a *administration) Phase() admin.Phase { return *a.n.phase.Load() }

func (a *administration) Ready() []string {
	switch a.Phase() {
	case admin.PhaseUnjoined:
		return []string{"the node has no cluster yet"}
	case admin.PhaseJoining:
		return []string{"the node waits for its cluster to take it in"}
	case admin.PhaseStopping:
		return []string{"the node is stopping"}
	}
	if r := a.n.up.Load(); r != nil && r.host != nil {
		if reason := r.host.Struggling(); reason != "" {
			return []string{reason}
		}
	}
	return nil
}

func (a *administration) Config() []admin.Setting { return a.n.opts.Settings }

// reached returns how far the node has come, or that it has no cluster.
func (a *administration) reached() (*reached, error) {
	if r := a.n.up.Load(); r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("node %s: %w", a.n.self, admin.ErrUnjoined)
}

func (a *administration) Read(ctx context.Context) (topology.State, error) {
	r, err := a.reached()
	if err != nil {
		return topology.State{}, err
	}
	return r.record.Read(ctx)
}

func (a *administration) View() topology.State {
	if r := a.n.up.Load(); r != nil && r.host != nil {
		return r.host.View().State
	}
	return topology.State{}
}

func (a *administration) Health() cluster.Health {
	if r := a.n.up.Load(); r != nil && r.live != nil {
		return r.live.Health()
	}
	return cluster.Health{}
}

func (a *administration) Agreement() admin.Agreement {
	r := a.n.up.Load()
	if r == nil {
		return admin.Agreement{Store: a.n.opts.Store, Problem: "the node has no cluster yet"}
	}
	d := r.record.describe()
	if d.Store == StoreMemory {
		_, d.Leader = a.View().Term()
	}
	return d
}

func (a *administration) Propose(ctx context.Context, ops ...topology.Op) ([]topology.Outcome, error) {
	r, err := a.reached()
	if err != nil {
		return nil, err
	}
	state, err := r.record.Read(ctx)
	if err != nil {
		return nil, err
	}
	term, _ := state.Term()
	return r.proposer.Propose(ctx, term, ops...)
}

func (a *administration) Plan(ctx context.Context) (topology.State, error) {
	r, err := a.reached()
	if err != nil {
		return topology.State{}, err
	}
	return r.plan(ctx)
}

func (a *administration) Commit(ctx context.Context, version uint64) error {
	r, err := a.reached()
	if err != nil {
		return err
	}
	return r.propose(ctx, "commit", topology.CommitPlan{PlanVersion: version})
}

func (a *administration) Join(ctx context.Context, addrs []string) error {
	r := joinRequest{ctx: ctx, addrs: addrs, reply: make(chan error, 1)}
	if a.Phase() != admin.PhaseUnjoined {
		if err := a.n.meet(ctx, addrs); err != nil {
			return err
		}
		return fmt.Errorf("node %s of cluster %v: %w", a.n.self, a.Cluster(), admin.ErrJoined)
	}
	select {
	case a.n.joins <- r:
	case <-ctx.Done():
		return fmt.Errorf("join: %w", context.Cause(ctx))
	case <-a.n.ctx.Done():
		return fmt.Errorf("join: %w", cluster.ErrClosed)
	}
	return <-r.reply // soon after the end of ctx, and then it says what was in the way
}

func (a *administration) Restore(ctx context.Context, record topology.State) error {
	r, err := a.reached()
	if err != nil {
		return err
	}
	if c, ok := r.record.(consulRecord); ok {
		return c.Restore(ctx, record)
	}
	return fmt.Errorf("restore the record of store %s: %w", a.n.opts.Store, admin.ErrNoRestore)
}

func (a *administration) Late() admin.LateFrames {
	if r := a.n.up.Load(); r != nil && r.host != nil {
		return admin.LateFrames(r.host.Late())
	}
	return admin.LateFrames{}
}

func (a *administration) Progress(ctx context.Context) []admin.NodeProgress {
	return each(ctx, a, "/progress", a.progress,
		func(m progressReply, node ring.NodeID, err error) admin.NodeProgress {
			return admin.NodeProgress{Node: node, Version: m.Version, Sessions: m.Sessions, Guards: m.Guards, Err: err}
		})
}

func (a *administration) StuckSeals() []cluster.StuckSeal {
	if r := a.n.up.Load(); r != nil && r.host != nil {
		return r.host.StuckSeals()
	}
	return nil
}

func (a *administration) HeldGuards() []admin.Guard {
	r := a.n.up.Load()
	if r == nil || r.host == nil {
		return nil
	}
	return heldGuards(r.host)
}

func (a *administration) Sizes(ctx context.Context) []admin.NodeSizes {
	return each(ctx, a, "/sizes", a.sizes,
		func(m sizesReply, node ring.NodeID, err error) admin.NodeSizes {
			return admin.NodeSizes{Node: node, Parts: m.Parts, Rate: m.Rate, Err: err}
		})
}

// each asks every member at once, this node by own, and returns the answers in
// node order.
func each[M, A any](ctx context.Context, a *administration, path string, own func() (M, error), answer func(M, ring.NodeID, error) A) []A {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	var members []topology.Member
	for _, m := range a.View().Members() {
		if m.Status != topology.Removed {
			members = append(members, m)
		}
	}
	out := make([]A, len(members))
	var all sync.WaitGroup
	for i, m := range members {
		all.Go(func() {
			var reply M
			var err error
			switch {
			case m.Node == a.n.self:
				reply, err = own()
			case a.n.port == nil:
				err = fmt.Errorf("node %s: its transport carries no questions", m.Node)
			default:
				err = a.n.get(ctx, m.Addr, path, &reply)
			}
			out[i] = answer(reply, m.Node, err)
		})
	}
	all.Wait()
	return out
}

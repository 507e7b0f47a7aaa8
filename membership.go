package baton

import (
	"context"
	"errors"
	"fmt"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Plan computes and stages the ring that everything staged leads to: nodes that
// asked to join take part, nodes that leave do not. Nothing moves before Commit.
func (n *Node) Plan(ctx context.Context) (*cluster.PlanReport, error) {
	state, err := n.reached().plan(ctx)
	if err != nil {
		return nil, err
	}
	return cluster.Report(state)
}

// reached is the node as far as it has come, which is all the way.
func (n *Node) reached() *reached { return n.up.Load() }

// plan computes and stages a plan, and returns the record that holds it. A plan
// that a change of the record overtakes is made anew.
func (r *reached) plan(ctx context.Context) (topology.State, error) {
	for {
		state, err := r.record.Read(ctx)
		if err != nil {
			return state, fmt.Errorf("plan: %w", err)
		}
		result, err := cluster.Plan(state, r.unreachable(state)...)
		if err != nil {
			return state, err
		}
		err = r.propose(ctx, "plan", cluster.PlanOp(state, result))
		if err == nil {
			return r.record.Read(ctx)
		}
		if !stale(err) {
			return state, err
		}
		if ctx.Err() != nil {
			return state, fmt.Errorf("plan: %w", context.Cause(ctx))
		}
	}
}

// unreachable are the members that a plan gives nothing new to.
func (r *reached) unreachable(s topology.State) []ring.NodeID {
	if r.live == nil {
		return nil
	}
	var out []ring.NodeID
	health := r.live.Health()
	for _, m := range s.Members() {
		if m.Status != topology.Removed && health.Of(m.Node) == cluster.Unreachable {
			out = append(out, m.Node)
		}
	}
	return out
}

// Commit makes the staged plan the cluster's ring. The partitions then move on
// their own; WaitStable waits for them.
func (n *Node) Commit(ctx context.Context) error {
	state, err := n.record.Read(ctx)
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	plan := state.Plan()
	if plan == nil {
		return fmt.Errorf("commit: %w", topology.ErrNothingPlanned)
	}
	return n.propose(ctx, "commit", topology.CommitPlan{PlanVersion: plan.Version})
}

// WaitStable returns when every partition of every kind is where the committed
// ring wants it and nothing moves.
func (n *Node) WaitStable(ctx context.Context) error {
	return n.await(ctx, "wait for the ring to be stable", topology.State.Settled)
}

// Rebalance plans, commits and waits until the ring is stable.
func (n *Node) Rebalance(ctx context.Context) error {
	if err := n.planAndCommit(ctx); err != nil {
		return err
	}
	return n.WaitStable(ctx)
}

// StageLeave marks this node to leave with the next committed plan.
func (n *Node) StageLeave(ctx context.Context) error {
	return n.propose(ctx, "stage leave", topology.StageLeave{Node: n.self})
}

// Leave commits that this node leaves, and returns when it has given away
// everything, is gone from the cluster and has stopped. When ctx ends first the
// node goes on leaving.
func (n *Node) Leave(ctx context.Context) error {
	if err := n.StageLeave(ctx); err != nil {
		return err
	}
	if err := n.planAndCommit(ctx); err != nil {
		return err
	}
	select {
	case <-n.done:
		return errors.Join(n.ended, n.closed)
	case <-ctx.Done():
		return fmt.Errorf("leave: %w", context.Cause(ctx))
	}
}

// planAndCommit commits what is staged now, whatever else changes meanwhile.
func (n *Node) planAndCommit(ctx context.Context) error {
	for {
		if _, err := n.Plan(ctx); err != nil {
			return err
		}
		if err := n.Commit(ctx); !stale(err) {
			return err
		}
	}
}

func (n *Node) propose(ctx context.Context, what string, op topology.Op) error {
	return n.reached().propose(ctx, what, op)
}

// propose proposes one operation of an operator, in the term that the record is in.
func (r *reached) propose(ctx context.Context, what string, op topology.Op) error {
	state, err := r.record.Read(ctx)
	if err == nil {
		var outcomes []topology.Outcome
		term, _ := state.Term()
		outcomes, err = r.proposer.Propose(ctx, term, op)
		if err == nil {
			err = outcomes[0].Err
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// await waits until the record is as asked, counting from the record of now:
// what this node has applied may be older.
func (n *Node) await(ctx context.Context, what string, ok func(topology.State) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	now, err := n.read(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	for u := range n.record.Watch(ctx) {
		if u.State.Version() < now.Version() || !ok(u.State) {
			continue
		}
		// Whoever looks at the View next must find what was waited for.
		return n.viewed(ctx, what, u.State.Version())
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, cluster.ErrClosed)
}

// viewed waits until the node's view is of that version.
func (n *Node) viewed(ctx context.Context, what string, version uint64) error {
	for {
		v := n.View()
		if v.Version() >= version {
			return nil
		}
		select {
		case <-v.Changed():
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		case <-n.done:
			return fmt.Errorf("%s: %w", what, cluster.ErrClosed)
		}
	}
}

// stale reports whether a proposal was overtaken and may be made anew.
func stale(err error) bool {
	return errors.Is(err, topology.ErrPlanChanged) || errors.Is(err, topology.ErrStaleTerm) || errors.Is(err, topology.ErrNothingPlanned)
}

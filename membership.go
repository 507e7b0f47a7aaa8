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
func (n *Node) Plan(ctx context.Context) (*ring.ClaimResult, error) {
	for {
		state, err := n.record.Read(ctx)
		if err != nil {
			return nil, fmt.Errorf("plan: %w", err)
		}
		result, err := cluster.Plan(state)
		if err != nil {
			return nil, err
		}
		term, _ := state.Term()
		outcomes, err := n.proposer.Propose(ctx, term, cluster.PlanOp(state, result))
		if err != nil {
			return nil, fmt.Errorf("plan: %w", err)
		}
		if !stale(outcomes[0].Err) {
			return result, outcomes[0].Err
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("plan: %w", context.Cause(ctx))
		}
	}
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
	return n.await(ctx, "wait for the ring to be stable", stable)
}

// Rebalance plans, commits and waits until the ring is stable.
func (n *Node) Rebalance(ctx context.Context) error {
	if _, err := n.Plan(ctx); err != nil {
		return err
	}
	if err := n.Commit(ctx); err != nil {
		return err
	}
	return n.WaitStable(ctx)
}

// StageLeave marks this node to leave with the next committed plan.
func (n *Node) StageLeave(ctx context.Context) error {
	return n.propose(ctx, "stage leave", topology.StageLeave{Node: ring.NodeID(n.opts.Name)})
}

// Leave gives away everything that this node owns, waits until it is gone from
// the cluster, finishes what its snapshots still feed, and stops. When ctx ends
// first the node goes on leaving and is not stopped.
func (n *Node) Leave(ctx context.Context) error {
	if err := n.StageLeave(ctx); err != nil {
		return err
	}
	for {
		if _, err := n.Plan(ctx); err != nil {
			return err
		}
		err := n.Commit(ctx)
		if err == nil {
			break
		}
		if !stale(err) {
			return err
		}
	}
	self := ring.NodeID(n.opts.Name)
	err := n.await(ctx, "leave", func(s topology.State) bool {
		m, ok := s.Member(self)
		return !ok || m.Status >= topology.Exiting && m.Status != topology.Down
	})
	if err == nil {
		err = n.host.Quiesce(ctx)
	}
	if err == nil {
		err = n.propose(ctx, "leave", topology.RemoveMember{Node: self})
	}
	if err != nil {
		return err
	}
	return n.Stop(ctx)
}

func (n *Node) propose(ctx context.Context, what string, op topology.Op) error {
	outcomes, err := n.proposer.Propose(ctx, 0, op)
	if err == nil {
		err = outcomes[0].Err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (n *Node) await(ctx context.Context, what string, ok func(topology.State) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for u := range n.record.Watch(ctx) {
		if ok(u.State) {
			return nil
		}
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, cluster.ErrClosed)
}

func stable(s topology.State) bool {
	if len(s.Transfers()) > 0 {
		return false
	}
	for _, k := range s.Kinds() {
		for p, part := range s.Parts(k.Name) {
			if part.Owner != s.Ring().Owner(p) {
				return false
			}
		}
	}
	return true
}

// stale reports whether a proposal was overtaken and may be made anew.
func stale(err error) bool {
	return errors.Is(err, topology.ErrPlanChanged) || errors.Is(err, topology.ErrStaleTerm) || errors.Is(err, topology.ErrNothingPlanned)
}

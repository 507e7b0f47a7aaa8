package clustertest

import (
	"context"
	"sync"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// settle runs a coordinator and a participant on every handle, joins the nodes, commits a plan, and
// waits until all partitions have moved; then one node leaves.
func (s *suite) settle() {
	ctx, cancel := context.WithCancel(s.ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for i, h := range s.Handles {
		coordinator, err := cluster.NewCoordinator(cluster.CoordinatorOptions{
			CoordinationOptions: cluster.CoordinationOptions{Node: s.nodes[i], FirstRetry: 10 * time.Millisecond},
			Store:               h, Proposer: "coordinator of " + string(s.nodes[i]),
		})
		if err != nil {
			s.Fatal(err)
		}
		wg.Go(func() {
			if err := coordinator.Run(ctx); err != nil {
				s.Error(err)
			}
		})
		wg.Go(func() { participate(ctx, h, s.nodes[i]) })
	}
	s.accept(0, create(s.nodes[0]), join(s.nodes[1], 1), join(s.nodes[2], 1))
	if s.LoseAnswer != nil {
		s.LoseAnswer(0)
		s.LoseAnswer(1)
	}
	operator := cluster.NewProposer(s.Handles[2], "operator")
	s.commitAndWait(operator)
	s.accept(0, topology.StageLeave{Node: s.nodes[2]})
	s.commitAndWait(operator)
	for u := range s.Handles[1].Watch(ctx) {
		if m, _ := u.State.Member(s.nodes[2]); m.Status == topology.Removed {
			return
		}
	}
	s.Errorf("%s did not get out", s.nodes[2])
}

// participate reports whatever the node can report, until the watch ends.
func participate(ctx context.Context, h Handle, node ring.NodeID) {
	p := cluster.NewProposer(h, "participant "+string(node))
	for u := range h.Watch(ctx) {
		if m, _ := u.State.Member(node); m.Status == topology.Exiting {
			for ctx.Err() == nil {
				if _, err := p.Propose(ctx, 0, topology.RemoveMember{Node: node}); err == nil {
					break
				}
			}
		}
		for _, t := range u.State.Transfers() {
			if t.Source != node && t.Target != node {
				continue
			}
			op := NextReport(u.State, t, node)
			for op != nil && ctx.Err() == nil {
				// A refusal is cured by the next update, an error by another try.
				if _, err := p.Propose(ctx, 0, op); err == nil {
					break
				}
			}
		}
	}
}

// commitAndWait plans and commits as an operator does, and waits for the end of all transfers.
func (s *suite) commitAndWait(p *cluster.Proposer) {
	s.Helper()
	for {
		state := s.read(2)
		result, err := cluster.Plan(state)
		if err != nil {
			s.Fatal(err)
		}
		term, _ := state.Term()
		out, err := p.Propose(s.ctx, term, cluster.PlanOp(state, result))
		if err != nil {
			s.Fatal(err)
		}
		if out[0].Err != nil {
			continue // a coordinator began a term in between
		}
		if out, err = p.Propose(s.ctx, 0, topology.CommitPlan{PlanVersion: out[0].Version}); err != nil || out[0].Err != nil {
			s.Fatal(err, out)
		}
		break
	}
	committed := s.read(2).Version()
	for u := range s.Handles[2].Watch(s.ctx) {
		if u.State.Version() >= committed && u.State.Settled() {
			return
		}
	}
	s.Fatal("not settled")
}

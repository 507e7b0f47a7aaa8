package admin

import (
	"cmp"
	"context"
	"math"
	"strings"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// AssumedRate is what one node is taken to move, in bytes per second, when it
// has made no transfer yet to measure.
const AssumedRate = 20 << 20

// plan shows the staged plan.
func plan(ctx context.Context, h *handler) (any, error) {
	state, record, err := h.newest(ctx)
	if err != nil {
		return nil, err
	}
	if state.Plan() == nil {
		return nil, topology.ErrNothingPlanned
	}
	return h.report(ctx, state, record)
}

// makePlan computes and stages a plan, and shows it.
func makePlan(ctx context.Context, h *handler, _ PlanRequest) (any, error) {
	if h.Node.Phase() == PhaseUnjoined {
		return nil, ErrUnjoined
	}
	state, err := h.Node.Plan(ctx)
	if err != nil {
		return nil, err
	}
	return h.report(ctx, state, Record{ClusterID: state.ClusterID().String(), Version: state.Version()})
}

// report is what a commit of the staged plan would do.
func (h *handler) report(ctx context.Context, state topology.State, record Record) (any, error) {
	known, rate, unanswered := sized(state, h.Node.Sizes(ctx))
	r, err := cluster.Report(state, known)
	if err != nil {
		return nil, err
	}
	p := Plan{
		Record: record, PlanVersion: r.Version, Changes: changes(r.Changes), Members: []PlanMember{},
		Transfers: flows(r.Transfers), Forced: flows(r.Forced), Unsized: unanswered,
		Warnings: []Warning{}, Infeasible: []string{}, Reason: r.Reason,
	}
	for _, m := range r.Members {
		p.Members = append(p.Members, PlanMember{
			Node: m.Node, StatusBefore: m.Before.Status.String(), StatusAfter: m.After.Status.String(),
			ShareBefore: m.Before.Percent, ShareAfter: m.After.Percent,
			Weight: cmp.Or(m.After.Weight, 1), Location: m.After.Location,
		})
	}
	for _, w := range r.Warnings {
		p.Warnings = append(p.Warnings, Warning{string(w.Danger), w.Kind, w.Partitions, w.Text})
	}
	for line := range strings.Lines(r.Infeasible) {
		p.Infeasible = append(p.Infeasible, strings.TrimSpace(line))
	}
	p.estimate(rate)
	return p, nil
}

func flows(list []cluster.Flow) []PlanTransfer {
	out := []PlanTransfer{}
	for _, f := range list {
		out = append(out, PlanTransfer{f.From, f.To, len(f.Partitions), f.Partitions, f.Items, f.Bytes, f.Unknown})
	}
	return out
}

// sized gathers what the members answered about their partitions: their sizes,
// the slowest rate that was measured, and who did not answer. What the owner of
// a part did not list is empty.
func sized(state topology.State, answers []NodeSizes) (sizes cluster.Sizes, rate float64, unanswered []Unanswered) {
	type part struct {
		node ring.NodeID
		kind topology.Kind
		p    ring.Partition
	}
	listed := map[part]PartSize{}
	answered := map[ring.NodeID]bool{}
	unanswered = []Unanswered{}
	for _, n := range answers {
		if n.Err != nil {
			unanswered = append(unanswered, Unanswered{n.Node, n.Err.Error()})
			continue
		}
		answered[n.Node] = true
		for _, s := range n.Parts {
			listed[part{n.Node, s.Kind, s.Partition}] = s
		}
		if n.Rate > 0 && (rate == 0 || n.Rate < rate) {
			rate = n.Rate
		}
	}
	return func(kind topology.Kind, p ring.Partition) (uint64, uint64, bool) {
		owner, _ := state.Owner(kind, p)
		s := listed[part{owner, kind, p}]
		return s.Items, s.Bytes, answered[owner]
	}, rate, unanswered
}

// estimate adds the transfers up. They take as long as the busiest node is at
// it: nodes move side by side, and each sends and receives at its rate.
func (p *Plan) estimate(rate float64) {
	p.Estimate = Estimate{Rate: AssumedRate}
	if rate > 0 {
		p.Estimate = Estimate{Rate: rate, Measured: true}
	}
	load := map[ring.NodeID]uint64{}
	for _, t := range p.Transfers {
		load[t.From] += t.Bytes
		load[t.To] += t.Bytes
		p.Count += t.Count
		p.Bytes += t.Bytes
	}
	for _, bytes := range load {
		p.Estimate.Seconds = max(p.Estimate.Seconds, math.Round(float64(bytes)/p.Estimate.Rate*10)/10)
	}
}

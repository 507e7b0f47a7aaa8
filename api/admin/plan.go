package admin

import (
	"context"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// AssumedRate is what one node is taken to move, in bytes per second, when it
// has made no transfer yet to measure.
const AssumedRate = 20 << 20

// plan shows the staged plan.
func plan(ctx context.Context, h *handler, _ request) (any, error) {
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
	if h.Node.Cluster().IsZero() {
		return nil, ErrUnjoined
	}
	state, err := h.Node.Plan(ctx)
	if err != nil {
		return nil, err
	}
	return h.report(ctx, state, Record{ClusterID: state.ClusterID().String(), Version: state.Version()})
}

// weigh adds what the nodes keep to the transfers of a plan, and estimates how
// long the busiest node is at it: nodes move side by side, what one sends and
// receives it does at its rate.
func (p *Plan) weigh(sizes []NodeSizes) {
	type key struct {
		node ring.NodeID
		p    ring.Partition
	}
	kept := map[key]PartSize{}
	p.Estimate.Rate, p.Estimate.Measured = AssumedRate, false
	for _, n := range sizes {
		if n.Err != nil {
			p.Unsized = append(p.Unsized, Unanswered{n.Node, n.Err.Error()})
			continue
		}
		for _, s := range n.Parts {
			sum := kept[key{n.Node, s.Partition}]
			sum.Items += s.Items
			sum.Bytes += s.Bytes
			kept[key{n.Node, s.Partition}] = sum
		}
		if n.Rate > 0 && (!p.Estimate.Measured || n.Rate < p.Estimate.Rate) {
			p.Estimate.Rate, p.Estimate.Measured = n.Rate, true
		}
	}
	load := map[ring.NodeID]uint64{}
	for i := range p.Transfers {
		t := &p.Transfers[i]
		for _, x := range t.Partitions {
			t.Items += kept[key{t.From, x}].Items
			t.Bytes += kept[key{t.From, x}].Bytes
		}
		load[t.From] += t.Bytes
		load[t.To] += t.Bytes
		p.Count += t.Count
		p.Bytes += t.Bytes
	}
	for _, bytes := range load {
		p.Estimate.Seconds = max(p.Estimate.Seconds, float64(bytes)/p.Estimate.Rate)
	}
}

// report is what a commit of the staged plan would do.
func (h *handler) report(ctx context.Context, state topology.State, record Record) (any, error) {
	p := Plan{
		Record: record, PlanVersion: state.Plan().Version, Changes: changes(state.Plan().Changes), Members: []PlanMember{},
		Transfers: []PlanTransfer{}, Forced: []PlanTransfer{}, Unsized: []Unanswered{}, Warnings: []string{}, Infeasible: []string{},
	}
	p.weigh(h.Node.Sizes(ctx))
	return p, nil
}

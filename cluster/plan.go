package cluster

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Plan computes the ring that a commit of everything staged would lead to: joining members take part,
// leaving ones do not. It is deterministic, and changes nothing: show it, then propose the operation
// that PlanOp returns for it. The error is topology.ErrNoCluster for an empty record, or ring.Claim's.
func Plan(s topology.State) (*ring.ClaimResult, error) {
	if s.Ring() == nil {
		return nil, fmt.Errorf("plan: %w", topology.ErrNoCluster)
	}
	var members []ring.Member
	for _, m := range s.Members() {
		if m.Claims() {
			members = append(members, ring.Member{Node: m.Node, Weight: m.Weight, Location: m.Location})
		}
	}
	result, err := ring.Claim(ring.ClaimOptions{TargetN: s.TargetN(), Members: members, Current: s.Ring()})
	if err != nil {
		return nil, fmt.Errorf("plan for %d members: %w", len(members), err)
	}
	return result, nil
}

// PlanOp returns the operation that stages a plan computed from the record. It must be proposed in
// the record's term.
func PlanOp(s topology.State, result *ring.ClaimResult) topology.StagePlan {
	return topology.StagePlan{Ring: result.Ring, BasedOn: s.Membership()}
}

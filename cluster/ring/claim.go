package ring

import (
	"fmt"
)

// Member is a node that may own partitions.
type Member struct {
	Node NodeID
	// Weight is the node's share of the ring relative to the other members'
	// weights. Default 1.
	Weight int
	// Location names what the node shares with others when it fails (a rack,
	// a zone). Empty means the node shares nothing.
	Location string
}

// ClaimOptions is the question that [Claim] answers.
type ClaimOptions struct {
	// Size is the partition count of a fresh ring. Default 64; with Current
	// set it is Current's size.
	Size int
	// TargetN is how many consecutive partitions shall be on distinct nodes,
	// up to MaxTargetN and the size. Default 4.
	TargetN int
	// TargetLocationN is how many consecutive partitions shall be in distinct
	// locations, if any member has one. Default 3, or TargetN if that is less.
	TargetLocationN int
	// Members are the nodes that shall own the ring, in any order. A node
	// that owns partitions in Current and is absent here leaves.
	Members []Member
	// Current is the ring to start from; nil asks for a fresh one.
	Current *Ring
}

// Bounds of the options.
const (
	MaxTargetN = 16
	MaxWeight  = 1 << 20
)

// ClaimResult is a ring and what is to be known about it.
type ClaimResult struct {
	Ring *Ring
	// Moves lead from Current to Ring, in partition order; none for a fresh
	// ring.
	Moves []Move
	// Infeasible states what the members cannot give; empty when Ring holds
	// every constraint.
	Infeasible []Infeasible
	// Bound is a number of moves that no ring with these shares can go below:
	// the partitions of nodes that leave and what others have too much, or
	// what is missing to those with too few, whichever is more.
	Bound int
	// Reason says why there are more moves than 1.1 times Bound; else empty.
	Reason string
}

func (o ClaimOptions) withDefaults() ClaimOptions {
	if o.Size == 0 && o.Current != nil {
		o.Size = o.Current.Size()
	}
	if o.Size == 0 {
		o.Size = 64
	}
	if o.TargetN == 0 {
		o.TargetN = 4
	}
	if o.TargetLocationN == 0 {
		o.TargetLocationN = min(3, o.TargetN)
	}
	return o
}

// Validate reports what no claim can be made of: ErrSize, ErrNode or
// ErrOptions.
func (o ClaimOptions) Validate() error {
	o = o.withDefaults()
	if !ValidSize(o.Size) {
		return fmt.Errorf("claim of %d partitions: %w", o.Size, ErrSize)
	}
	if o.Current != nil && o.Current.Size() != o.Size {
		return fmt.Errorf("claim of %d partitions from a ring of %d: %w", o.Size, o.Current.Size(), ErrOptions)
	}
	if min(o.TargetN, o.TargetLocationN) < 1 || max(o.TargetN, o.TargetLocationN) > min(o.Size, MaxTargetN) {
		return fmt.Errorf("claim with target_n %d and target_location_n %d: %w", o.TargetN, o.TargetLocationN, ErrOptions)
	}
	if len(o.Members) == 0 || len(o.Members) > MaxSize {
		return fmt.Errorf("claim by %d members: %w", len(o.Members), ErrOptions)
	}
	seen := make(map[NodeID]bool, len(o.Members))
	for _, m := range o.Members {
		if len(m.Node) == 0 || len(m.Node) > MaxNodeLen {
			return fmt.Errorf("claim by node %q: %w", m.Node, ErrNode)
		}
		if m.Weight < 0 || m.Weight > MaxWeight {
			return fmt.Errorf("claim by node %s of weight %d: %w", m.Node, m.Weight, ErrOptions)
		}
		if seen[m.Node] {
			return fmt.Errorf("claim by node %s twice: %w", m.Node, ErrOptions)
		}
		seen[m.Node] = true
	}
	return nil
}

// Claim gives the partitions to the members. The ring depends on the options
// alone, and not on the order of the members. In this order it
//
//  1. keeps every TargetN consecutive partitions, wrap-around included, on
//     distinct nodes and every TargetLocationN in distinct locations; where
//     the members cannot, the largest number that they can;
//  2. gives every member its share by weight, rounded down or up, as far as 1
//     allows;
//  3. where 1 fell short of a target, has as few windows of the next size
//     repeat a node, and then a location, as it can find;
//  4. moves as few partitions as it can find: for up to 16 partitions, 8
//     members and windows of 4 as few as possible, and for more as few as
//     possible wherever Moves equals Bound or Reason says so.
//
// What cannot be had is stated in Infeasible. Errors are those of Validate. The
// search is bounded in steps, not in time: a join of a node to 100 takes some
// 10 ms with 1024 partitions, but tight rings, with hardly more nodes or
// locations than the windows ask for, can take a second.
func Claim(o ClaimOptions) (*ClaimResult, error) {
	o = o.withDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	pr := newProblem(o)
	s := pr.solve()
	res := &ClaimResult{Ring: pr.ring(s.owners), Infeasible: pr.report(s)}
	if o.Current == nil {
		return res, nil
	}
	res.Moves = o.Current.Diff(res.Ring)
	res.Bound = pr.boundFor(s)
	if 10*len(res.Moves) > 11*res.Bound {
		res.Reason = pr.reason(s, len(res.Moves), res.Bound)
	}
	return res, nil
}

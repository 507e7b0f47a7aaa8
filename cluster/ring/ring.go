package ring

import (
	"fmt"
	"slices"
)

// MaxNodeLen is the longest node name in bytes.
const MaxNodeLen = 255

// Ring says which node owns which partition. It never changes after it is
// made and is safe for concurrent use.
type Ring struct {
	nodes  []NodeID // the owners, sorted, each once
	owner  []uint16 // partition -> position in nodes
	counts []int32  // position in nodes -> partitions owned
}

// Move is one partition that changes its owner.
type Move struct {
	Partition Partition
	From, To  NodeID
}

// New makes a ring in which owners[p] owns partition p. The slice is copied.
// Errors are ErrSize and ErrNode.
func New(owners []NodeID) (*Ring, error) {
	if !ValidSize(len(owners)) {
		return nil, fmt.Errorf("new ring of %d: %w", len(owners), ErrSize)
	}
	for p, n := range owners {
		if len(n) == 0 || len(n) > MaxNodeLen {
			return nil, fmt.Errorf("new ring partition %d owner %q: %w", p, n, ErrNode)
		}
	}
	return build(owners), nil
}

// build is New for owners that are known to be valid.
func build(owners []NodeID) *Ring {
	seen := make(map[NodeID]uint16)
	var nodes []NodeID
	for _, n := range owners {
		if _, ok := seen[n]; !ok {
			seen[n] = 0
			nodes = append(nodes, n)
		}
	}
	slices.Sort(nodes)
	for i, n := range nodes {
		seen[n] = uint16(i)
	}
	r := &Ring{nodes: nodes, owner: make([]uint16, len(owners)), counts: make([]int32, len(nodes))}
	for p, n := range owners {
		i := seen[n]
		r.owner[p] = i
		r.counts[i]++
	}
	return r
}

// Size is the number of partitions, Q.
func (r *Ring) Size() int { return len(r.owner) }

// Owner is the node that owns p. It panics when p is outside the ring.
func (r *Ring) Owner(p Partition) NodeID { return r.nodes[r.owner[p]] }

// Owners returns a copy of the ring as a slice by partition.
func (r *Ring) Owners() []NodeID {
	owners := make([]NodeID, len(r.owner))
	for p, i := range r.owner {
		owners[p] = r.nodes[i]
	}
	return owners
}

// Nodes returns a copy of the nodes that own at least one partition, sorted.
func (r *Ring) Nodes() []NodeID { return slices.Clone(r.nodes) }

// Count is the number of partitions that node owns.
func (r *Ring) Count(node NodeID) int {
	i, ok := slices.BinarySearch(r.nodes, node)
	if !ok {
		return 0
	}
	return int(r.counts[i])
}

// Partitions returns the partitions that node owns, ascending.
func (r *Ring) Partitions(node NodeID) []Partition {
	i, ok := slices.BinarySearch(r.nodes, node)
	if !ok {
		return nil
	}
	owned := make([]Partition, 0, r.counts[i])
	for p, o := range r.owner {
		if int(o) == i {
			owned = append(owned, Partition(p))
		}
	}
	return owned
}

// Head is the partition that a hash belongs to: the first of its preflist.
func (r *Ring) Head(h Hash) Partition { return h.Partition(len(r.owner)) }

// Equal reports whether both rings have the same size and the same owners. A
// nil ring equals only a nil ring.
func (r *Ring) Equal(o *Ring) bool {
	if r == nil || o == nil {
		return r == o
	}
	return slices.Equal(r.nodes, o.nodes) && slices.Equal(r.owner, o.owner)
}

// With returns a ring in which the given partitions have new owners; r stays
// as it is. It panics when a partition is outside the ring or a node name is
// invalid, for callers check both when they accept a change. O(Q).
func (r *Ring) With(changes map[Partition]NodeID) *Ring {
	owners := r.Owners()
	for p, n := range changes {
		owners[p] = n
	}
	changed, err := New(owners)
	if err != nil {
		panic(err)
	}
	return changed
}

// Diff lists, in partition order, the moves that lead from r to the ring to.
// Both must have the same size.
func (r *Ring) Diff(to *Ring) []Move {
	var moves []Move
	for p := range r.owner {
		from, now := r.Owner(Partition(p)), to.Owner(Partition(p))
		if from != now {
			moves = append(moves, Move{Partition: Partition(p), From: from, To: now})
		}
	}
	return moves
}

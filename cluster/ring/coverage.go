package ring

import (
	"fmt"
	"slices"
)

// CoverageOptions asks for a set of vnodes that together hold every key.
type CoverageOptions struct {
	// N is how many copies of a key are stored: on the vnodes of its head
	// partition and of the N-1 partitions after it. Default 3.
	N int
	// Copies is how many of the N copies the plan shall visit. Default 1.
	Copies int
	// Up says which nodes may be asked; nil means all. It is called once for
	// each node.
	Up func(NodeID) bool
	// Offset spreads plans over the vnodes: plans with different offsets
	// start at different partitions. Default 0.
	Offset uint64
	// AllUp asks for a plan over what is up, even if keys are missing from
	// it; the plan then names them. Default false.
	AllUp bool
}

// CoverageVnode is one vnode to visit.
type CoverageVnode struct {
	Partition Partition
	Node      NodeID
	// Filter lists, in ring order, the head partitions of the keys that this
	// vnode shall answer for; nil means all the keys it holds.
	Filter []Partition
}

// CoveragePlan visits the keys of every head partition exactly as often as
// asked.
type CoveragePlan struct {
	// Vnodes are in ring order from where the plan starts; each answers for at
	// least one head partition.
	Vnodes []CoverageVnode
	// Missing lists, ascending, the head partitions that are visited less
	// often than asked; empty unless the plan was made with AllUp.
	Missing []Partition
}

// Validate reports as ErrOptions what a ring of q partitions cannot be asked.
func (o CoverageOptions) Validate(q int) error {
	o = o.withDefaults()
	if o.N < 1 || o.N > q {
		return fmt.Errorf("coverage with %d copies stored in a ring of %d: %w", o.N, q, ErrOptions)
	}
	if o.Copies < 1 || o.Copies > o.N {
		return fmt.Errorf("coverage of %d of %d copies: %w", o.Copies, o.N, ErrOptions)
	}
	return nil
}

func (o CoverageOptions) withDefaults() CoverageOptions {
	if o.N == 0 {
		o.N = 3
	}
	if o.Copies == 0 {
		o.Copies = 1
	}
	return o
}

// Coverage plans which vnodes to visit so that every key is met exactly
// Copies times. For one copy no plan has fewer vnodes; for more copies it is
// minimal as far as a greedy choice goes. When too few vnodes are up it returns
// a *[CoverageError], or with AllUp the plan over those that are. O(N*N*Q). As
// riak_core_coverage_plan:create_plan.
func (r *Ring) Coverage(o CoverageOptions) (CoveragePlan, error) {
	o = o.withDefaults()
	if err := o.Validate(r.Size()); err != nil {
		return CoveragePlan{}, err
	}
	c := r.newCover(o)
	if len(c.missing) > 0 && !o.AllUp {
		return CoveragePlan{}, &CoverageError{N: o.N, Copies: o.Copies, Missing: c.missing}
	}
	offset := int(o.Offset % uint64(c.q))
	var best []int
	for i := range min(o.N, maxCoverStarts) {
		chosen := c.choose((offset + i) & (c.q - 1))
		if best == nil || len(chosen) < len(best) {
			best = chosen
		}
	}
	return CoveragePlan{Vnodes: c.assign(r, best), Missing: c.missing}, nil
}

// maxCoverStarts bounds the starting points tried. An optimal cover with one
// copy begins at one of any N consecutive partitions.
const maxCoverStarts = 16

// cover is one planning problem: vnode v holds the keys headed by the
// partitions v-n+1..v.
type cover struct {
	q, n    int
	up      []bool // by partition: its vnode may be asked
	need    []int  // by head partition: visits asked, cut to those possible
	missing []Partition
}

func (r *Ring) newCover(o CoverageOptions) *cover {
	c := &cover{q: r.Size(), n: o.N}
	node := make([]bool, len(r.nodes))
	for i, id := range r.nodes {
		node[i] = o.Up == nil || o.Up(id)
	}
	c.up = make([]bool, c.q)
	for p, i := range r.owner {
		c.up[p] = node[i]
	}
	c.need = make([]int, c.q)
	available := 0
	for v := range c.n {
		available += count(c.up[v])
	}
	for k := range c.q {
		c.need[k] = min(available, o.Copies)
		if available < o.Copies {
			c.missing = append(c.missing, Partition(k))
		}
		available += count(c.up[(k+c.n)&(c.q-1)]) - count(c.up[k])
	}
	return c
}

// choose picks vnodes greedily: at the first head partition from start that
// is not covered often enough, the vnodes that reach furthest ahead. What the
// last vnodes cover past the start may make early ones superfluous; those go.
func (c *cover) choose(start int) []int {
	have := make([]int, c.q)
	picked := make([]bool, c.q)
	var chosen []int
	for i := range c.q {
		k := (start + i) & (c.q - 1)
		for d := c.n - 1; d >= 0 && have[k] < c.need[k]; d-- {
			v := (k + d) & (c.q - 1)
			if !c.up[v] || picked[v] {
				continue
			}
			picked[v] = true
			chosen = append(chosen, v)
			c.add(have, v, 1)
		}
	}
	chosen = slices.DeleteFunc(chosen, func(v int) bool {
		for d := range c.n {
			if k := (v - d) & (c.q - 1); have[k] <= c.need[k] {
				return false
			}
		}
		c.add(have, v, -1)
		return true
	})
	first := start + c.n - 1
	slices.SortFunc(chosen, func(a, b int) int {
		return (a-first)&(c.q-1) - (b-first)&(c.q-1)
	})
	return chosen
}

func (c *cover) add(have []int, v, by int) {
	for d := range c.n {
		have[(v-d)&(c.q-1)] += by
	}
}

// assign gives every head partition to exactly as many of its chosen vnodes as
// it needs. No chosen vnode stays without work: each has a partition that
// needs all of its chosen vnodes.
func (c *cover) assign(r *Ring, chosen []int) []CoverageVnode {
	left := slices.Clone(c.need)
	vnodes := make([]CoverageVnode, 0, len(chosen))
	for _, v := range chosen {
		var filter []Partition
		if !c.wanted(v, left) {
			filter = make([]Partition, 0, c.n-1)
		}
		for d := c.n - 1; d >= 0; d-- {
			k := (v - d) & (c.q - 1)
			if filter != nil && left[k] > 0 {
				filter = append(filter, Partition(k))
			}
			left[k]--
		}
		vnodes = append(vnodes, CoverageVnode{Partition: Partition(v), Node: r.Owner(Partition(v)), Filter: filter})
	}
	return vnodes
}

// wanted reports whether all that v holds still needs an answer.
func (c *cover) wanted(v int, left []int) bool {
	for d := range c.n {
		if left[(v-d)&(c.q-1)] <= 0 {
			return false
		}
	}
	return true
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

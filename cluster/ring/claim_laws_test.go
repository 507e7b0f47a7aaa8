package ring_test

import (
	"fmt"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
)

// large is a claim without shares or windows that could not be had.
type large struct {
	size, nodes int
	weighted    bool // weights of 1 to 3
	racks       int  // locations, 0 for none
	// loose says that there are so many nodes and racks that moves within 1.1
	// of the bound are held without any excuse.
	loose bool
}

func (c large) String() string {
	return fmt.Sprintf("size=%d/nodes=%d/weighted=%v/racks=%d", c.size, c.nodes, c.weighted, c.racks)
}

func (c large) members(n int) []ring.Member {
	ms := numbered(n)
	for i := range ms {
		if c.weighted {
			ms[i].Weight = 1 + i*7%3
		}
		if c.racks > 0 {
			ms[i].Location = fmt.Sprintf("rack%d", i%c.racks)
		}
	}
	return ms
}

// check holds the laws of a claim by members whose constraints can be met.
func (c large) check(t *testing.T, step string, ms []ring.Member, cur *ring.Ring) *ring.Ring {
	t.Helper()
	res := claim(t, ring.ClaimOptions{Size: c.size, Members: ms, Current: cur})
	if len(res.Infeasible) > 0 {
		t.Errorf("%s: said to be infeasible: %v", step, res.Infeasible)
	}
	if at := res.Ring.Repeats(4, nil); len(at) > 0 {
		t.Errorf("%s: windows at %v repeat a node", step, at)
	}
	if at := res.Ring.Repeats(3, locations(ms)); len(at) > 0 {
		t.Errorf("%s: windows at %v repeat a location", step, at)
	}
	if !balanced(res.Ring, ms) {
		t.Errorf("%s: not every node has its share", step)
	}
	many := 10*len(res.Moves) > 11*res.Bound
	if many != (res.Reason != "") || many && c.loose {
		t.Errorf("%s: %d moves over a bound of %d, reason %q", step, len(res.Moves), res.Bound, res.Reason)
	}
	t.Logf("%-12s %4d moves, bound %4d %s", step, len(res.Moves), res.Bound, res.Reason)
	return res.Ring
}

// I6, I7, I8: join, leave and replace, one node and several, on larger rings.
func TestClaim_large(t *testing.T) {
	for _, c := range []large{
		{size: 64, nodes: 5},
		{size: 64, nodes: 7},
		{size: 64, nodes: 11},
		{size: 64, nodes: 16, loose: true},
		{size: 128, nodes: 8},
		{size: 64, nodes: 9, racks: 9},
		{size: 256, nodes: 30, loose: true},
		{size: 256, nodes: 24, weighted: true, loose: true},
		{size: 64, nodes: 20, racks: 5},
		{size: 64, nodes: 24, racks: 12},
		{size: 256, nodes: 36, racks: 12, weighted: true, loose: true},
		{size: 1024, nodes: 20, loose: true},
		{size: 1024, nodes: 100, loose: true},
		{size: 1024, nodes: 100, weighted: true, loose: true},
		{size: 1024, nodes: 100, racks: 20, loose: true},
		{size: 4096, nodes: 100, loose: true},
	} {
		t.Run(c.String(), func(t *testing.T) {
			ms := c.members(c.nodes + 2)
			fresh := c.check(t, "fresh", ms[:c.nodes], nil)
			joined := c.check(t, "join", ms[:c.nodes+1], fresh)
			c.check(t, "join two", ms, fresh)
			left := c.check(t, "leave", ms[1:c.nodes+1], joined)
			c.check(t, "leave fresh", ms[1:c.nodes], fresh)
			replaced := append([]ring.Member{ms[0]}, ms[2:c.nodes+1]...)
			replaced[0].Location, replaced[0].Weight = ms[1].Location, ms[1].Weight
			if r := c.check(t, "replace", replaced, left); len(left.Diff(r)) != left.Count(ms[1].Node) {
				t.Errorf("replacing a node of %d partitions moves %d", left.Count(ms[1].Node), len(left.Diff(r)))
			}
		})
	}
}

package main

import (
	"fmt"
	"runtime"

	"github.com/dee2748c/baton/cluster/ring"
)

// Sizes of the ring that is measured.
const (
	ringSize  = 1024
	ringNodes = 100
)

// ringBenches measure the ring: a claim when one of a hundred nodes joins, and
// the lookup of a preflist.
func ringBenches() []Bench {
	return []Bench{
		{ID: "R1", Floor: 100, Case: Case{Name: "ring/claim/join/1024x100", Unit: "ms", Lower: true, Run: benchClaim}},
		{ID: "R2", Floor: 200, Case: Case{Name: "ring/preflist/1024/n=3", Unit: "ns", Lower: true, Run: benchPreflist}},
	}
}

func claimed(nodes int, current *ring.Ring) (*ring.Ring, error) {
	members := make([]ring.Member, nodes)
	for i := range members {
		members[i] = ring.Member{Node: ring.NodeID(fmt.Sprintf("node-%03d", i))}
	}
	result, err := ring.Claim(ring.ClaimOptions{Size: ringSize, TargetN: 4, Members: members, Current: current})
	if err != nil {
		return nil, err
	}
	return result.Ring, nil
}

func benchClaim(m *Meter) error {
	before, err := claimed(ringNodes-1, nil)
	if err != nil {
		return err
	}
	joins := m.Count(5)
	m.Start()
	for range joins {
		if _, err := claimed(ringNodes, before); err != nil {
			return err
		}
	}
	m.Stop(float64(joins))
	return nil
}

func benchPreflist(m *Meter) error {
	r, err := claimed(ringNodes, nil)
	if err != nil {
		return err
	}
	lookups := m.Count(10_000_000)
	var entries [3]ring.Entry
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m.Start()
	found := 0
	for i := range lookups {
		found += len(r.Preflist(ring.Partition(i%ringSize), len(entries), entries[:0]))
	}
	m.Stop(float64(lookups))
	runtime.ReadMemStats(&after)
	if found != lookups*len(entries) {
		return fmt.Errorf("found %d entries for %d lookups", found, lookups)
	}
	if allocs := after.Mallocs - before.Mallocs; allocs > uint64(lookups)/100+1000 {
		return fmt.Errorf("%d lookups allocated %d times", lookups, allocs)
	}
	return nil
}

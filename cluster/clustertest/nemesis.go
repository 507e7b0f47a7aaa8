package clustertest

import (
	"math/rand/v2"
	"sync"
)

// A nemesis makes faults with the hooks of a fixture: at every other turn a new one, and at the turn
// after it the end of that one.
type nemesis struct {
	mu   sync.Mutex
	rnd  *rand.Rand
	f    Fixture
	undo func(replace func(int, Handle))
	done map[string]int
}

func newNemesis(seed uint64, f Fixture) *nemesis {
	return &nemesis{rnd: rand.New(rand.NewPCG(seed, 3)), f: f, done: map[string]int{}}
}

// act makes the next fault or takes the last one back. replace takes the handle of a restarted process.
func (n *nemesis) act(replace func(int, Handle)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.undo != nil {
		n.undo(replace)
		n.undo = nil
		return
	}
	i := n.rnd.IntN(len(n.f.Handles))
	var faults []func()
	add := func(name string, possible bool, fault func()) {
		if possible {
			faults = append(faults, func() { n.done[name]++; fault() })
		}
	}
	add("lost answer", n.f.LoseAnswer != nil, func() { n.f.LoseAnswer(i) })
	add("lost proposal", n.f.LoseProposal != nil, func() { n.f.LoseProposal(i) })
	add("cut", n.f.Cut != nil, func() {
		n.f.Cut(i)
		n.undo = func(func(int, Handle)) { n.f.Heal(i) }
	})
	add("kill", n.f.Kill != nil, func() {
		n.f.Kill(i)
		n.undo = func(replace func(int, Handle)) { replace(i, n.f.Restart(i)) }
	})
	add("kill leader", n.f.KillLeader != nil, func() {
		if i := n.f.KillLeader(); i >= 0 {
			n.undo = func(replace func(int, Handle)) { replace(i, n.f.Restart(i)) }
		}
	})
	add("outage", n.f.Outage != nil, func() { n.f.Outage() })
	if len(faults) > 0 {
		pick(n.rnd, faults)()
	}
}

// heal ends the fault that is there.
func (n *nemesis) heal(replace func(int, Handle)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.undo != nil {
		n.undo(replace)
		n.undo = nil
	}
}

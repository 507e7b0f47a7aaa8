package clustertest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A flawed store is linearizable but for its flaw, which shows at every tenth call.
type flawed struct {
	mu     sync.Mutex
	flaw   string
	n      int
	state  topology.State
	before topology.State // some versions ago
	loseAt int            // the call whose answer is lost
	cluster.Notifier
}

func (s *flawed) Close() error { s.Notifier.Close(); return nil }

func (s *flawed) Read(context.Context) (topology.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if s.turn("stale read") {
		return s.before, nil
	}
	return s.state, nil
}

// turn reports whether the named flaw shows in this call.
func (s *flawed) turn(flaw string) bool {
	return s.flaw == flaw && s.n > 10 && s.n%10 == 0
}

func (s *flawed) Propose(_ context.Context, cmds ...topology.Command) ([]topology.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if s.n%4 == 0 {
		s.before = s.state
	}
	switch {
	case s.turn("double apply"):
		s.state, _ = cluster.ApplyBatch(s.state, renamed(cmds, "again "))
	case s.turn("lost command"):
		_, out := cluster.ApplyBatch(s.state, cmds)
		return out, nil
	case s.turn("wrong answer"):
		_, out := cluster.ApplyBatch(s.before, cmds)
		s.state, _ = cluster.ApplyBatch(s.state, cmds)
		return out, nil
	case s.turn("torn batch"):
		_, out := cluster.ApplyBatch(s.state, cmds)
		s.state, _ = cluster.ApplyBatch(s.state, cmds[1:])
		return out, nil
	case s.turn("says unavailable"):
		s.state, _ = cluster.ApplyBatch(s.state, cmds)
		return nil, cluster.ErrUnavailable
	case s.flaw == "no memory of ids":
		cmds = renamed(cmds, fmt.Sprintf("%d ", s.n))
	}
	var out []topology.Outcome
	s.state, out = cluster.ApplyBatch(s.state, cmds)
	if s.loseAt > 0 && s.n >= s.loseAt {
		s.loseAt = 0
		return nil, cluster.ErrUnknown
	}
	return out, nil
}

func renamed(cmds []topology.Command, prefix string) []topology.Command {
	out := make([]topology.Command, len(cmds))
	for i, c := range cmds {
		if c.ID.Seq != 0 && len(c.ID.Proposer) < 100 {
			c.ID.Proposer = prefix + c.ID.Proposer
		}
		out[i] = c
	}
	return out
}

// Each flaw must be seen, by callers and, where it changes outcomes or the record, by the history; the
// store without one passes.
func TestSuite_seesFlaws(t *testing.T) {
	for _, c := range []struct {
		flaw    string
		history bool // the history must see it, or must pass when there is no flaw
	}{
		{"none", true},
		{"stale read", false},
		{"double apply", true},
		{"lost command", true},
		{"wrong answer", true},
		{"torn batch", true},
		{"no memory of ids", true},
		{"says unavailable", false},
	} {
		t.Run(c.flaw, func(t *testing.T) {
			fixture := func() Fixture {
				s := &flawed{flaw: c.flaw}
				return Fixture{
					Handles:    []Handle{s, s, s},
					LoseAnswer: func(int) { s.mu.Lock(); defer s.mu.Unlock(); s.loseAt = s.n + 1 },
				}
			}
			o := Options{Commands: 1000, Operations: 400, Faults: 8}.withDefaults()
			red := c.flaw != "none"
			if _, err := checkHistory(t.Context(), o, fixture()); c.history && (err != nil) != red {
				t.Errorf("history of seed %d: %v", o.Seed, err)
			}
			if report, err := checkLinearizable(t.Context(), o, fixture()); (err != nil) != red {
				t.Errorf("callers of seed %d: %s: %v", o.Seed, report, err)
			}
		})
	}
}

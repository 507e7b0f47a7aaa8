package cluster

import (
	"cmp"
	"slices"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
)

// SealAlarm is how long a partition may be frozen before it is said aloud. A seal takes milliseconds while
// the record can be reached.
const SealAlarm = 5 * time.Second

// A StuckSeal is a transfer whose partition nobody serves: frozen at the source, and not flipped.
type StuckSeal struct {
	Transfer topology.Transfer
	// Since is when it was first seen so.
	Since time.Time
}

// Seals follows which transfers are between freeze and flip, of all nodes: one that can't reach the record
// may be the only one that answers. It has no clock: whoever shows it a record says what time it is. The zero
// value has seen none. It is not safe for concurrent use.
type Seals struct {
	under map[uint64]*sealing
}

// sealing is a StuckSeal to be, and whether Tell has returned it.
type sealing struct {
	StuckSeal
	told bool
}

// Follow takes in a record.
func (s *Seals) Follow(state topology.State, now time.Time) {
	var next map[uint64]*sealing
	for _, t := range state.Transfers() {
		if t.Stage != topology.StageSeal {
			continue
		}
		x := s.under[t.Session]
		if x == nil {
			x = &sealing{StuckSeal: StuckSeal{Since: now}}
		}
		x.Transfer = *t
		if next == nil {
			next = make(map[uint64]*sealing)
		}
		next[t.Session] = x
	}
	s.under = next
}

// Since returns when a session was first seen between freeze and flip, of those that were followed last.
func (s *Seals) Since(session uint64) time.Time {
	if x := s.under[session]; x != nil {
		return x.Since
	}
	return time.Time{}
}

// Stuck returns what is to be said aloud, in session order.
func (s *Seals) Stuck(now time.Time) []StuckSeal {
	return s.over(now, func(*sealing) bool { return true })
}

// Tell returns what is to be said aloud and was not returned by Tell before, in session order.
func (s *Seals) Tell(now time.Time) []StuckSeal {
	return s.over(now, func(x *sealing) bool {
		fresh := !x.told
		x.told = true
		return fresh
	})
}

func (s *Seals) over(now time.Time, which func(*sealing) bool) []StuckSeal {
	var out []StuckSeal
	for _, x := range s.under {
		if now.Sub(x.Since) >= SealAlarm && which(x) {
			out = append(out, x.StuckSeal)
		}
	}
	slices.SortFunc(out, func(a, b StuckSeal) int { return cmp.Compare(a.Transfer.Session, b.Transfer.Session) })
	return out
}

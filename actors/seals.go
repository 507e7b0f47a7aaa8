package actors

import (
	"cmp"
	"slices"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
)

// A Seal is a transfer whose partition is frozen: nobody serves it.
type Seal struct {
	Transfer topology.Transfer
	// Since is when this process first saw it so.
	Since time.Time
}

// SealBudget is how long a partition may be frozen before it is said aloud. A
// seal takes milliseconds while the record can be reached.
const SealBudget = 5 * time.Second

// sealing is a Seal, and whether it was said aloud.
type sealing struct {
	Seal
	told bool
}

// seals follows which transfers are between freeze and flip, of all nodes: one
// that can't reach the record may be the only one that answers.
func (p *progresses) seals(v *View) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var next map[uint64]*sealing
	for _, t := range v.Transfers() {
		if t.Stage != topology.StageSeal {
			continue
		}
		x := p.sealing[t.Session]
		if x == nil {
			x = &sealing{Seal: Seal{Since: now}}
		}
		x.Transfer = *t
		if next == nil {
			next = make(map[uint64]*sealing)
		}
		next[t.Session] = x
	}
	p.sealing = next
}

// StuckSeals returns the transfers that are over the budget between freeze and
// flip, in session order.
func (h *Host) StuckSeals() []Seal {
	return h.progress.stuck(time.Now(), func(*sealing) bool { return true })
}

// warnOfSeals says once of each that this node's frozen partition is over the
// budget.
func (h *Host) warnOfSeals(now time.Time) {
	for _, s := range h.progress.stuck(now, func(x *sealing) bool {
		fresh := !x.told && x.Transfer.Source == h.opts.Self.Node
		x.told = true
		return fresh
	}) {
		t := s.Transfer
		h.log.Warn("handoff seal stuck", "kind", t.Kind, "partition", uint32(t.Partition), "session", t.Session,
			"target", string(t.Target), "since", s.Since, "remedy", "make the record's majority and the target reachable, or cancel the transfer")
	}
}

func (p *progresses) stuck(now time.Time, which func(*sealing) bool) []Seal {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Seal
	for _, x := range p.sealing {
		if now.Sub(x.Since) >= SealBudget && which(x) {
			out = append(out, x.Seal)
		}
	}
	slices.SortFunc(out, func(a, b Seal) int { return cmp.Compare(a.Transfer.Session, b.Transfer.Session) })
	return out
}

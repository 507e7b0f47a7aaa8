package topology

import (
	"cmp"
	"slices"
)

const (
	// Window is the number of outcomes recorded for each proposer: how many commands may be in
	// doubt at once. It bounds the commands of one proposal.
	Window = 128
	// MaxProposers is the number of proposers whose outcomes are recorded; beyond it the one
	// that has been silent longest is forgotten.
	MaxProposers = 512
	// MaxProposer is the longest proposer name, in bytes.
	MaxProposer = 300
)

// A proposer is what is remembered of one proposer's commands.
type proposer struct {
	name     string
	used     uint64     // record.applied at its last command
	floor    uint64     // highest sequence number forgotten
	outcomes []*Outcome // by sequence number, at most Window
}

func (p *proposer) find(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(p.outcomes, seq, func(o *Outcome, s uint64) int { return cmp.Compare(o.ID.Seq, s) })
}

// recall returns the outcome that the command was given before, or a refusal when it is too old to
// know; ok is false for a command that is new.
func (r *record) recall(id CommandID) (o Outcome, ok bool) {
	i, known := r.proposerIndex(id.Proposer)
	if !known {
		if id.Seq <= Window {
			return Outcome{}, false
		}
		return refusal(r, id, CodeForgotten,
			"command %v: the record does not know its proposer, which may have been forgotten: read the record to learn whether it took effect, and propose under a new name", id), true
	}
	p := r.proposers[i]
	if j, found := p.find(id.Seq); found {
		return *p.outcomes[j], true
	}
	if id.Seq <= p.floor {
		return refusal(r, id, CodeForgotten,
			"command %v: older than the last %d of its proposer: read the record to learn whether it took effect", id, Window), true
	}
	return Outcome{}, false
}

// remember keeps the outcome of a new command. It is called on a record not published yet.
func (r *record) remember(o Outcome) {
	r.applied++
	old := &proposer{name: o.ID.Proposer}
	i, known := r.proposerIndex(o.ID.Proposer)
	if known {
		old = r.proposers[i]
	}
	next := &proposer{name: old.name, used: r.applied, floor: old.floor}
	outs := old.outcomes
	if len(outs) == Window {
		next.floor = outs[0].ID.Seq
		outs = outs[1:]
	}
	j, _ := (&proposer{outcomes: outs}).find(o.ID.Seq)
	next.outcomes = make([]*Outcome, 0, len(outs)+1)
	next.outcomes = append(append(append(next.outcomes, outs[:j]...), &o), outs[j:]...)

	list := make([]*proposer, 0, len(r.proposers)+1)
	list = append(append(list, r.proposers[:i]...), next)
	if known {
		list = append(list, r.proposers[i+1:]...)
	} else {
		list = append(list, r.proposers[i:]...)
	}
	if len(list) > MaxProposers {
		oldest := 0
		for k := range list {
			if list[k].used < list[oldest].used {
				oldest = k
			}
		}
		list = slices.Delete(list, oldest, oldest+1)
	}
	r.proposers = list
}

func (r *record) proposerIndex(name string) (int, bool) {
	return slices.BinarySearchFunc(r.proposers, name, func(p *proposer, n string) int { return cmp.Compare(p.name, n) })
}

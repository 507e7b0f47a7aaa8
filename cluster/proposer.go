package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
)

const (
	firstRetry = 5 * time.Millisecond
	maxRetry   = time.Second
)

// A Proposer proposes operations for one process: it numbers the commands, and repeats a proposal
// whose outcome is unknown until the outcome is known, which the record's deduplication makes safe.
// It is safe for concurrent use by up to topology.Window callers.
type Proposer struct {
	store Store
	name  string

	mu      sync.Mutex
	renamed int
	seq     uint64
}

// NewProposer returns a proposer. No other process, and no other life of the same node, may ever
// propose under the same name: node and a random number make one.
func NewProposer(store Store, name string) *Proposer { return &Proposer{store: store, name: name} }

// Propose proposes the operations in one proposal and in the given coordinator term (0 for those that
// need none), and returns their outcomes. ErrUnavailable is returned at once when nothing can have
// been applied; ErrUnknown when ctx ends while that is in doubt.
func (p *Proposer) Propose(ctx context.Context, term uint64, ops ...topology.Op) ([]topology.Outcome, error) {
	for {
		cmds := p.number(term, ops)
		out, doubted, err := p.settle(ctx, cmds)
		if err != nil {
			return nil, err
		}
		// A command that was never in doubt and is forgotten all the same was refused because
		// the proposer is: it took no effect, and may be proposed under a new name.
		if doubted || len(out) == 0 || !forgotten(out) {
			return out, nil
		}
		p.rename(cmds[0].ID.Proposer)
	}
}

// number gives the operations their ids.
func (p *Proposer) number(term uint64, ops []topology.Op) []topology.Command {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := p.current()
	cmds := make([]topology.Command, len(ops))
	for i, op := range ops {
		p.seq++
		cmds[i] = topology.Command{ID: topology.CommandID{Proposer: name, Seq: p.seq}, Term: term, Op: op}
	}
	return cmds
}

func (p *Proposer) current() string {
	if p.renamed == 0 {
		return p.name
	}
	return fmt.Sprintf("%s.%d", p.name, p.renamed)
}

func (p *Proposer) rename(from string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current() == from {
		p.renamed++
		p.seq = 0
	}
}

func forgotten(out []topology.Outcome) bool {
	for _, o := range out {
		if !errors.Is(o.Err, topology.ErrForgotten) {
			return false
		}
	}
	return true
}

// settle proposes until the outcome is known, and reports whether it ever was in doubt.
func (p *Proposer) settle(ctx context.Context, cmds []topology.Command) (out []topology.Outcome, doubted bool, err error) {
	for wait := firstRetry; ; wait = min(2*wait, maxRetry) {
		out, err = p.store.Propose(ctx, cmds...)
		if err == nil {
			return out, doubted, nil
		}
		doubted = doubted || errors.Is(err, ErrUnknown) || ctx.Err() != nil && !errors.Is(err, ErrUnavailable)
		if !doubted {
			return nil, false, err
		}
		if errors.Is(err, ErrClosed) {
			return nil, true, fmt.Errorf("%w: %w", ErrUnknown, err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, doubted, fmt.Errorf("%w: %w", ErrUnknown, err)
		}
	}
}

package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

// proposer puts a node's reports into the record: in order, several in one
// proposal when they come together, each until its outcome is known.
type proposer struct {
	ctx    context.Context
	record *cluster.Proposer
	log    *slog.Logger

	mu    sync.Mutex
	queue []proposal
	wake  chan struct{} // holds one: at least one wake after the last add
}

// proposal is a report, and who hears of its outcome.
type proposal struct {
	op   topology.Op
	then func(err error) // nil if nobody; err is why it was refused
}

const (
	proposeBatch = 32
	proposePause = 5 * time.Millisecond // before an unavailable record is tried again
)

func newProposer(ctx context.Context, s cluster.Store, self Peer, log *slog.Logger) *proposer {
	return &proposer{
		ctx: ctx, record: cluster.NewProposer(s, fmt.Sprintf("%s#%d", self.Node, self.Incarnation)),
		log: log, wake: make(chan struct{}, 1),
	}
}

// add queues a report. then, which may be nil, is called once with its outcome,
// unless the host stops before; it must not block.
func (p *proposer) add(op topology.Op, then func(err error)) {
	p.mu.Lock()
	p.queue = append(p.queue, proposal{op, then})
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *proposer) take() []proposal {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(p.queue), proposeBatch)
	batch := p.queue[:n:n]
	p.queue = p.queue[n:]
	return batch
}

func (p *proposer) run() {
	for {
		batch := p.take()
		if len(batch) == 0 {
			select {
			case <-p.wake:
				continue
			case <-p.ctx.Done():
				return
			}
		}
		if !p.propose(batch) {
			return
		}
	}
}

// propose repeats a batch until its outcomes are known.
func (p *proposer) propose(batch []proposal) bool {
	ops := make([]topology.Op, len(batch))
	for i := range batch {
		ops[i] = batch[i].op
	}
	for {
		outcomes, err := p.record.Propose(p.ctx, 0, ops...)
		if err == nil {
			for i, o := range outcomes {
				if o.Err != nil {
					p.log.Debug("report refused", "op", topology.OpName(ops[i]), "err", o.Err)
				}
				if then := batch[i].then; then != nil {
					then(o.Err)
				}
			}
			return true
		}
		if p.ctx.Err() != nil || errors.Is(err, cluster.ErrClosed) {
			return false
		}
		p.log.Debug("proposal not answered, trying again", "err", err)
		select {
		case <-time.After(proposePause):
		case <-p.ctx.Done():
			return false
		}
	}
}

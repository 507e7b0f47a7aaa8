package consul

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

const (
	// maxEntries is how many proposals one Txn takes: of its 128 operations three are ours.
	maxEntries = 120
	// maxConflictPause bounds the pause after another node was first.
	maxConflictPause = 100 * time.Millisecond
)

// A proposal waits for its place in the log.
type proposal struct {
	ctx  context.Context
	cmds []topology.Command
	// entry is the log form. It is nil when the proposal is only to put snapshot into the head.
	entry    []byte
	snapshot *snapshot
	// leader: it was made by the leader in its term, and falls with the leadership.
	leader bool
	answer chan answer // capacity 1
}

type answer struct {
	out []topology.Outcome
	err error
}

// Propose applies the commands; see cluster.Store. Proposals of one handle that wait at the same time go
// into one Txn.
func (s *Store) Propose(ctx context.Context, cmds ...topology.Command) ([]topology.Outcome, error) {
	if len(cmds) == 0 && s.ctx.Err() == nil && ctx.Err() == nil {
		return nil, nil
	}
	fail := func(err error) error {
		return fmt.Errorf("propose %d commands at %s: %w", len(cmds), s.opts.Node, err)
	}
	entry, err := encodeEntry(cmds)
	if err != nil {
		return nil, fail(err)
	}
	_, leading, _ := s.held()
	inTerm := slices.ContainsFunc(cmds, func(c topology.Command) bool {
		_, begins := c.Op.(topology.BeginTerm)
		return c.Term != 0 || begins
	})
	out, err := s.submit(ctx, &proposal{cmds: cmds, entry: entry, leader: leading && inTerm})
	if err != nil {
		return nil, fail(err)
	}
	return out, nil
}

// submit queues a proposal and waits for its answer.
func (s *Store) submit(ctx context.Context, p *proposal) ([]topology.Outcome, error) {
	p.ctx, p.answer = ctx, make(chan answer, 1)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	select {
	case s.queue <- p:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.ctx.Done():
		return nil, cluster.ErrClosed
	}
	select {
	case a := <-p.answer:
		return a.out, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", cluster.ErrUnknown, ctx.Err())
	}
}

// propose takes what waits and commits it, until ctx ends.
func (s *Store) propose(ctx context.Context) {
	var held *proposal // did not fit into the Txn before
	for {
		first := held
		if held = nil; first == nil {
			select {
			case first = <-s.queue:
			case <-ctx.Done():
				return
			}
		}
		batch, size := []*proposal{first}, weight(first)
	more:
		for len(batch) < maxEntries {
			select {
			case p := <-s.queue:
				if size += weight(p); size > maxBytes {
					held = p
					break more
				}
				batch = append(batch, p)
			default:
				break more
			}
		}
		s.commit(ctx, batch)
	}
}

// weight is what a proposal takes of a request, apart from the growth by base64.
func weight(p *proposal) int { return len(p.entry) + 256 }

func refuse(batch []*proposal, err error) {
	for _, p := range batch {
		p.answer <- answer{err: err}
	}
}

// commit writes the proposals at the end of the log, and answers each.
func (s *Store) commit(ctx context.Context, batch []*proposal) {
	for failures := 0; ; failures++ {
		batch = slices.DeleteFunc(batch, func(p *proposal) bool {
			err := p.ctx.Err()
			if err != nil {
				p.answer <- answer{err: err}
			}
			return err != nil
		})
		if len(batch) == 0 {
			return
		}
		// What fails here, or to read on below, failed before anything was written.
		fail := func(err error) {
			if ctx.Err() != nil {
				err = cluster.ErrClosed
			}
			refuse(batch, err)
		}
		at, session, err := s.ready(ctx)
		if err != nil {
			fail(err)
			return
		}
		w := s.prepare(at, session, batch)
		results, err := s.client.write(ctx, w.ops)
		if err == nil {
			w.after.modify = modified(results)
			s.install(w.after)
			for i, p := range batch {
				p.answer <- answer{out: w.out[i]}
			}
			return
		}
		var refused conflict
		if !errors.As(err, &refused) {
			refuse(batch, err)
			return
		}
		// Nothing was written. Whatever else is wrong, the record may have changed or be lost.
		if _, err := s.catchUp(ctx); err != nil {
			fail(err)
			return
		}
		batch = s.retry(batch, w, refused, session)
		if failures > 0 {
			pause(ctx, failures-1, maxConflictPause)
		}
	}
}

// modified returns Consul's index of a Txn, the same for all keys that it wrote.
func modified(results api.TxnResults) (index uint64) {
	for _, r := range results {
		index = max(index, r.KV.ModifyIndex)
	}
	return index
}

// ready returns the record to write after and the session to write under.
func (s *Store) ready(ctx context.Context) (at record, session string, err error) {
	if at = s.record(); at.state.ClusterID().IsZero() && !s.opts.ClusterID.IsZero() {
		if at, err = s.catchUp(ctx); err != nil {
			return at, "", err
		}
	}
	patience := time.NewTimer(s.opts.RequestTimeout)
	defer patience.Stop()
	for {
		if ctx.Err() != nil {
			return at, "", cluster.ErrClosed
		}
		session, _, changed := s.held()
		if session != "" {
			return at, session, nil
		}
		nudge(s.renew)
		select {
		case <-changed:
		case <-patience.C:
			return at, "", fmt.Errorf("%w: no session with the server", cluster.ErrUnavailable)
		case <-ctx.Done():
			return at, "", cluster.ErrClosed
		}
	}
}

// A txn is what is written for some proposals, and what becomes of the record then.
type txn struct {
	ops    api.TxnOps
	leader int // position of the check of leadership, or -1
	head   int // position of the head; the entries follow
	after  record
	out    [][]topology.Outcome
}

// prepare builds the Txn that appends the proposals to the record.
func (s *Store) prepare(at record, session string, batch []*proposal) txn {
	w := txn{leader: -1, after: at}
	check := func(key string) {
		w.ops = append(w.ops, kvOp(api.KVCheckSession, key, session, nil, 0))
	}
	check(s.opts.presenceKey(s.life))
	if slices.ContainsFunc(batch, func(p *proposal) bool { return p.leader }) {
		w.leader = len(w.ops)
		check(s.opts.leaderKey())
	}
	if w.after.log == "" {
		w.after.log = rand.Text()
	}
	var entries api.TxnOps
	for _, p := range batch {
		var out []topology.Outcome
		if p.entry != nil {
			w.after, out = w.after.next(p.cmds)
			entries = append(entries, kvOp(api.KVCAS, s.opts.entryKey(w.after.index), "", p.entry, 0))
		}
		if p.snapshot != nil && p.snapshot.Index > w.after.snapshotIndex() {
			w.after.snapshot = p.snapshot
		}
		w.out = append(w.out, out)
	}
	w.head = len(w.ops)
	w.ops = append(w.ops, kvOp(api.KVCAS, s.opts.headKey(), "", w.after.head().encode(), at.modify))
	w.ops = append(w.ops, entries...)
	return w
}

func kvOp(verb api.KVOp, key, session string, value []byte, index uint64) *api.TxnOp {
	return &api.TxnOp{KV: &api.KVTxnOp{Verb: verb, Key: key, Session: session, Value: value, Index: index}}
}

// retry returns the proposals that may be tried again after a refusal, and answers the others.
func (s *Store) retry(batch []*proposal, w txn, refused conflict, session string) []*proposal {
	_, noSession := refused[0]
	if noSession {
		s.log.Warn("session lost: writes of this node were refused, it takes another session")
		s.drop(session)
	}
	if _, deposed := refused[w.leader]; deposed || noSession {
		s.lead(false)
		batch = slices.DeleteFunc(batch, func(p *proposal) bool {
			if p.leader {
				p.answer <- answer{err: fmt.Errorf("%w: this node no longer leads", cluster.ErrUnavailable)}
			}
			return p.leader
		})
	}
	if _, stale := refused[w.head]; !stale {
		for i := range refused {
			if i > w.head {
				refuse(batch, fmt.Errorf("%s exists beyond the head: %w", w.ops[i].KV.Key, cluster.ErrTopologyLost))
				return nil
			}
		}
	}
	return batch
}

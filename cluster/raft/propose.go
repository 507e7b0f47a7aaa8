package raft

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	hraft "github.com/hashicorp/raft"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

const (
	firstPause = 10 * time.Millisecond
	maxPause   = 200 * time.Millisecond
)

// Propose applies the commands: on the leader through the log, elsewhere by asking the leader. While
// nobody leads it waits, at most Timeouts.Patience, and then returns an *UnavailableError.
func (s *Store) Propose(ctx context.Context, cmds ...topology.Command) ([]topology.Outcome, error) {
	op := fmt.Sprintf("propose %d commands", len(cmds))
	ctx, cancel := s.bound(ctx)
	defer cancel()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s at %s: %w", op, s.opts.Node, context.Cause(ctx))
	}
	batch, err := cluster.AppendBatch(nil, cmds)
	if err != nil {
		return nil, fmt.Errorf("%s at %s: %w", op, s.opts.Node, err)
	}
	if len(cmds) == 0 {
		return nil, nil
	}
	var out []topology.Outcome
	err = s.untilLed(ctx, op, func(ctx context.Context) error {
		var err error
		if s.raft.State() == hraft.Leader {
			if out, err = s.apply(ctx, batch); !errors.Is(err, errNotLeader) {
				return err
			}
		}
		r, err := s.ask(ctx, request{kind: askPropose, batch: batch})
		if err != nil {
			return err
		}
		if len(r.outcomes) != len(cmds) {
			return fmt.Errorf("%w: %s answered %d outcomes", cluster.ErrUnknown, r.server, len(r.outcomes))
		}
		out = r.outcomes
		for i := range out {
			out[i].ID = cmds[i].ID
		}
		return nil
	})
	return out, err
}

// apply puts a batch into the log of this server. errNotLeader is returned when it is certain that it
// did not get there, cluster.ErrUnknown when it may have.
func (s *Store) apply(ctx context.Context, batch []byte) ([]topology.Outcome, error) {
	var future hraft.ApplyFuture
	err := s.await(ctx, func() hraft.Future {
		future = s.raft.Apply(batch, s.opts.Timeouts.Request)
		return future
	})
	switch {
	case err == nil:
	case errors.Is(err, errNotBegun):
		return nil, err
	case errors.Is(err, hraft.ErrNotLeader), errors.Is(err, hraft.ErrLeadershipTransferInProgress), errors.Is(err, hraft.ErrEnqueueTimeout):
		return nil, fmt.Errorf("%w: %w", errNotLeader, err)
	default: // leadership lost, the disk failed, or the caller does not wait any longer
		return nil, fmt.Errorf("%w: %w", cluster.ErrUnknown, err)
	}
	switch r := future.Response().(type) {
	case []topology.Outcome:
		return r, nil
	case error:
		return nil, fmt.Errorf("%w: %w", cluster.ErrUnknown, r)
	}
	return nil, fmt.Errorf("%w: the log gave no outcomes", cluster.ErrUnknown)
}

// untilLed repeats try while it returns cluster.ErrUnavailable, until the patience ends.
func (s *Store) untilLed(ctx context.Context, op string, try func(context.Context) error) error {
	patience := time.NewTimer(s.opts.Timeouts.Patience)
	defer patience.Stop()
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if !errors.Is(err, cluster.ErrUnavailable) {
			if ctx.Err() != nil && !errors.Is(err, cluster.ErrUnknown) {
				err = context.Cause(ctx)
			}
			return fmt.Errorf("%s at %s: %w", op, s.opts.Node, err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			continue
		case <-ctx.Done():
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-patience.C:
		}
		timer.Stop()
		if errors.Is(err, cluster.ErrClosed) {
			return fmt.Errorf("%s at %s: %w", op, s.opts.Node, cluster.ErrClosed)
		}
		return &UnavailableError{Op: op, Node: s.opts.Node, Missing: s.missing(), Err: err}
	}
}

// missing returns the voters that do not answer.
func (s *Store) missing() []string {
	ctx, cancel := context.WithTimeout(s.life, s.opts.Timeouts.Dial/2)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var out []string
	for _, v := range s.servers() {
		if v.Suffrage != hraft.Voter || string(v.ID) == s.id {
			continue
		}
		wg.Go(func() {
			if r, err := s.call(ctx, s.book.where(string(v.ID)), request{kind: askPing}); err == nil && r.server == string(v.ID) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			out = append(out, fmt.Sprintf("%s at %s", v.ID, s.book.where(string(v.ID))))
		})
	}
	wg.Wait()
	slices.Sort(out)
	return out
}

// Read returns the record with all in it that was answered before: on the leader after a quorum has
// confirmed it, elsewhere after this server has applied what the leader says it must have.
func (s *Store) Read(ctx context.Context) (topology.State, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	if ctx.Err() != nil {
		return topology.State{}, fmt.Errorf("read record at %s: %w", s.opts.Node, context.Cause(ctx))
	}
	var state topology.State
	err := s.untilLed(ctx, "read record", func(ctx context.Context) error {
		var err error
		if s.raft.State() == hraft.Leader {
			if state, _, err = s.confirmed(ctx); !errors.Is(err, errNotLeader) {
				return err
			}
		}
		state, err = s.readElsewhere(ctx)
		return err
	})
	return state, err
}

// confirmed returns the record of this server and the entry it ends at, if it leads: after a Barrier
// in this term it has all that predecessors committed, a quorum still follows, and what was committed
// since is waited for. A follower may have applied it, and shown it to a reader, before this server did.
func (s *Store) confirmed(ctx context.Context) (topology.State, uint64, error) {
	term := s.leadTerm.Load()
	if term == 0 || s.raft.CurrentTerm() != term {
		return topology.State{}, 0, errNotLeader
	}
	committed := s.raft.CommitIndex()
	if err := s.await(ctx, func() hraft.Future { return s.raft.VerifyLeader() }); err != nil {
		if ctx.Err() != nil || errors.Is(err, cluster.ErrClosed) {
			return topology.State{}, 0, err
		}
		return topology.State{}, 0, fmt.Errorf("%w: %w", errNotLeader, err)
	}
	if s.raft.CurrentTerm() != term {
		return topology.State{}, 0, errNotLeader
	}
	if _, err := s.machine.wait(ctx, s.lastBatch(committed)); err != nil {
		return topology.State{}, 0, err
	}
	return s.machine.now()
}

// lastBatch returns the last log entry up to index that the record gets to see: raft keeps others, of
// its own, in the same log.
func (s *Store) lastBatch(index uint64) uint64 {
	_, applied, _ := s.machine.now()
	for ; index > applied; index-- {
		var l hraft.Log
		if err := s.storage.logs.GetLog(index, &l); err != nil || l.Type == hraft.LogCommand {
			break // an entry that can't be read here is taken for one to wait for
		}
	}
	return max(index, applied)
}

// readElsewhere asks the leader up to where to wait; it takes the leader's record instead when this
// server is not part of the configuration or does not get that far.
func (s *Store) readElsewhere(ctx context.Context) (topology.State, error) {
	if s.isServer() {
		r, err := s.ask(ctx, request{kind: askIndex})
		if err != nil {
			return topology.State{}, err
		}
		if r.member {
			short, cancel := context.WithTimeout(ctx, s.opts.Timeouts.Dial)
			state, err := s.machine.wait(short, r.index)
			cancel()
			if err == nil || ctx.Err() != nil {
				return state, err
			}
		}
	}
	known := s.known()
	r, err := s.ask(ctx, request{kind: askRecord, known: known.Version()})
	if err != nil {
		return topology.State{}, err
	}
	if !r.same {
		if known, err = topology.DecodeState(r.record); err != nil {
			return topology.State{}, fmt.Errorf("record from %s: %w", r.server, err)
		}
		s.publish(known, false)
	}
	return known, nil
}

package consul

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/dee2748c/baton/cluster"
)

const (
	// blockFor is how long the server holds a query that nothing answers.
	blockFor = 30 * time.Second
	// ahead is the number of entries that are asked for together with the head.
	ahead = 16

	firstPause = 20 * time.Millisecond
	maxPause   = 2 * time.Second
)

// pause waits a random time that grows with the number of failures; it returns early when ctx ends.
func pause(ctx context.Context, failures int, limit time.Duration) {
	most := min(firstPause<<min(failures, 16), limit)
	timer := time.NewTimer(most/2 + rand.N(most/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// follow asks until ctx ends, each time for what is newer than the answer before. After a failure, and
// when the server's index goes back, it begins again with what there is.
func (s *Store) follow(ctx context.Context, what string, ask func(*api.QueryOptions) (*api.QueryMeta, error)) {
	var index uint64
	for failures := 0; ctx.Err() == nil; {
		bounded, cancel := context.WithTimeout(ctx, blockFor+blockFor/16+s.opts.RequestTimeout)
		meta, err := ask((&api.QueryOptions{WaitIndex: index, WaitTime: blockFor}).WithContext(bounded))
		cancel()
		switch {
		case err != nil && ctx.Err() == nil:
			if failures++; failures == 1 {
				s.log.Warn("following "+what, "err", err)
			}
			index = 0
			pause(ctx, failures, maxPause)
		case err == nil:
			if failures > 0 {
				s.log.Info("following " + what + " again")
			}
			failures = 0
			if meta.LastIndex < index {
				meta.LastIndex = 0
			}
			index = max(meta.LastIndex, 1)
		}
	}
}

// followHead applies what others propose.
func (s *Store) followHead(ctx context.Context) {
	s.follow(ctx, "the record", func(q *api.QueryOptions) (*api.QueryMeta, error) {
		pair, meta, err := s.client.KV().Get(s.opts.headKey(), q)
		if err != nil {
			return nil, err
		}
		if known := s.record(); pair != nil && pair.ModifyIndex == known.modify {
			return meta, nil
		}
		_, err = s.catchUp(ctx)
		return meta, err
	})
}

// catchUp reads the head and applies the log up to it. It returns the record as of a moment after the
// call. The error is cluster.ErrUnavailable, cluster.ErrTopologyLost, topology.ErrDamaged or
// topology.ErrFormat, or the context's.
func (s *Store) catchUp(ctx context.Context) (record, error) {
	at, missed := s.record(), 0
	for {
		ops := api.KVTxnOps{get(s.opts.headKey())}
		for i := range uint64(ahead) {
			ops = append(ops, get(s.opts.entryKey(at.index+1+i)))
		}
		pairs, err := s.client.read(ctx, ops)
		if err != nil {
			return record{}, err
		}
		next, done, err := s.readOn(at, pairs)
		switch {
		case err != nil:
			return record{}, err
		case done:
			s.install(next)
			return next, nil
		case next.index > at.index:
			at = next
			continue
		case next.log != at.log:
			at = next // another log: its first entries are not those that were read
			continue
		}
		// The next entry is gone: the snapshot has it. Another one may take its place meanwhile.
		if at, err = s.load(ctx, next); err == nil {
			continue
		}
		if missed++; missed > 3 || !errors.Is(err, errGone) {
			return record{}, err
		}
		at = next
	}
}

// readOn applies the entries among pairs, which are the head and what follows at. It reports whether the
// record is at the head.
func (s *Store) readOn(at record, pairs api.KVPairs) (record, bool, error) {
	var h *head
	if pairs[0].Value != nil {
		var err error
		if h, err = decodeHead(pairs[0].Value); err != nil {
			return record{}, false, err
		}
	}
	from, err := base(at, h, s.opts.ClusterID)
	if err != nil || h == nil {
		return from, true, err
	}
	if from.log == at.log {
		for _, p := range pairs[1:] {
			if p.Value == nil || from.index == h.Index {
				break
			}
			cmds, err := decodeEntry(p.Value)
			if err != nil {
				return record{}, false, fmt.Errorf("%s: %w", p.Key, err)
			}
			from, _ = from.next(cmds)
		}
	}
	from.snapshot = h.Snapshot
	if from.index < h.Index {
		return from, false, nil
	}
	if from.state.Version() != h.Version || named(from.state.ClusterID()) != h.Cluster {
		return record{}, false, fmt.Errorf("record at index %d: its version is %d, the head says %d: builds that apply commands differently, or keys of the log were changed: %w",
			h.Index, from.state.Version(), h.Version, cluster.ErrTopologyLost)
	}
	from.modify = pairs[0].ModifyIndex
	return from, true, nil
}

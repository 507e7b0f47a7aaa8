package consul

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

// errGone is returned when a snapshot was deleted while it was read: a newer one has taken its place.
var errGone = errors.New("the snapshot is gone")

// load returns the record that the snapshot in r holds, for a handle whose next entry is gone.
func (s *Store) load(ctx context.Context, r record) (record, error) {
	if r.snapshot == nil || r.snapshot.Index <= r.index {
		return record{}, fmt.Errorf("%s is gone, and no snapshot has it: %w", s.opts.entryKey(r.index+1), cluster.ErrTopologyLost)
	}
	var packed []byte
	for i := range r.snapshot.Chunks {
		pairs, err := s.client.read(ctx, api.KVTxnOps{get(s.opts.chunkKey(r.snapshot.Name, i))})
		if err != nil {
			return record{}, err
		}
		if pairs[0].Value == nil {
			return record{}, fmt.Errorf("%s: %w: %w", pairs[0].Key, errGone, cluster.ErrTopologyLost)
		}
		packed = append(packed, pairs[0].Value...)
	}
	b, err := inflate(packed)
	if err != nil {
		return record{}, fmt.Errorf("snapshot %s: %w", r.snapshot.Name, err)
	}
	state, err := topology.DecodeState(b)
	if err != nil {
		return record{}, fmt.Errorf("snapshot %s: %w", r.snapshot.Name, err)
	}
	s.log.Info("record loaded from a snapshot", "index", r.snapshot.Index, "ring_version", state.Version())
	return record{log: r.log, index: r.snapshot.Index, snapshot: r.snapshot, state: state}, nil
}

// save writes a record's chunks and returns what a head says of them. Each Txn begins with the guards.
func (s *Store) save(ctx context.Context, state topology.State, index uint64, guards ...*api.TxnOp) (*snapshot, error) {
	b, err := state.MarshalBinary()
	if err != nil {
		return nil, err
	}
	b = deflate(nil, b)
	snap := &snapshot{Name: fmt.Sprintf("%020d-%s", index, rand.Text()), Index: index}
	for ; len(b) > 0; snap.Chunks++ {
		n := min(len(b), maxBytes)
		ops := append(api.TxnOps{}, guards...)
		if _, err := s.client.write(ctx, append(ops, kvOp(api.KVSet, s.opts.chunkKey(snap.Name, snap.Chunks), "", b[:n], 0))); err != nil {
			return nil, err
		}
		b = b[n:]
	}
	return snap, nil
}

// compactions makes a snapshot whenever one is asked for, until ctx ends.
func (s *Store) compactions(ctx context.Context) {
	for {
		select {
		case <-s.compact:
		case <-ctx.Done():
			return
		}
		at := s.record()
		session, leading, _ := s.held()
		if !leading || at.index < at.snapshotIndex()+s.opts.SnapshotEvery {
			continue
		}
		if err := s.snapshot(ctx, at, kvOp(api.KVCheckSession, s.opts.leaderKey(), session, nil, 0)); err != nil && ctx.Err() == nil {
			s.log.Warn("snapshot of the record", "index", at.index, "err", err)
		}
	}
}

// snapshot saves the record, puts the snapshot into the head, and deletes what nobody needs then. Only a
// leader does, so that not every node does; that the head names the snapshot is what makes it safe (I5).
func (s *Store) snapshot(ctx context.Context, at record, leads *api.TxnOp) error {
	snap, err := s.save(ctx, at.state, at.index, leads)
	if err != nil {
		return err
	}
	if _, err := s.submit(ctx, &proposal{snapshot: snap, leader: true}); err != nil {
		return err
	}
	kept := s.record().snapshot
	if kept == nil || kept.Index < snap.Index {
		return fmt.Errorf("snapshot at index %d: the head names none", snap.Index)
	}
	first := kept.Index - min(kept.Index, s.opts.Tail) + 1
	logs, err := s.prune(ctx, leads, s.opts.logFolder(), first)
	if err != nil {
		return err
	}
	chunks, err := s.prune(ctx, leads, s.opts.snapshots(), kept.Index)
	s.log.Info("log compacted", "index", kept.Index, "chunks", snap.Chunks, "deleted_entries", logs, "deleted_chunks", chunks)
	return err
}

// prune deletes the keys of a folder whose names begin with an index less than first.
func (s *Store) prune(ctx context.Context, leads *api.TxnOp, folder string, first uint64) (deleted int, err error) {
	bounded, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
	defer cancel()
	keys, _, err := s.client.KV().Keys(folder, "", consistent(bounded))
	if err != nil {
		return 0, readError(ctx, err)
	}
	ops := api.TxnOps{leads}
	flush := func() error {
		if len(ops) == 1 {
			return nil
		}
		if _, err := s.client.write(ctx, ops); err != nil {
			return err
		}
		deleted += len(ops) - 1
		ops = api.TxnOps{leads}
		return nil
	}
	for _, key := range keys {
		digits := strings.TrimPrefix(key, folder)
		if index, err := strconv.ParseUint(digits[:min(20, len(digits))], 10, 64); err != nil || index >= first {
			continue
		}
		if ops = append(ops, kvOp(api.KVDelete, key, "", nil, 0)); len(ops) == maxEntries {
			if err := flush(); err != nil {
				return deleted, err
			}
		}
	}
	return deleted, flush()
}

// Restore makes state the record of a server that has none, or an older one of the same cluster: an
// operator's step after the server lost it. It is refused when this node knows a newer record; other nodes
// that do go on refusing changes, and can restore theirs. The error is ErrRecordExists, topology.ErrClusterMismatch, topology.ErrNoCluster for an empty
// state, or as for Propose.
func (s *Store) Restore(ctx context.Context, state topology.State) error {
	fail := func(err error) error {
		return fmt.Errorf("restore version %d of cluster %s at %s: %w", state.Version(), state.ClusterID(), s.opts.Node, err)
	}
	switch id := s.opts.ClusterID; {
	case s.ctx.Err() != nil:
		return fail(cluster.ErrClosed)
	case state.ClusterID().IsZero():
		return fail(topology.ErrNoCluster)
	case !id.IsZero() && id != state.ClusterID():
		return fail(topology.ErrClusterMismatch)
	}
	known := s.record()
	if v := known.state.Version(); v > state.Version() {
		return fail(fmt.Errorf("this node knows version %d: %w", v, ErrRecordExists))
	}
	pairs, err := s.client.read(ctx, api.KVTxnOps{get(s.opts.headKey())})
	if err != nil {
		return fail(err)
	}
	// The new log's first index is beyond those that this node knows of.
	index, modify := known.index, uint64(0)
	if pairs[0].Value != nil {
		h, err := decodeHead(pairs[0].Value)
		switch {
		case err != nil:
			return fail(err)
		case h.Cluster != "" && h.Cluster != named(state.ClusterID()):
			return fail(fmt.Errorf("the store has cluster %s: %w", h.Cluster, topology.ErrClusterMismatch))
		case h.Version >= state.Version():
			return fail(fmt.Errorf("the store has version %d: %w", h.Version, ErrRecordExists))
		}
		index, modify = max(index, h.Index), pairs[0].ModifyIndex
	}
	snap, err := s.save(ctx, state, index+1)
	if err != nil {
		return fail(err)
	}
	restored := record{log: rand.Text(), index: snap.Index, snapshot: snap, state: state}
	_, err = s.client.write(ctx, api.TxnOps{
		kvOp(api.KVCAS, s.opts.headKey(), "", restored.head().encode(), modify),
		kvOp(api.KVDeleteTree, s.opts.logFolder(), "", nil, 0),
	})
	if refused := (conflict{}); errors.As(err, &refused) {
		err = fmt.Errorf("another change came first: %w", cluster.ErrUnavailable)
	}
	if err != nil {
		return fail(err)
	}
	s.log.Warn("record restored", "ring_version", state.Version(), "index", snap.Index)
	if _, err := s.catchUp(ctx); err != nil {
		return fail(err)
	}
	return nil
}

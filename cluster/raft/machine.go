package raft

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	hraft "github.com/hashicorp/raft"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

// A machine is raft's state machine: the record. Entries are batches of commands; an entry that this
// build cannot read stops the machine for good, because going on without it would be another history.
type machine struct {
	applied func() // called after each change, without the lock

	mu     sync.Mutex
	state  topology.State
	index  uint64 // of the last entry in state
	config uint64 // index of the newest committed configuration that passed through the log
	err    error
	moved  chan struct{} // closed when index grows
}

var (
	_ hraft.FSM                = (*machine)(nil)
	_ hraft.ConfigurationStore = (*machine)(nil)
)

func newMachine(applied func()) *machine {
	return &machine{applied: applied, moved: make(chan struct{})}
}

// Apply applies one entry and returns its []topology.Outcome, or an error.
func (m *machine) Apply(l *hraft.Log) any {
	cmds, err := cluster.DecodeBatch(l.Data)
	m.mu.Lock()
	if err != nil && m.err == nil {
		m.err = fmt.Errorf("apply log entry %d: %w: this server stands still: run the version that wrote the entry, or wipe the node and let it join as new", l.Index, err)
	}
	if m.err != nil {
		defer m.mu.Unlock()
		return m.err
	}
	var out []topology.Outcome
	m.state, out = cluster.ApplyBatch(m.state, cmds)
	m.advance(l.Index)
	m.mu.Unlock()
	m.applied()
	return out
}

// advance tells those who wait. The caller holds the lock.
func (m *machine) advance(index uint64) {
	m.index = index
	close(m.moved)
	m.moved = make(chan struct{})
}

// StoreConfiguration notes where in the log a configuration was committed.
func (m *machine) StoreConfiguration(index uint64, _ hraft.Configuration) {
	m.mu.Lock()
	m.config = index
	m.mu.Unlock()
	m.applied()
}

func (m *machine) now() (topology.State, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state, m.index, m.err
}

// wait returns the record once it has the entry of that index in it.
func (m *machine) wait(ctx context.Context, index uint64) (topology.State, error) {
	for {
		m.mu.Lock()
		state, now, err, moved := m.state, m.index, m.err, m.moved
		m.mu.Unlock()
		if err != nil || now >= index {
			return state, err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return state, fmt.Errorf("has log entry %d, waits for %d: %w", now, index, context.Cause(ctx))
		}
	}
}

// snapshotMagic begins a snapshot; the index of the record's last entry and the record follow.
var snapshotMagic = []byte("BTNR\x01")

// A snapshot is the record at one index; it is immutable, so it costs nothing to take.
type snapshot struct {
	state topology.State
	index uint64
}

func (m *machine) Snapshot() (hraft.FSMSnapshot, error) {
	state, index, err := m.now()
	return &snapshot{state, index}, err
}

// Persist writes the snapshot. It closes the sink, which keeps the snapshot, or cancels it on failure.
func (s *snapshot) Persist(sink hraft.SnapshotSink) error {
	b := binary.BigEndian.AppendUint64(bytes.Clone(snapshotMagic), s.index)
	b, err := s.state.AppendBinary(b)
	if err == nil {
		_, err = sink.Write(b)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write snapshot at log entry %d: %w", s.index, err), sink.Cancel())
	}
	return sink.Close()
}

func (s *snapshot) Release() {}

// Restore replaces the record by that of a snapshot.
func (m *machine) Restore(r io.ReadCloser) error {
	state, index, err := readSnapshot(r)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.state, m.err = state, nil
	m.advance(index)
	m.mu.Unlock()
	m.applied()
	return nil
}

func readSnapshot(r io.Reader) (topology.State, uint64, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxState))
	if err != nil {
		return topology.State{}, 0, fmt.Errorf("read snapshot: %w", err)
	}
	head := len(snapshotMagic) + 8
	if len(b) < head || !bytes.HasPrefix(b, snapshotMagic) {
		return topology.State{}, 0, fmt.Errorf("read snapshot of %d bytes: not a record: %w", len(b), topology.ErrFormat)
	}
	state, err := topology.DecodeState(b[head:])
	return state, binary.BigEndian.Uint64(b[len(snapshotMagic):head]), err
}

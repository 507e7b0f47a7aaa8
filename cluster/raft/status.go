package raft

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"

	hraft "github.com/hashicorp/raft"

	"github.com/dee2748c/baton/cluster/topology"
)

// A Status is what a server knows of the consensus.
type Status struct {
	// Server is this server, Leader the one that leads, "" when none is known; LeaderAddr is where, as
	// far as it is known.
	Server, Leader, LeaderAddr string
	Term                       uint64
	// Applied is the last log entry in this server's record, Snapshot the last one in its newest
	// snapshot.
	Applied, Snapshot uint64
	// Voters and Nonvoters are servers of the configuration, in its order.
	Voters, Nonvoters []Member
	// Syncs counts the writes of log entries since the start, each with one fsync, and Entries what
	// they wrote. Both are 0 in memory.
	Syncs, Entries uint64
	// Err is why this server's record stands still, or nil.
	Err error
}

// A Member is a server of the configuration, and where it is, as far as that is known.
type Member struct{ Server, Addr string }

// Status returns what this server knows, without asking anybody.
func (s *Store) Status() Status {
	_, id := s.raft.LeaderWithID()
	_, applied, err := s.machine.now()
	st := Status{Server: s.id, Leader: string(id), LeaderAddr: s.book.where(string(id)), Term: s.raft.CurrentTerm(), Applied: applied, Err: err}
	st.Snapshot, _ = strconv.ParseUint(s.raft.Stats()["last_snapshot_index"], 10, 64)
	for _, v := range s.servers() {
		m := Member{string(v.ID), s.book.where(string(v.ID))}
		if v.Suffrage == hraft.Voter {
			st.Voters = append(st.Voters, m)
		} else {
			st.Nonvoters = append(st.Nonvoters, m)
		}
	}
	if c := s.storage.counts; c != nil {
		counters := c.Summary().Counters
		st.Syncs, st.Entries = counters["log_appends"], counters["log_entries_written"]
	}
	return st
}

// Recover makes the server in Options.Dir the only voter of its record, with all the entries that it
// has, whether they were committed or not. It is for an operator whose majority is gone for ever: if
// servers of the former majority come back together, there are two records. The store must be closed;
// of the options, Node, Nonce, Dir and Logger are used.
func Recover(o Options) (err error) {
	id := ServerID(o.Node, o.Nonce)
	defer func() {
		if err != nil {
			err = fmt.Errorf("recover %s from %q: %w", id, o.Dir, err)
		}
	}()
	if o.Dir == "" || o.Node == "" {
		return errors.New("need node and directory")
	}
	o.Logger = cmp.Or(o.Logger, discard)
	st, err := openStorage(&o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	config := hraft.DefaultConfig()
	config.LocalID, config.Logger = hraft.ServerID(id), logger{o.Logger}
	_, transport := hraft.NewInmemTransport(hraft.ServerAddress(id))
	m := newMachine(func() {})
	only := configured(id, hraft.Voter)
	err = hraft.RecoverCluster(config, m, st.logs, st.stable, st.snapshots, transport, hraft.Configuration{Servers: []hraft.Server{only}})
	return errors.Join(err, m.err, transport.Close())
}

// Restore begins the record of an empty directory with a state from a backup, of which the server voter is
// the only voter. All servers of a restored cluster begin with the same state and voter; the voter adds the
// others when it leads. Of the options, Node, Nonce, Dir and Logger are used.
func Restore(o Options, voter string, state topology.State) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("restore the record to %q: %w", o.Dir, err)
		}
	}()
	if o.Dir == "" || o.Node == "" || voter == "" {
		return errors.New("need node, directory, and the voter's name")
	}
	o.Logger = cmp.Or(o.Logger, discard)
	st, err := openStorage(&o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	if has, err := hraft.HasExistingState(st.logs, st.stable, st.snapshots); err != nil || has {
		return cmp.Or(err, ErrHasRecord)
	}
	only := configured(voter, hraft.Voter)
	const index, term = 1, 1
	_, transport := hraft.NewInmemTransport(only.Address)
	sink, err := st.snapshots.Create(hraft.SnapshotVersionMax, index, term, hraft.Configuration{Servers: []hraft.Server{only}}, index, transport)
	if err == nil {
		err = (&snapshot{state, index}).Persist(sink)
	}
	return errors.Join(err, st.stable.SetUint64([]byte("CurrentTerm"), term), transport.Close())
}

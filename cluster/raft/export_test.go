package raft

import (
	"context"
	"strings"

	hraft "github.com/hashicorp/raft"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// staticNonce names servers that are no members of the record that they keep.
const staticNonce = 1 << 40

// OpenStatic opens a server whose configuration does not follow the record, for suites whose records
// are about nodes that do not exist. It knows the others as its seeds.
func OpenStatic(o Options) (*Store, error) {
	o.Nonce = staticNonce
	return open(o, func(topology.State, []hraft.Server, hraft.ServerID, func(hraft.Server) bool) change { return change{} })
}

// BootstrapServers bootstraps with several voters, whose addresses are in the configuration.
func (s *Store) BootstrapServers(ctx context.Context, addrs map[string]string) error {
	var servers []hraft.Server
	for id, a := range addrs {
		servers = append(servers, hraft.Server{ID: hraft.ServerID(id), Address: hraft.ServerAddress(a)})
	}
	return s.bootstrap(ctx, servers...)
}

// BootstrapVoters bootstraps with several voters at once.
func (s *Store) BootstrapVoters(ctx context.Context, nodes ...ring.NodeID) error {
	var servers []hraft.Server
	for _, n := range nodes {
		servers = append(servers, configured(ServerID(n, staticNonce), hraft.Voter))
	}
	return s.bootstrap(ctx, servers...)
}

// AddVoter gives a server a vote, if this one leads.
func (s *Store) AddVoter(id string) error {
	v := configured(id, hraft.Voter)
	return s.raft.AddVoter(v.ID, v.Address, 0, 0).Error()
}

// Snapshot writes a snapshot now and compacts the log. Raft refuses one while a change of the
// configuration is not applied, which the leader may begin at any time.
func (s *Store) Snapshot() (err error) {
	for range 100 {
		_ = s.raft.Barrier(0).Error() // a follower has none; it applies in its own time
		if err = s.raft.Snapshot().Error(); err == nil || !strings.Contains(err.Error(), "configuration entry") {
			return err
		}
	}
	return err
}

// Hold keeps the server from applying more than one entry until release is called.
func (s *Store) Hold() (release func()) {
	s.publishMu.Lock()
	return s.publishMu.Unlock
}

// Applied returns the version of this server's record, without asking anybody.
func (s *Store) Applied() uint64 {
	state, _, _ := s.machine.now()
	return state.Version()
}

// Leads reports whether the server leads and may read.
func (s *Store) Leads() bool { return s.leadTerm.Load() != 0 && s.raft.State() == hraft.Leader }

// Append puts commands into this server's own log, if it leads.
func (s *Store) Append(ctx context.Context, cmds ...topology.Command) ([]topology.Outcome, error) {
	batch, err := cluster.AppendBatch(nil, cmds)
	if err != nil {
		return nil, err
	}
	return s.apply(ctx, batch)
}

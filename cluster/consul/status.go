package consul

import (
	"github.com/hashicorp/consul/api"

	"github.com/dee2748c/baton/cluster/ring"
)

// A Status is what a handle knew of the store when it last renewed its check.
type Status struct {
	// Leader is the node that holds the lead; empty when nobody does.
	Leader ring.NodeID
	// Applied is the last entry of the log in this handle's record.
	Applied uint64
	// Err is why the last renewal failed, or nil.
	Err error
}

// Status returns what the handle knows, without asking the server.
func (s *Store) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Leader: s.leader, Applied: s.applied.index, Err: s.trouble}
}

// notice notes who holds the lead.
func (s *Store) notice(holder *api.KVPair) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leader = ""
	if holder != nil && holder.Session != "" {
		s.leader = ring.NodeID(holder.Value)
	}
}

// renewedWith notes how the last renewal ended.
func (s *Store) renewedWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = err
}

package baton

import (
	"context"
	"fmt"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
)

// ownStore tells the cluster when what this node kept is gone: its store is not
// the one that its identity remembers. Replicas then bring it back; until they
// have, the node's answer that there is no such object does not count. The new
// store is remembered after the record knows, so that a crash in between says it
// again.
func (s *starting) ownStore(ctx context.Context) error {
	n := s.node
	id, fresh := s.durable.Identity()
	switch {
	case n.id.Store == id:
		return nil
	case n.resumed && (n.id.Store != [16]byte{} || fresh):
		_, err := n.ask(ctx, topology.MarkIncomplete{Node: n.self, Incarnation: s.peer.Incarnation, Kind: kv.KindName})
		if err != nil {
			return fmt.Errorf("say that the node's data is gone: %w", err)
		}
		n.opts.Logger.Warn("the store of this node is new: its replicas have to bring back what it held")
	}
	n.id.Store = id
	return n.keepIdentity()
}

package consul

import (
	"fmt"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

// A record is what a handle has applied: an immutable value. The zero record is that of an empty store.
type record struct {
	log      string // the log's name; empty before its first entry
	index    uint64 // of the last entry applied
	modify   uint64 // Consul's index of the head at that entry, for cas
	snapshot *snapshot
	state    topology.State
}

// next returns the record after one more proposal.
func (r record) next(cmds []topology.Command) (record, []topology.Outcome) {
	state, out := cluster.ApplyBatch(r.state, cmds)
	r.state, r.modify = state, 0
	r.index++
	return r, out
}

// head returns the head that ends at the record.
func (r record) head() *head {
	return &head{
		Format: headFormat, Log: r.log, Cluster: named(r.state.ClusterID()), Index: r.index, Version: r.state.Version(), Snapshot: r.snapshot,
	}
}

// named returns the id as it stands in a head.
func named(id topology.ClusterID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

// snapshotIndex returns the index up to which the newest snapshot goes.
func (r record) snapshotIndex() uint64 {
	if r.snapshot == nil {
		return 0
	}
	return r.snapshot.Index
}

// follows reports whether r may replace old: it is later in the same log, or began another one.
func (r record) follows(old record) bool {
	if r.log != old.log {
		return r.state.Version() >= old.state.Version()
	}
	return r.index > old.index || r.index == old.index && r.modify > old.modify
}

// base returns the record from which to read on to the head, or the error when the head is not one that
// goes on from what was applied (I3). A nil head is that of an empty store.
func base(applied record, h *head, known topology.ClusterID) (record, error) {
	own := applied.state.ClusterID()
	if own.IsZero() {
		own = known
	}
	switch {
	case h == nil && own.IsZero():
		return record{}, nil
	case h == nil:
		return record{}, fmt.Errorf("record of cluster %s: the store has none: %w", own, cluster.ErrTopologyLost)
	case !own.IsZero() && h.Cluster != named(own):
		return record{}, fmt.Errorf("record of cluster %s: the store has that of cluster %q: %w: %w", own, h.Cluster, topology.ErrClusterMismatch, cluster.ErrTopologyLost)
	case h.Version < applied.state.Version(), h.Log == applied.log && h.Index < applied.index:
		return record{}, fmt.Errorf("record of cluster %s: the store has version %d at index %d, this node has seen version %d at index %d: %w",
			own, h.Version, h.Index, applied.state.Version(), applied.index, cluster.ErrTopologyLost)
	case h.Log != applied.log:
		return record{log: h.Log}, nil
	}
	return applied, nil
}

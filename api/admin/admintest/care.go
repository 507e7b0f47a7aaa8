package admintest

import (
	"context"
	"fmt"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
)

// Care is that of a Store: a node with one partition of its own, 1, of which an
// exchange found two states that differed.
type Care struct{ node *Node }

var exchange = admin.Exchange{Head: 1, Copies: 3, With: 2, Node: "n2", Keys: 10, Differing: 2, Taken: 1, Given: 1, Bytes: 2048}

// Entropy implements admin.Care.
func (c Care) Entropy() (admin.Entropy, error) {
	return admin.Entropy{
		Node: c.node.Name(), Rounds: 3, Exchanges: 6, Repaired: 2, Bytes: 2048, Reaped: 1,
		Partitions: []admin.EntropyPartition{{Partition: 1, Keys: 10, IncompleteSince: 7, Last: []admin.Exchange{exchange}}},
	}, nil
}

// Kept implements admin.Care.
func (c Care) Kept() []admin.Kept {
	return []admin.Kept{{Kind: "kv", Partition: 3, Items: 2, Bytes: 100, State: "serving hint=5", Error: "hand back kv/3: no answer"}}
}

// Repair implements admin.Care.
func (c Care) Repair(_ context.Context, p ring.Partition) (admin.Repair, error) {
	if p != 1 {
		return admin.Repair{}, fmt.Errorf("repair partition %d: %w", p, admin.ErrNotOwner)
	}
	return admin.Repair{Partition: p, Exchanges: []admin.Exchange{exchange}, Single: true}, nil
}

// Audit implements admin.Care: one copy is sound, of another one some can't be read.
func (c Care) Audit(_ context.Context, r admin.AuditRequest, take func(admin.AuditEvent) error) error {
	s := admin.AuditSummary{Certificates: 5, Heads: 8}
	for p := range ring.Partition(2) {
		if !r.Wants("kv", p) {
			continue
		}
		s.Copies++
		if err := take(admin.AuditEvent{Copy: &admin.AuditCopy{Node: "n1", Kind: "kv", Partition: p, Items: 10}}); err != nil {
			return err
		}
		if p == 1 {
			s.Findings++
			f := admin.Finding{Problem: admin.FoundDamaged, Node: "n1", Kind: "kv", Partition: 1, From: "a\xff", To: "b", Message: "it can't be read", Remedy: "baton repair 1"}
			if err := take(admin.AuditEvent{Finding: &f}); err != nil {
				return err
			}
		}
	}
	return take(admin.AuditEvent{Summary: &s})
}

// Backup implements admin.Care: it writes nothing.
func (c Care) Backup(_ context.Context, dir string) (admin.DataBackup, error) {
	return admin.DataBackup{Node: c.node.Name(), Directory: dir, ClusterID: c.node.Cluster().String(), RecordVersion: 1, Partitions: 8, Items: 100, Files: 12, Bytes: 4096}, nil
}

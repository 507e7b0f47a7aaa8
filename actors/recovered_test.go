package actors

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// TestRecovered: what a process that ended in the middle of a handoff left, at
// each of the points where it writes.
func TestRecovered(t *testing.T) {
	seal := &topology.Seal{Items: 1}
	for _, c := range []struct {
		name   string
		record store.Record
		staged uint64
		want   vnode.Recovered
	}{
		{"owner", store.Record{Epoch: 3}, 0, vnode.Recovered{Epoch: 3}},
		{"frozen", store.Record{Epoch: 3, Frozen: 7}, 0, vnode.Recovered{Epoch: 3, Frozen: 7}},
		{"given away", store.Record{Epoch: 4, Tombstone: "b"}, 0, vnode.Recovered{Epoch: 4, Tombstone: true}},
		{"staging", store.Record{Epoch: 2}, 7, vnode.Recovered{Epoch: 2, Staged: 7}},
		{"sealed", store.Record{Epoch: 2, Sealed: 7, Seal: seal}, 7, vnode.Recovered{Epoch: 2, Staged: 7, Seal: seal}},
		{"sealed, then a later session", store.Record{Epoch: 2, Sealed: 7, Seal: seal}, 9, vnode.Recovered{Epoch: 2, Staged: 9}},
		{"promoted, not yet noted", store.Record{Epoch: 2, Sealed: 7, Seal: seal}, 0, vnode.Recovered{Epoch: 2, Staged: 7, Seal: seal}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, recovered(c.record, c.staged)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

package vnode_test

import (
	"testing"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// Numbers of events rise with every write, with every life of the node, also
// where versions begin again because they hold few bits of the incarnation.
func TestContext_EventRises(t *testing.T) {
	var last uint64
	for _, incarnation := range []uint64{1, 2, 1023, 1024, 1025, 5000} {
		p := vnode.Partition{Epoch: 7, Incarnation: incarnation}
		version := vnode.FirstVersion(p.Epoch, p.Incarnation)
		cx := vnode.NewContext(p, nowhere{}, &version, nil)
		for range 3 {
			event := cx.Event()
			if event <= last {
				t.Fatalf("incarnation %d: event %d after %d", incarnation, event, last)
			}
			if cx.Event() != event {
				t.Error("an event counts without a write")
			}
			cx.Put([]byte("k"), nil)
			last = event
		}
	}
}

// nowhere is a partition that is not asked.
type nowhere struct{ store.Partition }

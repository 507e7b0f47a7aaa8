package vnode_test

import (
	"bytes"
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

// nowhere is a partition without items.
type nowhere struct{ store.Partition }

func (nowhere) Get([]byte) (store.Item, error) { return store.Item{}, store.ErrNotFound }

// TestContext_readsOwnWrites: a handler reads the last of its own writes to a
// key, in batches of few and of many.
func TestContext_readsOwnWrites(t *testing.T) {
	version := uint64(0)
	cx := vnode.NewContext(vnode.Partition{}, nowhere{}, &version, nil)
	key := func(i int) []byte { return []byte{byte(i % 7), byte(i % 5)} }
	for n := range 60 {
		want := make(map[string][]byte)
		for i := range n {
			if i%3 == 2 {
				cx.Delete(key(i))
				want[string(key(i))] = nil
			} else {
				cx.Put(key(i), []byte{byte(i)})
				want[string(key(i))] = []byte{byte(i)}
			}
			for k := range 35 {
				if got := cx.Get(key(k)); !bytes.Equal(got, want[string(key(k))]) {
					t.Fatalf("after %d writes %v is %v, want %v", i+1, key(k), got, want[string(key(k))])
				}
			}
		}
		cx.Reset()
	}
}

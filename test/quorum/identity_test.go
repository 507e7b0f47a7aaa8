package quorum

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/store"
)

// TestEvent_neverTwice: T-B27, what numbers the writes of a vnode goes on when
// its module panics and is opened anew and when it restarts with nothing, at a
// primary and at a fallback under one hint.
func TestEvent_neverTwice(t *testing.T) {
	for _, fallback := range []bool{false, true} {
		name := map[bool]string{false: "primary", true: "fallback"}[fallback]
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(t *testing.T, w *world) {
				server, _ := w.log.State().Owner(kindName, 0)
				var standIn ring.NodeID
				if fallback {
					w.lose(server)
					server = map[ring.NodeID]ring.NodeID{"a": "b", "b": "c", "c": "a"}[server]
					standIn = server
				}
				last := uint64(0)
				write := func(when string) {
					t.Helper()
					o, err := w.one(server, standIn, "ex")
					if err != nil || len(o.counts) != 1 || o.counts[0] <= last {
						t.Fatalf("%s: %+v, %v; the last number was %d", when, o, err, last)
					}
					last = o.counts[0]
				}
				write("first")
				write("second")
				_, _ = w.one(server, standIn, "px")
				write("opened anew")
				id := store.ID{Kind: kindName, Partition: 0}
				if !fallback {
					engine := w.nodes[server].engine
					w.restart(server, func() {
						if err := engine.Drop(id); err != nil {
							t.Fatal(err)
						}
					})
				} else {
					w.restart(server, func() {})
				}
				w.agree()
				write("after a restart")
				w.find()
			})
		})
	}
}

// TestRun_doubledWhileMoving: riak_kv #1046, a command that the network doubles
// while its partition moves is done once: the second one is not sent on to the
// new owner, and not refused either, for its sender would begin anew.
func TestRun_doubledWhileMoving(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			inBubble(t, seed, func(t *testing.T, w *world) {
				w.board.SetFaults(actors.Fault{Duplicate: 0.5, Reorder: 0.5, Delay: time.Millisecond, Jitter: 20 * time.Millisecond})
				stop := w.coordinate("a")
				defer stop()
				ctx, cancel := context.WithCancel(context.Background())
				var all sync.WaitGroup
				var written atomic.Int64
				for i := range 40 {
					all.Go(func() {
						for n := 0; ctx.Err() == nil; n++ {
							key, head := fmt.Sprintf("key%d-%d", i, n), ring.Partition((i+n)%ringSize)
							w.mustTell([]ring.NodeID{"a", "b", "c"}[i%3], head, "w"+key, 3)
							written.Add(1)
							o := w.mustTell([]ring.NodeID{"a", "b", "c"}[i%3], head, "f"+key, 3)
							for _, count := range o.counts {
								if count != 1 {
									t.Errorf("seed %d: %s was counted %d times", seed, key, count)
								}
							}
						}
					})
				}
				for round := range 6 {
					w.rotate(round)
				}
				cancel()
				all.Wait()
				if written.Load() < 100 {
					t.Errorf("seed %d: %d writes only", seed, written.Load())
				}
			})
		})
	}
}

package consul_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/consul/consultest"
)

// testSpeed prints what one server on this machine gives; it holds nothing to a time. It checks that no
// update is missing in the end.
func testSpeed(t *testing.T, srv *consultest.Server) {
	const callers, each = 64, 20
	folder := prefix()
	a, b := open(t, options(srv.Addr, folder, "n1")), open(t, options(srv.Addr, folder, "n2"))
	accept(t, a, "founder", create("n1"), join("n2"))

	seen := b.Watch(limited(t))
	var worst, sum time.Duration
	for i := range each {
		out := accept(t, a, fmt.Sprintf("latency-%d", i), change())
		begun := time.Now()
		for u := range seen {
			if u.State.Version() >= out[0].Version {
				break
			}
		}
		took := time.Since(begun)
		worst, sum = max(worst, took), sum+took
	}
	t.Logf("a follower sees a change after its proposer had the answer: mean %v, worst %v", sum/each, worst)

	before := read(t, b).Version()
	var changed atomic.Uint64
	begun := time.Now()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			p := cluster.NewProposer(a, fmt.Sprintf("caller-%d", i))
			for range each {
				out, err := p.Propose(limited(t), 0, change())
				if err != nil {
					t.Error(err)
					return
				}
				if out[0].Changed() {
					changed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d callers at one node: %.0f commands/s", callers, callers*each/time.Since(begun).Seconds())
	if made := read(t, b).Version() - before; made != changed.Load() || made == 0 {
		t.Errorf("%d versions, %d answers that something changed", made, changed.Load())
	}
}

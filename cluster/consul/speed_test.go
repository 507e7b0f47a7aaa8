package consul_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/consul/consultest"
	"github.com/dee2748c/baton/cluster/topology"
)

// testSpeed prints what one server on this machine gives; it holds nothing to a time. It checks that no
// update is missing in the end.
func testSpeed(t *testing.T, srv *consultest.Server) {
	const callers, each = 64, 20
	folder := prefix()
	a, b := open(t, options(srv.Addr, folder, "n1")), open(t, options(srv.Addr, folder, "n2"))
	accept(t, a, "founder", create("n1"), join("n2"))
	begin := topology.BeginTerm{Node: "n1"}

	seen := b.Watch(limited(t))
	var worst, sum time.Duration
	for i := range each {
		out := accept(t, a, fmt.Sprintf("latency-%d", i), begin)
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

	begun := time.Now()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			p := cluster.NewProposer(a, fmt.Sprintf("caller-%d", i))
			for range each {
				if _, err := p.Propose(limited(t), 0, begin); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d callers at one node: %.0f commands/s", callers, callers*each/time.Since(begun).Seconds())
	if term, _ := read(t, b).Term(); term != callers*each+each {
		t.Errorf("term %d, want %d", term, callers*each+each)
	}
}

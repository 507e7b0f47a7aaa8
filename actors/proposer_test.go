package actors

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

// agreeing is a record that takes everything.
type agreeing struct{ cluster.Store }

func (agreeing) Propose(_ context.Context, cmds ...topology.Command) ([]topology.Outcome, error) {
	return make([]topology.Outcome, len(cmds)), nil
}

// TestProposer_wakes: each report is proposed, whenever it comes: while the proposer sleeps and while it proposes others.
// A wake that is lost leaves this test hanging.
func TestProposer_wakes(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	p := newProposer(ctx, agreeing{}, Peer{Node: "a", Incarnation: 1}, slog.New(slog.DiscardHandler))
	var ended sync.WaitGroup
	ended.Go(p.run)
	// One reporter: the wake of another one would make up for one that is lost.
	done := make(chan struct{}, 1)
	for range 5000 {
		p.add(topology.MarkExited{Node: "a"}, func(error) { done <- struct{}{} })
		<-done
	}
	end()
	ended.Wait()
}

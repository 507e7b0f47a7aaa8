package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/memory"
	"github.com/dee2748c/baton/cluster/topology"
)

func TestProposer_Propose(t *testing.T) {
	record := founded(t, 8, "a", "b")
	begin := topology.BeginTerm{Node: "a"}
	for _, c := range []struct {
		name  string
		fault func(*memory.Store)
		want  error
		term  uint64 // in the record afterwards
	}{
		{"answered", func(*memory.Store) {}, nil, 1},
		{"answers are lost", func(s *memory.Store) { s.LoseAnswers(3) }, nil, 1},
		{"proposals are lost", func(s *memory.Store) { s.LoseProposals(3) }, nil, 1},
		{"unavailable", func(s *memory.Store) { s.Cut() }, cluster.ErrUnavailable, 0},
		{"closed", func(s *memory.Store) { s.Close() }, cluster.ErrClosed, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := memory.From(record)
				store := log.Store("a")
				c.fault(store)
				out, err := cluster.NewProposer(store, "life").Propose(t.Context(), 0, begin)
				if !errors.Is(err, c.want) || err == nil && out[0].Term != c.term {
					t.Errorf("%v, %v, want %v", out, err, c.want)
				}
				if term, _ := log.State().Term(); term != c.term {
					t.Errorf("term %d, want %d", term, c.term)
				}
			})
		})
	}
}

// When the context ends while a proposal is in doubt, the error says so.
func TestProposer_Propose_stillInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New().Store("a")
		store.LoseProposals(1 << 30)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := cluster.NewProposer(store, "life").Propose(ctx, 0, topology.BeginTerm{Node: "a"})
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, cluster.ErrUnknown) {
			t.Errorf("%v, want %v", err, cluster.ErrUnknown)
		}
	})
}

// A proposer that the record has forgotten goes on under another name.
func TestProposer_Propose_forgotten(t *testing.T) {
	store := memory.From(founded(t, 8, "a")).Store("a")
	p := cluster.NewProposer(store, "life")
	store.Cut()
	for range topology.Window + 1 {
		if _, err := p.Propose(t.Context(), 0, topology.BeginTerm{Node: "a"}); !errors.Is(err, cluster.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	store.Heal()
	for want := uint64(1); want <= 3; want++ {
		out, err := p.Propose(t.Context(), 0, topology.BeginTerm{Node: "a"})
		if err != nil || out[0].Term != want {
			t.Errorf("%v, %v, want term %d", out, err, want)
		}
	}
}

package actors

import (
	"io"
	"log/slog"
	"testing"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff/history"
	"github.com/dee2748c/baton/vnode"
)

// TestWakes_kept: who is woken for a change finds the wake though it was busy when that came, between its last look and
// its wait; several changes are one wake, and nobody who changes something waits for it.
func TestWakes_kept(t *testing.T) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	p := newProposer(t.Context(), nil, Peer{Node: "a", Incarnation: 1}, log)
	c := newChronicler(t.Context(), nil, log)
	s := newSyncer(t.Context())
	for range 2 {
		p.add(topology.MarkExited{Node: "a"}, nil)
		c.add(history.Entry{}, nil)
		s.after(&tellsSync{}, &server{kind: new(kindEntry)}, new(letter), vnode.NoReply{})
	}
	for name, wake := range map[string]chan struct{}{"proposer": p.wake, "chronicler": c.wake, "syncer": s.wake} {
		if len(wake) != 1 {
			t.Errorf("%s: %d wakes are kept for two changes, want 1", name, len(wake))
		}
	}
}

package actors

import (
	"context"
	"sync"
	"testing"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// tellsSync is a partition that tells of its syncs.
type tellsSync struct {
	store.Partition
	done chan struct{}
}

func (p *tellsSync) Sync() error { p.done <- struct{}{}; return nil }

// TestSyncer_wakes (T-E11): each write that waits is synced, whenever it comes: while
// the syncer sleeps, while it syncs others, and while it is told to end. A wake
// that is lost leaves this test hanging.
func TestSyncer_wakes(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	s := newSyncer(ctx)
	var ended sync.WaitGroup
	ended.Go(s.run)
	var writers sync.WaitGroup
	for range 16 {
		writers.Go(func() {
			p := &tellsSync{done: make(chan struct{}, 1)}
			for range 500 {
				s.after(p, &server{kind: new(kindEntry)}, new(letter), vnode.NoReply{})
				<-p.done
			}
		})
	}
	writers.Wait()
	last := &tellsSync{done: make(chan struct{}, 1)}
	s.mu.Lock()
	s.waiting = append(s.waiting, synced{last, &server{kind: new(kindEntry)}, nil, nil, vnode.NoReply{}})
	s.mu.Unlock()
	end()
	ended.Wait()
	if len(last.done) != 1 {
		t.Error("what waited at the end was not synced")
	}
}

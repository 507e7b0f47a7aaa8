package actors

import (
	"context"
	"sync"

	"github.com/dee2748c/baton/store"
)

// syncer makes writes durable for many vnodes at a time: replies that wait for
// durability are held until one sync after their write has returned.
type syncer struct {
	ctx context.Context

	mu      sync.Mutex
	waiting []synced
	wake    chan struct{}
}

type synced struct {
	part store.Partition
	then func(error)
}

func newSyncer(ctx context.Context) *syncer {
	return &syncer{ctx: ctx, wake: make(chan struct{}, 1)}
}

// after calls then once everything written to part before the call is durable.
func (s *syncer) after(part store.Partition, then func(error)) {
	s.mu.Lock()
	s.waiting = append(s.waiting, synced{part, then})
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *syncer) run() {
	for {
		select {
		case <-s.wake:
			s.round()
		case <-s.ctx.Done():
			s.round()
			return
		}
	}
}

// round syncs once for each partition that has waiters. The engines share the
// work of concurrent syncs, so one log write covers all of them.
func (s *syncer) round() {
	s.mu.Lock()
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	results := make(map[store.Partition]error, 1)
	for _, w := range waiting {
		err, ok := results[w.part]
		if !ok {
			err = w.part.Sync()
			results[w.part] = err
		}
		w.then(err)
	}
}

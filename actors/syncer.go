package actors

import (
	"context"
	"errors"
	"sync"

	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// syncer makes writes durable for many vnodes at a time: replies that wait for
// durability are held until one sync after their write has returned.
type syncer struct {
	ctx context.Context

	mu      sync.Mutex
	waiting []synced
	wake    chan struct{}

	turn chan struct{} // holds one while a round runs
}

// synced is a command that waits for a sync.
type synced struct {
	part   store.Partition
	server *server
	frame  *letter
	gate   *gate // of the frame, which goes on waiting; nil if it doesn't
	done   vnode.Disposition
}

func newSyncer(ctx context.Context) *syncer {
	return &syncer{ctx: ctx, wake: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
}

// after calls server.synced once everything written to part before the call is
// durable, or can't be.
func (s *syncer) after(part store.Partition, server *server, f *letter, d vnode.Disposition) {
	f.keep()
	s.mu.Lock()
	s.waiting = append(s.waiting, synced{part, server, f, f.gate, d})
	f.gate = nil
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

// settle returns when all that waited has been answered. It comes before a drop:
// what was written to a partition that has moved is durable, here and at its new
// owner, but a dropped generation can't say so any more.
func (s *syncer) settle() { s.round() }

// round answers all that waits, after one sync for each engine whose partitions
// share a log, and for each partition of others. One sync for each partition of a
// shared log would make those who are answered first wait for nothing, and cost
// the others a sync for what these write next.
func (s *syncer) round() {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.mu.Lock()
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	results := make(map[any]error, 1)
	for _, w := range waiting {
		log := any(w.part)
		if e, ok := w.server.kind.engine.(store.SharedLog); ok {
			log = e
		}
		err, ok := results[log]
		if !ok {
			if err = w.part.Sync(); !errors.Is(err, store.ErrDropped) {
				results[log] = err
			}
		}
		if w.gate != nil {
			w.gate.left.Add(1)
		}
		w.server.synced(w.frame, w.done, err)
	}
}

package actors

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// foldKey names one attempt at feeding a pipe from a partition.
type foldKey struct {
	pipe    pipe.ID
	id      store.ID
	attempt uint32
}

// foldSource reads one partition's snapshot into a pipe.
type foldSource struct {
	key      foldKey
	host     *Host
	id       uint64
	request  *messages.FoldOpen
	spec     *pipe.Spec
	snapshot store.Snapshot
	folder   vnode.Folder
	p        ring.Partition

	lease *time.Timer // closes it when its coordinator is silent
	begin sync.Once
	begun atomic.Bool
	once  sync.Once
	ctx   context.Context
	stop  context.CancelCauseFunc
	done  atomic.Pointer[messages.FoldDone]
}

func (a *vnodeActor) foldKey(id []byte, attempt uint32) foldKey {
	return foldKey{pipeID(id), a.id, attempt}
}

func (a *vnodeActor) newFoldSource(m *messages.FoldOpen) (*foldSource, error) {
	folder, ok := a.kind.kind.(vnode.Folder)
	if !ok {
		return nil, fmt.Errorf("vnode kind %q can't feed a pipe: %w", a.id.Kind, messages.ErrInvalid)
	}
	spec, err := pipe.DecodeSpec(m.Spec)
	if err != nil {
		return nil, err
	}
	key := a.foldKey(m.Pipe, m.Attempt)
	a.host.foldsMu.Lock()
	defer a.host.foldsMu.Unlock()
	if s, ok := a.host.folds[key]; ok {
		return s, nil // asked again: its answer was late or lost
	}
	s := &foldSource{key: key, host: a.host, request: m, spec: spec, snapshot: a.part.Snapshot(), folder: folder, p: a.id.Partition}
	s.ctx, s.stop = context.WithCancelCause(a.host.ctx)
	s.lease = time.AfterFunc(s.leaseTime(), func() { s.close(fmt.Errorf("coordinator of pipe %v is silent: %w", spec.ID, pipe.ErrCancelled)) })
	a.host.busy.add()
	s.id = a.host.ends.add(s)
	a.host.folds[key] = s
	return s, nil
}

func (s *foldSource) address() pipe.Address {
	return pipe.Address{Node: s.host.opts.Self.Node, Incarnation: s.host.opts.Self.Incarnation, Endpoint: s.id}
}

// take hears from the pipe's coordinator.
func (s *foldSource) take(l *letter) {
	if s.ctx.Err() == nil {
		s.lease.Reset(s.leaseTime())
	}
	switch l.Type {
	case messages.TypeFoldStart:
		s.begin.Do(func() {
			s.begun.Store(true)
			s.host.own(s.run)
		})
		if done := s.done.Load(); done != nil {
			s.report(done)
		}
	case messages.TypeFoldClose:
		s.close(errFoldClosed)
	}
}

// leaseTime is how long a source lives without a word from its coordinator,
// which tells it to start, again and again, until it is closed.
func (s *foldSource) leaseTime() time.Duration { return pipe.DefaultLease * s.host.opts.RetryAfter }

func (s *foldSource) close(reason error) {
	s.lease.Stop()
	s.stop(reason)
	s.begin.Do(s.release) // never begun
}

func (s *foldSource) release() {
	s.once.Do(func() {
		s.host.foldsMu.Lock()
		delete(s.host.folds, s.key)
		s.host.foldsMu.Unlock()
		s.host.ends.remove(s.id)
		s.host.busy.done()
		if err := s.snapshot.Close(); err != nil {
			s.host.log.Warn("snapshot not closed", "err", err)
		}
	})
}

// run sends the partition and then waits to be closed, so that its report can
// be asked for again.
func (s *foldSource) run() {
	defer s.release()
	done := &messages.FoldDone{Pipe: s.request.Pipe, Partition: s.request.Partition, Attempt: s.request.Attempt}
	items, err := s.send()
	if err != nil {
		done.Error = messages.ErrorOf(err)
	}
	done.Items = items
	s.done.Store(done)
	s.report(done)
	<-s.ctx.Done()
}

func (s *foldSource) report(done *messages.FoldDone) {
	s.host.toEndpoint(s.spec.Coordinator, s.p, done)
}

func (s *foldSource) send() (items uint64, err error) {
	fold, err := s.folder.Fold(s.p, s.snapshot, s.request.Query)
	if err != nil {
		return 0, err
	}
	sender, err := s.host.newSender(s.spec, pipe.Stream{Fitting: pipe.Input, From: uint64(s.p), Attempt: s.request.Attempt})
	if err != nil {
		fold.Close()
		return 0, err
	}
	var buf []byte
	for fold.Next() {
		buf = fold.AppendItem(buf[:0])
		if err := sender.SendTo(s.ctx, s.p, buf); err != nil {
			sender.abandon(err)
			fold.Close()
			return items, err
		}
		items++
	}
	if err := fold.Close(); err != nil {
		sender.abandon(err)
		return items, err
	}
	_, err = sender.Close(s.ctx)
	return items, err
}

func (s *foldSource) link(LinkEvent) {}

// viewed gives the source up when the pipe's coordinator is gone for good.
func (s *foldSource) viewed(v *View) {
	if peer, ok := v.Peer(s.spec.Coordinator.Node); !ok || peer.Incarnation != s.spec.Coordinator.Incarnation {
		s.close(fmt.Errorf("coordinator of pipe %v is gone: %w", s.spec.ID, pipe.ErrCancelled))
	}
}

func (s *foldSource) stopped(err error) { s.close(err) }

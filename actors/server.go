package actors

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// server runs a module over its store: one command at a time, each one atomic
// batch that is durable before the answer leaves. It belongs to an actor.
type server struct {
	host *Host
	kind *kindEntry
	id   store.ID
	log  *slog.Logger

	part    store.Partition
	module  vnode.Vnode
	cx      *vnode.Context
	version uint64
	view    *View // that the context has its Copy of

	frame  *letter // being served
	recent vnode.Recent

	wrote  func(*store.Batch) // hears what was written; optional
	failed func(error)        // the module panicked, or its state is not what it wrote: open it anew
}

// begin opens the module of a partition over a generation of its store.
func (s *server) begin(p vnode.Partition, part store.Partition, runtime any) {
	s.part = part
	s.version = max(s.version, vnode.FirstVersion(p.Epoch, p.Incarnation))
	s.cx, s.view = vnode.NewContext(p, part, &s.version, runtime), nil
	var err error
	if s.module, err = s.kind.kind.Open(p); err != nil {
		s.log.Error("vnode not opened", "err", err)
		s.module = brokenVnode{fmt.Errorf("open vnode %v: %w", s.id, err)}
	}
}

// end tells the module that it stops.
func (s *server) end(reason error) {
	if t, ok := s.module.(vnode.Terminator); ok {
		t.Terminate(reason)
	}
	s.module, s.cx = nil, nil
}

// brokenVnode answers for a partition whose module could not be opened.
type brokenVnode struct{ err error }

func (b brokenVnode) HandleCommand(*vnode.Context, vnode.Command) vnode.Disposition {
	return vnode.Fail{Err: b.err}
}

// context returns the context for the next handler, with what the newest record
// says about the copy.
func (s *server) context() *vnode.Context {
	s.cx.Reset()
	if v := s.host.View(); v != s.view {
		s.view = v
		p := s.cx.Partition()
		s.cx.SetCopy(copyOf(v, &p))
	}
	return s.cx
}

// copyOf returns what the record says about a vnode's copy. That of a fallback
// lacks what was written before it began.
func copyOf(v *View, p *vnode.Partition) vnode.Copy {
	kind := p.Kind
	part := v.Part(kind, p.ID)
	return vnode.Copy{
		Grace: v.Grace(), Incomplete: p.Fallback || part.Incomplete, Lost: part.Lost, Hinted: part.Hinted,
		Hints: func(p ring.Partition) bool { return len(v.Hints(kind, p)) > 0 },
	}
}

// guard runs a handler; a panic of the module closes it, and it is opened anew
// from the store, which a handler that did not return has not changed.
func (s *server) guard(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("vnode %v: panic: %v: %w", s.id, r, vnode.ErrStopped)
			s.failed(err)
		}
	}()
	f()
	return nil
}

// twice reports whether a request came before. That one was served, sent on or
// refused: whatever became of it, another owner or a later time would make a
// second command of this one.
func (s *server) twice(f *letter) bool {
	if f.Type != messages.TypeRequest || f.once {
		return false
	}
	f.once = true
	return !s.recent.Add(f.id())
}

// handle runs the module's handler; done is false for a request that came twice:
// the first one is answered.
func (s *server) handle(f *letter, moving bool) (d vnode.Disposition, isNew bool) {
	if s.twice(f) {
		return nil, false
	}
	s.frame = f
	err := s.guard(func() { d = s.dispatch(s.context(), vnode.Command{Body: f.payload, Own: f.own}, moving) })
	s.frame = nil
	if err != nil {
		d = vnode.Fail{Err: err}
	}
	if s.cx != nil {
		s.host.undecoded(s.id, s.cx.TakeDamaged())
	}
	return d, true
}

func (s *server) dispatch(cx *vnode.Context, cmd vnode.Command, moving bool) vnode.Disposition {
	if m, ok := s.module.(vnode.HandoffCommander); ok && moving {
		return m.HandleHandoffCommand(cx, cmd)
	}
	return s.module.HandleCommand(cx, cmd)
}

// finish commits what the handler wrote, and answers.
func (s *server) finish(f *letter, d vnode.Disposition) {
	switch d := d.(type) {
	case vnode.Reply, vnode.NoReply, vnode.Async:
		s.commit(f, d)
	case vnode.Fail:
		s.fail(f, d.Err)
		s.unwritten()
	case vnode.Forward:
		s.fail(f, vnode.ErrUnexpectedForward)
		s.unwritten()
	case vnode.Drop:
		s.unwritten()
	case vnode.Stop:
		err := fmt.Errorf("vnode %v: %w: %w", s.id, vnode.ErrStopped, d.Reason)
		s.fail(f, err)
		s.failed(err)
	}
}

// commit writes the handler's batch and answers when it is durable. A volatile
// request is answered before, and synced all the same.
func (s *server) commit(f *letter, d vnode.Disposition) {
	if s.cx == nil {
		s.answer(f, d)
		return
	}
	wrote, err := s.writeChanges()
	switch {
	case err != nil:
		s.fail(f, err)
		s.unwritten()
	case !wrote || s.kind.volatile || s.kind.unsynced:
		s.answer(f, d)
	case f.Type == messages.TypeRequest && f.Flags&requestVolatile != 0:
		s.answer(f, d)
		s.host.syncer.after(s.part, s, f, vnode.NoReply{})
	default:
		s.host.syncer.after(s.part, s, f, d)
	}
}

// answer carries out what was decided about a command whose writes are durable
// enough. It may run outside of the actor.
func (s *server) answer(f *letter, d vnode.Disposition) {
	switch d := d.(type) {
	case vnode.Reply:
		s.host.respond(f, d.Body)
	case vnode.Async:
		s.async(f, d)
	}
}

// synced is answer after the sync that a command waited for.
func (s *server) synced(f *letter, d vnode.Disposition, err error) {
	if err == nil {
		s.answer(f, d)
		return
	}
	if _, told := d.(vnode.NoReply); told {
		s.log.Error("a write was answered and is not durable", "err", err)
		return
	}
	s.fail(f, err)
}

// async runs the command's work outside of the actor.
func (s *server) async(f *letter, d vnode.Async) {
	f.keep()
	s.host.own(func() {
		body, err := d.Work(s.host.ctx)
		if err != nil {
			s.fail(f, err)
			return
		}
		s.host.respond(f, body)
	})
}

func (s *server) fail(f *letter, err error) {
	e := messages.ErrorOf(err)
	if e.Operand == "" {
		e = &messages.Error{Code: e.Code, Op: f.Type.String(), Operand: s.id.String(), Message: e.Message}
	}
	s.host.respondError(f, e)
}

// inform gives a message to the module, and commits what it writes.
func (s *server) inform(msg any) {
	if h, ok := s.module.(vnode.InfoHandler); ok && s.cx != nil {
		_ = s.guard(func() { h.HandleInfo(s.context(), msg) })
		s.commitChanges()
	}
}

// unwritten tells the module that the last handler's batch is not in the store.
func (s *server) unwritten() {
	if h, ok := s.module.(vnode.InfoHandler); ok && s.cx != nil {
		_ = s.guard(func() { h.HandleInfo(s.context(), vnode.NotWritten{}) })
	}
}

// commitChanges writes what a handler without a sender wrote.
func (s *server) commitChanges() {
	if s.cx == nil {
		return
	}
	if _, err := s.writeChanges(); err != nil {
		s.failed(err)
	}
}

// noSpace says of an error of the store whether it has no room.
func noSpace(err error) error {
	if errors.Is(err, store.ErrDiskFull) {
		return fmt.Errorf("%w: %w", messages.ErrNoSpace, err)
	}
	return err
}

// writeChanges writes the handler's batch. An error that is ErrRefused or
// ErrNoSpace says that nothing was written.
func (s *server) writeChanges() (wrote bool, err error) {
	if err := s.cx.Err(); err != nil {
		return false, fmt.Errorf("%w: %w", messages.ErrRefused, err)
	}
	batch := s.cx.Batch()
	if batch.Len() == 0 {
		return false, nil
	}
	if err := s.part.Write(batch); err != nil {
		return false, noSpace(err)
	}
	if s.wrote != nil {
		s.wrote(batch)
	}
	return true, nil
}

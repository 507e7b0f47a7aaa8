package actors

import (
	"context"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
)

// opening is a fold that waits for Options.BeforeFold.
type opening struct {
	key    foldKey
	letter *letter
	cancel context.CancelFunc
	err    error
}

// openFold pins a snapshot of the partition for a pipe and answers with the
// source that will read it. The snapshot stays here until the source is closed,
// also when the partition moves away meanwhile. Before, Options.BeforeFold may
// fetch what the copy lacks; the partition may move away meanwhile too, and then
// its new owner begins anew.
func (a *vnodeActor) openFold(l *letter) {
	body, err := l.open()
	m, ok := body.(*messages.FoldOpen)
	if err != nil || !ok {
		return
	}
	if !l.prepared && a.host.opts.BeforeFold != nil {
		key := a.foldKey(m.Pipe, m.Attempt)
		a.host.foldsMu.Lock()
		_, open := a.host.folds[key]
		a.host.foldsMu.Unlock()
		if !open {
			a.prepareFold(key, l, m)
			return
		}
	}
	s, err := a.newFoldSource(m)
	a.foldOpened(m, s, err)
}

// foldOpened answers with the source, or why there is none.
func (a *vnodeActor) foldOpened(m *messages.FoldOpen, s *foldSource, err error) {
	reply := &messages.FoldOpened{Pipe: m.Pipe, Partition: m.Partition, Attempt: m.Attempt}
	if err != nil {
		reply.Error = messages.ErrorOf(err)
	} else {
		reply.Source = addressOut(s.address())
		summary := s.snapshot.Summary()
		reply.ItemsEstimate, reply.BytesEstimate = summary.Items, summary.Bytes
		s.viewed(a.host.View()) // it may have gone before the source was there to hear it
	}
	a.host.toEndpoint(addressIn(m.ReplyTo), a.id.Partition, reply)
}

// prepareFold runs Options.BeforeFold, unless it runs for this fold already.
func (a *vnodeActor) prepareFold(key foldKey, l *letter, m *messages.FoldOpen) {
	if a.openings[key] != nil {
		return // asked again: the answer follows
	}
	if a.openings == nil {
		a.openings = make(map[foldKey]*opening)
	}
	h, pid := a.host, a.pid
	ctx, cancel := context.WithCancel(h.ctx)
	o := &opening{key: key, letter: l, cancel: cancel}
	a.openings[key] = o
	h.own(func() {
		defer cancel()
		if o.err = h.follows(ctx, l.RingVersion); o.err == nil {
			o.err = h.opts.BeforeFold(ctx, key.id.Kind, key.id.Partition, m.Query)
		}
		h.system.Root.Send(pid, o)
	})
}

// foldPrepared goes on with a fold, here or wherever the partition is now.
func (a *vnodeActor) foldPrepared(o *opening) {
	if a.openings[o.key] != o {
		return // closed meanwhile
	}
	delete(a.openings, o.key)
	if o.err == nil {
		o.letter.prepared = true
		a.admit(o.letter)
		return
	}
	if body, err := o.letter.open(); err == nil {
		a.foldOpened(body.(*messages.FoldOpen), nil, o.err)
	}
}

// follows waits until this node has applied a version of the record: what the
// sender of a letter knew.
func (h *Host) follows(ctx context.Context, version uint64) error {
	for v := h.View(); v.Version() < version; v = h.View() {
		select {
		case <-v.Changed():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// unwanted closes a source whose pipe had ended when it was opened.
func (h *Host) unwanted(l *letter) {
	if body, err := l.open(); err == nil {
		m := body.(*messages.FoldOpened)
		if m.Source != nil {
			h.toEndpoint(addressIn(m.Source), ring.Partition(m.Partition), &messages.FoldClose{Pipe: m.Pipe, Partition: m.Partition, Attempt: m.Attempt})
		}
	}
}

// closeFold gives up a fold that waits.
func (a *vnodeActor) closeFold(l *letter) {
	body, err := l.open()
	m, ok := body.(*messages.FoldClose)
	if err != nil || !ok {
		return
	}
	key := a.foldKey(m.Pipe, m.Attempt)
	if o := a.openings[key]; o != nil {
		o.cancel()
		delete(a.openings, key)
	}
}

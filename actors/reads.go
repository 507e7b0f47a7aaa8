package actors

import (
	"github.com/dee2748c/baton/replica"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// serving is what a vnode that may acknowledge commands lets others read from
// (F9). It is another object each time that the vnode begins to serve, so that
// whoever finds the same one before and after a read knows that the vnode served
// all the while.
type serving struct {
	partition vnode.Partition
	part      store.Partition
	box       *vnodeMailbox
}

// publish lets others read, once the vnode acknowledges commands and its module
// is open.
func (a *vnodeActor) publish() {
	if a.kind.reader == nil || a.cx == nil || a.kind.serving[a.id.Partition].Load() != nil {
		return
	}
	switch a.life.State().(type) {
	case vnode.Owner, vnode.Folding:
		if _, broken := a.module.(brokenVnode); !broken {
			a.kind.serving[a.id.Partition].Store(&serving{a.cx.Partition(), a.part, a.box})
		}
	}
}

// withdraw ends reads beside the vnode: what was not answered by now will not be.
func (a *vnodeActor) withdraw() {
	if a.kind.reader != nil {
		a.kind.serving[a.id.Partition].Store(nil)
	}
}

// read serves a Send in the caller's goroutine if it only reads and its vnode
// serves on this node, and sets e to the answer. room is the caller's.
func (h *Host) read(k *kindEntry, at *serving, v *View, s *replica.Send, room *vnode.Reads, e *replica.Event) bool {
	p := s.To.Partition
	*room = vnode.NewReads(at.partition, at.part, vnode.Copy{Grace: v.Grace(), Incomplete: v.Part(at.partition.Kind, p).Incomplete})
	reply, tail, ok := k.reader.Read(room, vnode.Command{Body: s.Body})
	if !ok || room.Err() != nil || k.serving[p].Load() != at {
		return false
	}
	*e = replica.Event{Type: replica.Answer, Send: s.ID, Body: reply, Tail: tail}
	return true
}

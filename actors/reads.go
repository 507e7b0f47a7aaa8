package actors

import (
	"github.com/dee2748c/baton/cluster/ring"
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
			a.kind.serving[a.id.Partition].Store(&serving{a.cx.Partition(), a.part})
		}
	}
}

// withdraw ends reads beside the vnode: what was not answered by now will not be.
func (a *vnodeActor) withdraw() {
	if a.kind.reader != nil {
		a.kind.serving[a.id.Partition].Store(nil)
	}
}

// read serves a command in the caller's goroutine if it only reads and the
// partition's vnode serves on this node to who asks by that ring version. room is
// the caller's.
func (h *Host) read(v *View, ringVersion uint64, kind string, p ring.Partition, body []byte, room *vnode.Reads) ([]byte, bool) {
	e, ok := h.kinds[kind]
	if !ok || ringVersion < v.Fence() || e.reader == nil || int(p) >= len(e.serving) {
		return nil, false
	}
	s := e.serving[p].Load()
	if s == nil {
		return nil, false
	}
	*room = vnode.NewReads(s.partition, s.part, vnode.Copy{Grace: v.Grace(), Incomplete: v.Part(kind, p).Incomplete})
	reply, ok := e.reader.Read(room, vnode.Command{Body: body})
	if !ok || room.Err() != nil || e.serving[p].Load() != s {
		return nil, false
	}
	return reply, true
}

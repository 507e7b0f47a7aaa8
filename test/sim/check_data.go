package sim

import (
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// opened is told when a vnode begins to serve.
func (k *checker) opened(x *partition) {
	if x.spec.Volatile || x.spec.Name == kv.KindName || k.forced {
		return
	}
	for i := range k.c.items(x.at.p) {
		if _, err := x.part.Get(fixedKey(x.at.kind, x.at.p, i)); err != nil {
			k.c.W.Failf("S6 %s serves %v without an item that was there from the beginning on: %v", x.n.ID, x.id, err)
		}
	}
}

// acknowledged is told of each answer that says that something was done.
func (k *checker) acknowledged(x *partition, epoch uint64, r *request) {
	if k.forced {
		return
	}
	owner, now := k.newest.Owner(x.spec.Name, x.id.Partition)
	switch {
	case owner != x.n.ID || epoch != now:
		k.c.W.Failf("S9 %s acknowledges for %v at epoch %d, which is %s's at epoch %d", x.n.ID, x.id, epoch, owner, now)
	case epoch < k.acked[x.at]:
		k.c.W.Failf("S9 %s acknowledges for %v at epoch %d after one at epoch %d", x.n.ID, x.id, epoch, k.acked[x.at])
	}
	k.acked[x.at] = epoch
}

// admitted is told how a request is served that does not wait.
func (k *checker) admitted(x *partition, r *request, verdict vnode.Verdict) {
	if fence := max(x.record.RingVersion, x.n.shown.Fence()); r.RingVersion < fence && verdict != vnode.StaleRing {
		k.c.W.Failf("F16 %s admits a request for %v of version %d below its fence %d", x.n.ID, x.id, r.RingVersion, fence)
	}
	switch verdict {
	case vnode.ForwardNow, vnode.WrongOwner, vnode.StaleRing:
	default:
		return
	}
	switch {
	case r.RingVersion > x.life.Version():
		k.c.W.Failf("F5 %s turns away a request for %v of version %d and knows version %d", x.n.ID, x.id, r.RingVersion, x.life.Version())
	case r.forwards > 0 && verdict != vnode.StaleRing:
		k.c.W.Failf("F14 %s sends a forwarded request for %v on once more", x.n.ID, x.id)
	}
}

// froze is told when no item of a source changes any more.
func (k *checker) froze(x *partition) { k.frozen[x.handoff.Session] = recount(x.part) }

// recount counts what a generation holds, item by item, whether the process can read it or not.
func recount(part store.Partition) (sum store.Summary) {
	if g, ok := part.(*generation); ok {
		part = g.Partition
	}
	snapshot := part.Snapshot()
	defer snapshot.Close()
	it := snapshot.Scan(nil, nil)
	defer it.Close()
	for it.Next() {
		item := it.Item()
		sum.Add(item.Hash(), len(item.Key)+len(item.Value))
	}
	return sum
}

// staged is told of each empty staging generation.
func (k *checker) staged(x *partition, session uint64) { k.alive(x.n, session, "stages") }

// alive holds an effect of a session to its end on that process.
func (k *checker) alive(n *Node, session uint64, what string) {
	if k.dead[end{n, n.life, session}] {
		k.c.W.Failf("S10 %s %s under session %d, which is over there", n.ID, what, session)
	}
}

// carried is told whose data a stream takes as a batch.
func (k *checker) carried(t *targetStream, seq, session uint64) {
	if t.carries == nil {
		t.carries = map[uint64]uint64{}
	}
	t.carries[seq] = session
}

// applies is told before a batch is written.
func (k *checker) applies(t *targetStream, seq uint64) {
	if r, err := t.vault().Record(t.id); err != nil || t.session < r.MaxSession {
		k.c.W.Failf("F4 %s writes data of session %d, and its fence is at %d: %v", t.n.ID, t.session, r.MaxSession, err)
	}
	if from := t.carries[seq]; from != t.session {
		k.c.W.Failf("S11 %s writes data of session %d to the copy of session %d", t.n.ID, from, t.session)
	}
	if seq != t.wrote+1 {
		k.c.W.Failf("F7 %s writes batch %d of session %d after batch %d", t.n.ID, seq, t.session, t.wrote)
	}
	t.wrote = seq
	k.alive(t.n, t.session, "writes")
}

// promoted is told when a copy becomes the active generation.
func (k *checker) promoted(x *partition, session uint64) {
	k.dead[end{x.n, x.n.life, session}] = true
	part, err := x.vault.Open(x.id)
	if err != nil {
		k.c.W.Failf("%s: open %v: %v", x.n.ID, x.id, err)
		return
	}
	want, known := k.frozen[session]
	if got := recount(part); known && got != want {
		k.c.W.Failf("S12 %s promotes a copy of %v with %v, the source froze %v", x.n.ID, x.id, got.Seal(0), want.Seal(0))
	}
}

// ended is told when a session has been closed and drained on a process.
func (k *checker) ended(n *Node, session uint64) { k.dead[end{n, n.life, session}] = true }

// deletes is told before the data of a partition is deleted.
func (k *checker) deletes(x *partition, session uint64) {
	part := k.newest.Part(x.spec.Name, x.id.Partition)
	t := part.Transfer
	switch {
	case k.forced:
	case part.Owner == x.n.ID:
		k.c.W.Failf("S13 %s deletes its data of %v, which it owns", x.n.ID, x.id)
	case t != nil && t.Session == session && t.Source == x.n.ID && t.Stage != topology.StageClean:
		k.c.W.Failf("S13 %s deletes its data of %v while session %d is in %v", x.n.ID, x.id, session, t.Stage)
	}
}

package actors

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// A request that carries a session changes a copy under a merge or a repair of
// the record. It is served only inside a guard of the session, so that none has an
// effect once the session was closed here, however long it was on its way.

// requestUnder sends a command under a session to the vnode that owns the
// partition, as Request does.
func (h *Host) requestUnder(ctx context.Context, session uint64, kind topology.Kind, p ring.Partition, body []byte) ([]byte, error) {
	return h.insist(ctx, messages.Header{Type: messages.TypeRequest, Kind: kind, Partition: uint32(p), Session: session}, body)
}

// admitUnder serves a request of a session (F3 to F6).
func (a *vnodeActor) admitUnder(f *letter) {
	switch a.life.AdmitUnder(f.Session, ring.NodeID(f.From), f.FromIncarnation, f.RingVersion, a.record.MaxSession) {
	case vnode.Serve:
		a.serveUnder(f)
	case vnode.Park:
		f.keep()
		a.parked = append(a.parked, f)
	case vnode.StaleRing:
		a.refuseRing(f)
	case vnode.StaleSession:
		a.refuseSession(f)
	default:
		a.refuseOwner(f, messages.CodeFrozen)
	}
}

// serveUnder holds a guard until what the command writes is in the store.
func (a *vnodeActor) serveUnder(f *letter) {
	g, err := a.host.sessions.Enter(f.Session, fmt.Sprintf("command of %s for %v", f.From, a.id))
	if err != nil {
		a.refuseSession(f)
		return
	}
	defer g.Leave()
	if a.record.MaxSession < f.Session && !a.keep(func() { a.record.MaxSession = f.Session }) { // F4
		a.host.refuse(f, messages.CodeInternal, "the session is not stored")
		return
	}
	d, isNew := a.handle(f, false)
	if !isNew {
		return
	}
	if r, ok := d.(vnode.Reply); ok && a.life.Under() == topology.Merge {
		if a.taken.session != f.Session {
			a.taken = pages{session: f.Session}
		}
		a.taken.add(f.payload)
		r.Body = append(a.taken.append(nil), r.Body...)
		d = r
	}
	a.finish(f, d)
}

func (a *vnodeActor) refuseSession(f *letter) {
	a.late().fenced.Add(1)
	a.host.respondError(f, &messages.Error{
		Code: uint32(messages.CodeStaleSession), Op: f.Type.String(), Operand: a.id.String(),
		RingVersion: a.life.Version(), Session: a.record.MaxSession,
	})
}

// pages counts the pages of a merge: what one side sent, or the other one took.
// Both must come to the same.
type pages struct {
	session       uint64
	number, bytes uint64
	digest        topology.Digest
}

func (p *pages) add(page []byte) {
	p.number++
	p.bytes += uint64(len(page))
	p.digest = p.digest.Add(store.HashItem(nil, p.session, page))
}

// append is the form in which the owner's count travels in front of its answer to
// a page:
//
//	uvarint number, uvarint bytes, digest (16)
func (p *pages) append(dst []byte) []byte {
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, p.number), p.bytes)
	return append(dst, p.digest[:]...)
}

// cutPages takes the owner's count of a session off its answer.
func cutPages(session uint64, answer []byte) (p pages, rest []byte, err error) {
	p.session = session
	for _, v := range []*uint64{&p.number, &p.bytes} {
		n := 0
		if *v, n = binary.Uvarint(answer); n <= 0 {
			return p, nil, fmt.Errorf("count of pages: %w", messages.ErrDamaged)
		}
		answer = answer[n:]
	}
	if len(answer) < len(p.digest) {
		return p, nil, fmt.Errorf("count of pages: %w", messages.ErrDamaged)
	}
	return p, answer[copy(p.digest[:], answer):], nil
}

// seal is the count for the certificate; items is the sender's.
func (p *pages) seal(items uint64) topology.Seal {
	return topology.Seal{LastSeq: p.number, Items: items, Bytes: p.bytes, Digest: p.digest}
}

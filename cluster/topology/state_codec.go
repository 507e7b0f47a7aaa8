package topology

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
)

// stateFormat is the version of the record's encoding. Members, kinds and proposers stand once;
// elsewhere nodes and kinds are positions in these lists:
//
//	byte format, cluster id, counters, kinds, members, joins, [rings, plan, parts, transfers,
//	grace, fence, metadata, hints], proposers with their outcomes, CRC-32C
//
// The part in brackets is absent from an empty record.
const stateFormat = 4

// AppendBinary appends the record's encoding, a snapshot: equal records have equal encodings. The
// error is always nil for a record that Apply made.
func (s State) AppendBinary(b []byte) ([]byte, error) {
	r := s.rec()
	w := &writer{b: b}
	w.byte(stateFormat)
	w.b = append(w.b, r.clusterID[:]...)
	for _, v := range []uint64{r.version, r.membership, r.session, r.term, r.applied} {
		w.u64(v)
	}
	w.str(string(r.leader))
	w.int(r.targetN)
	w.int(r.nval)
	w.int(r.limit)
	w.u64(r.rate)
	w.u64(uint64(r.noOutbound))
	w.u64(uint64(r.noInbound))
	w.kinds(r.kinds)
	w.members(r.members)
	w.joins(r.joins)
	if !r.clusterID.IsZero() {
		w.ring(r.ring)
		w.plan(r.plan)
		for i := range r.parts {
			w.parts(r, r.parts[i])
		}
		w.transfers(r)
		w.u64(r.grace)
		w.u64(r.fence)
		w.metadata(r)
		w.hints(r)
	}
	w.proposers(r.proposers)
	out, err := w.finish(len(b))
	if err != nil {
		return nil, fmt.Errorf("encode record at version %d: %w", r.version, err)
	}
	return out, nil
}

// MarshalBinary returns the record's encoding; see AppendBinary.
func (s State) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

func (w *writer) members(members []Member) {
	w.int(len(members))
	for _, m := range members {
		w.founder(m)
		w.u64(m.Incarnation)
		w.byte(byte(m.Status))
		w.byte(byte(m.Resume))
		w.byte(byte(m.Departs))
		w.str(string(m.With))
		w.bool(m.Share != nil)
		if m.Share != nil {
			w.int(m.Share.Weight)
			w.str(m.Share.Location)
		}
		w.bool(m.Limit != nil)
		if m.Limit != nil {
			w.int(*m.Limit)
		}
		w.bool(m.Rate != nil)
		if m.Rate != nil {
			w.u64(*m.Rate)
		}
		w.u64(uint64(m.NoOutbound))
		w.u64(uint64(m.NoInbound))
	}
}

func (w *writer) joins(joins []JoinDecision) {
	w.int(len(joins))
	for _, d := range joins {
		w.str(string(d.Node))
		w.u64(d.Nonce)
		w.byte(byte(d.Code))
		w.str(d.Text)
		w.u64(d.Version)
	}
}

func (w *writer) plan(p *Plan) {
	w.bool(p != nil)
	if p == nil {
		return
	}
	w.u64(p.Version)
	w.u64(p.BasedOn)
	w.ring(p.Ring)
	w.int(len(p.Changes))
	for _, c := range p.Changes {
		w.byte(byte(c.Action))
		w.str(string(c.Node))
		w.str(string(c.With))
		w.int(c.Weight)
		w.str(c.Location)
	}
	w.str(p.Infeasible)
	w.str(p.Reason)
}

func (w *writer) member(r *record, node ring.NodeID) {
	i, ok := r.memberIndex(node)
	if !ok {
		w.fail("node %s is no member", node)
	}
	w.int(i)
}

func (w *writer) parts(r *record, v parts) {
	for p := range v.size {
		x := v.at(ring.Partition(p))
		w.member(r, x.owner)
		w.u64(x.epoch)
		w.u64(x.last)
		w.bool(x.failure != nil)
		if x.failure != nil {
			w.u64(x.failure.attempts)
			w.str(string(x.failure.reason))
		}
		w.bool(x.cert != nil)
		if x.cert != nil {
			w.certificate(r, x.cert)
		}
		w.bool(x.given != nil)
		if x.given != nil {
			w.u64(x.given.Version)
			w.member(r, x.given.From)
		}
		w.u64(x.incomplete)
		w.u64(x.lost)
		w.u64(x.hinted)
	}
}

func (w *writer) certificate(r *record, c *Certificate) {
	w.u64(c.Number)
	w.b = append(w.b, c.Previous[:]...)
	w.u64(c.Session)
	w.byte(byte(c.Type))
	w.member(r, c.Source)
	w.member(r, c.Target)
	for _, v := range []uint64{c.EpochBefore, c.EpochAfter, c.LastSeq, c.Items, c.Bytes, c.FreezeMicros, c.SourceFenced, c.TargetFenced} {
		w.u64(v)
	}
	w.b = append(append(w.b, c.SourceDigest[:]...), c.TargetDigest[:]...)
}

func (w *writer) transfers(r *record) {
	w.int(len(r.transfers))
	for _, t := range r.transfers {
		w.u64(t.Session)
		w.byte(byte(t.Type))
		w.int(r.kindIndex(t.Kind))
		w.u64(uint64(t.Partition))
		w.member(r, t.Source)
		w.member(r, t.Target)
		w.u64(t.SourceIncarnation)
		w.u64(t.TargetIncarnation)
		w.byte(byte(t.Stage))
		w.u64(t.Epoch)
		w.bool(t.SourceReady)
		w.bool(t.TargetReady)
		w.seal(t.Frozen)
		w.seal(t.Sealed)
		w.bool(t.Activated)
		w.bool(t.SourceDrained)
		w.bool(t.SourceLost)
		w.bool(t.Waits)
		w.u64(t.FreezeMicros)
		w.u64(t.SourceFenced)
		w.u64(t.TargetFenced)
		w.str(string(t.Reason))
	}
}

func (w *writer) proposers(list []*proposer) {
	w.int(len(list))
	for _, p := range list {
		w.str(p.name)
		w.u64(p.used)
		w.u64(p.floor)
		w.int(len(p.outcomes))
		for _, o := range p.outcomes {
			w.outcome(o)
		}
	}
}

func (w *writer) outcome(o *Outcome) {
	w.u64(o.ID.Seq)
	w.byte(byte(o.Code))
	if o.Err != nil {
		w.str(o.Err.Error())
	}
	for _, v := range []uint64{o.Version, o.Session, o.Epoch, o.Incarnation, o.Term} {
		w.u64(v)
	}
	w.byte(byte(o.Stage))
}

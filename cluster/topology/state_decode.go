package topology

import (
	"math"

	"github.com/dee2748c/baton/cluster/ring"
)

// DecodeState reads exactly one record. Bytes that AppendBinary does not make are ErrDamaged, also
// when only what they say cannot be; those of another format version are ErrFormat. Formats 2,
// of records without grace, metadata and hints, and 3, without the fence, are read too. The record keeps no reference to b.
func DecodeState(b []byte) (State, error) {
	r, err := newReader("record", b, 2, stateFormat)
	if err != nil {
		return State{}, err
	}
	var c record
	c.clusterID = r.clusterID()
	for _, v := range []*uint64{&c.version, &c.membership, &c.session, &c.term, &c.applied} {
		*v = r.u64()
	}
	c.leader = r.node()
	c.targetN, c.nval, c.limit = r.int(), r.int(), r.int()
	if r.format > 3 {
		c.rate, c.noOutbound, c.noInbound = r.u64(), r.kindSet(), r.kindSet()
	} else if !c.clusterID.IsZero() {
		c.rate = DefaultTransferRate
	}
	c.kinds = r.kinds()
	c.members = r.members()
	c.joins = r.joins()
	r.header(&c)
	if !c.clusterID.IsZero() && r.err == nil {
		r.body(&c)
	}
	c.proposers = r.proposers(c.applied)
	if err := r.end("record"); err != nil {
		return State{}, err
	}
	return State{&c}, nil
}

// header holds what was read so far to the laws of the record.
func (r *reader) header(c *record) {
	if c.membership > c.version {
		r.fail("membership %d after version %d", c.membership, c.version)
	}
	for i, k := range c.kinds {
		for _, o := range c.kinds[:i] {
			if o.Name == k.Name {
				r.fail("kind %s twice", k.Name)
			}
		}
	}
	off := c.noOutbound | c.noInbound
	for _, m := range c.members {
		off |= m.NoOutbound | m.NoInbound
	}
	if off&^allKinds(len(c.kinds)) != 0 {
		r.fail("switches of kinds that there are not")
	}
	if empty := c.clusterID.IsZero(); empty != (len(c.members) == 0) || empty != (len(c.kinds) == 0) {
		r.fail("members and kinds do not fit the cluster")
	}
}

func (r *reader) body(c *record) {
	if c.ring = r.ring(); c.ring == nil {
		return
	}
	if c.plan = r.plan(); c.plan != nil && c.plan.Ring.Size() != c.ring.Size() {
		r.fail("plan of %d partitions", c.plan.Ring.Size())
	}
	c.parts = make([]parts, len(c.kinds))
	for i := range c.kinds {
		if r.err != nil {
			return
		}
		c.parts[i] = r.parts(c, i)
	}
	r.transfers(c)
	if r.format > 2 {
		c.grace = r.u64()
		c.fence = r.fence(c)
		r.metadata(c)
		r.hints(c)
	}
}

// fence reads the fence. Until format 3 there was none: it is where parts were last reassigned.
func (r *reader) fence(c *record) uint64 {
	if r.format < 4 {
		return c.fence
	}
	f := r.u64()
	if f < c.fence || f > c.version {
		r.fail("fence %d at version %d, after a reassignment at %d", f, c.version, c.fence)
	}
	return f
}

func (r *reader) members() []Member {
	var out []Member
	for n := r.count(); n > 0 && r.err == nil; n-- {
		m := r.founder()
		m.Incarnation = r.u64()
		m.Status, m.Resume = Status(r.byte()), Status(r.byte())
		r.staged(&m)
		if len(out) > 0 && out[len(out)-1].Node >= m.Node {
			r.fail("member %s out of order", m.Node)
		}
		if m.Status == 0 || m.Status >= statusEnd || (m.Status == Down) != (m.Resume != 0) || m.Resume >= Down {
			r.fail("member %s is %s, then %s", m.Node, m.Status, m.Resume)
		}
		out = append(out, m)
	}
	return out
}

func (r *reader) staged(m *Member) {
	if m.Departs = Action(r.byte()); m.Departs >= ActionShare || m.Departs == ActionJoin {
		r.fail("departure %d of %s", m.Departs, m.Node)
	}
	m.With = r.node()
	if (m.With != "") != m.Departs.replaces() {
		r.fail("%s of %s with %q", m.Departs, m.Node, m.With)
	}
	if r.bool() {
		m.Share = &Share{Weight: r.int(), Location: r.str()}
	}
	if r.bool() {
		v := r.int()
		m.Limit = &v
	}
	if r.format < 4 {
		return
	}
	if r.bool() {
		v := r.u64()
		m.Rate = &v
	}
	m.NoOutbound, m.NoInbound = r.kindSet(), r.kindSet()
}

func (r *reader) kindSet() KindSet {
	v := r.u64()
	if v > math.MaxUint32 {
		r.fail("kinds %#x", v)
	}
	return KindSet(v)
}

func (r *reader) action() Action {
	a := Action(r.byte())
	if a == 0 || a >= actionEnd {
		r.fail("action %d", a)
	}
	return a
}

func (r *reader) joins() []JoinDecision {
	var out []JoinDecision
	n := r.count()
	if n > MaxJoins {
		r.fail("%d join decisions", n)
	}
	for ; n > 0 && r.err == nil; n-- {
		out = append(out, JoinDecision{Node: r.node(), Nonce: r.u64(), Code: r.code(), Text: r.str(), Version: r.u64()})
	}
	return out
}

func (r *reader) code() Code {
	c := Code(r.byte())
	if c == 0 || c >= codeEnd {
		r.fail("code %d", c)
		return CodeInvalid
	}
	return c
}

func (r *reader) plan() *Plan {
	if !r.bool() {
		return nil
	}
	p := &Plan{Version: r.u64(), BasedOn: r.u64(), Ring: r.ring()}
	for n := r.count(); n > 0 && r.err == nil; n-- {
		p.Changes = append(p.Changes, StagedChange{Action: r.action(), Node: r.node(), With: r.node(), Weight: r.int(), Location: r.str()})
	}
	p.Infeasible, p.Reason = r.text(), r.text()
	if r.err != nil {
		return nil
	}
	return p
}

func (r *reader) parts(c *record, kind int) parts {
	v := newParts(c.ring.Size(), part{})
	given := map[Reassignment]*Reassignment{}
	for p := range v.size {
		if r.err != nil {
			return v
		}
		x := v.at(ring.Partition(p)) // not shared yet
		x.owner = r.member(c).Node
		x.epoch, x.last = r.u64(), r.u64()
		if x.last > c.session {
			r.fail("session %d after the last, %d", x.last, c.session)
		}
		if r.bool() {
			x.failure = &failure{attempts: r.u64(), reason: Reason(r.str())}
		}
		if r.bool() {
			x.cert = r.certificate(c, c.kinds[kind].Name, ring.Partition(p))
		}
		if r.bool() {
			g := Reassignment{Version: r.u64(), From: r.member(c).Node}
			if given[g] == nil {
				given[g] = &g
			}
			x.given = given[g]
			c.fence = max(c.fence, g.Version)
		}
		r.incomplete(c, x)
	}
	return v
}

// incomplete reads whether the copy is. Until format 2 a copy that was given by force was not followed up.
func (r *reader) incomplete(c *record, x *part) {
	if r.format > 2 {
		x.incomplete, x.lost, x.hinted = r.u64(), r.u64(), r.u64()
	} else if x.given != nil {
		x.incomplete, x.lost = x.given.Version, x.given.Version
	}
	if x.lost > c.version || x.incomplete != 0 && x.incomplete != x.lost {
		r.fail("incomplete since %d, lost at %d, at version %d", x.incomplete, x.lost, c.version)
	}
}

func (r *reader) member(c *record) *Member {
	i := r.below(len(c.members))
	if r.err != nil {
		return &Member{}
	}
	return &c.members[i]
}

func (r *reader) certificate(c *record, kind Kind, p ring.Partition) *Certificate {
	x := &Certificate{Number: 1, Kind: kind, Partition: p}
	if r.format > 3 {
		x.Number = r.u64()
		copy(x.Previous[:], r.bytes(len(x.Previous)))
	}
	x.Session, x.Type, x.Source, x.Target = r.u64(), r.transferType(), r.member(c).Node, r.member(c).Node
	for _, v := range []*uint64{&x.EpochBefore, &x.EpochAfter, &x.LastSeq, &x.Items, &x.Bytes, &x.FreezeMicros} {
		*v = r.u64()
	}
	if r.format > 3 {
		x.SourceFenced = r.u64()
	}
	x.TargetFenced = r.u64()
	x.SourceDigest, x.TargetDigest = r.digest(), r.digest()
	return x
}

func (r *reader) transferType() TransferType {
	t := TransferType(r.byte())
	if t == 0 || t >= transferTypeEnd {
		r.fail("%s", t)
	}
	return t
}

func (r *reader) transfers(c *record) {
	last := uint64(0)
	for n := r.count(); n > 0 && r.err == nil; n-- {
		t := r.transfer(c)
		if r.err != nil {
			return
		}
		k := c.kindIndex(t.Kind)
		if int(t.Partition) >= c.parts[k].size {
			r.fail("partition %d of a transfer", t.Partition)
			return
		}
		x := c.parts[k].at(t.Partition)
		if t.Session <= last || t.Session != x.last || x.active != 0 {
			r.fail("session %d does not fit its slot", t.Session)
			return
		}
		x.active, last = t.Session, t.Session
		c.transfers = append(c.transfers, t)
	}
}

func (r *reader) transfer(c *record) *Transfer {
	t := &Transfer{Session: r.u64(), Type: r.transferType()}
	if k := r.below(len(c.kinds)); r.err == nil {
		t.Kind = c.kinds[k].Name
	}
	t.Partition = r.partition()
	t.Source, t.Target = r.member(c).Node, r.member(c).Node
	t.SourceIncarnation, t.TargetIncarnation = r.u64(), r.u64()
	t.Stage, t.Epoch = Stage(r.byte()), r.u64()
	t.SourceReady, t.TargetReady = r.bool(), r.bool()
	t.Frozen, t.Sealed = r.seal(), r.seal()
	t.Activated, t.SourceDrained = r.bool(), r.bool()
	if r.format > 2 {
		t.SourceLost, t.Waits = r.bool(), r.bool()
	}
	t.FreezeMicros = r.u64()
	if r.format > 3 {
		t.SourceFenced = r.u64()
	}
	t.TargetFenced = r.u64()
	t.Reason = Reason(r.str())
	if t.Stage == 0 || t.Stage >= stageEnd {
		r.fail("%s", t.Stage)
	}
	if t.Waits && t.Stage != StageFold {
		r.fail("session %d waits in %s", t.Session, t.Stage)
	}
	if (t.Stage == StageDrain || t.Stage == StageClean) && (t.Frozen == nil || t.Sealed == nil) {
		r.fail("session %d in %s without seals", t.Session, t.Stage)
	}
	return t
}

func (r *reader) proposers(applied uint64) []*proposer {
	var out []*proposer
	n := r.count()
	if n > MaxProposers {
		r.fail("%d proposers", n)
	}
	for ; n > 0 && r.err == nil; n-- {
		p := &proposer{name: r.str(), used: r.u64(), floor: r.u64()}
		if len(out) > 0 && out[len(out)-1].name >= p.name || p.name == "" || p.used > applied {
			r.fail("proposer %q out of order", p.name)
		}
		r.outcomes(p)
		out = append(out, p)
	}
	return out
}

func (r *reader) outcomes(p *proposer) {
	n := r.count()
	if n == 0 || n > Window {
		r.fail("%d outcomes", n)
	}
	last := p.floor
	for ; n > 0 && r.err == nil; n-- {
		o := &Outcome{ID: CommandID{Proposer: p.name, Seq: r.u64()}, Code: r.code()}
		if o.Code > CodeUnchanged {
			o.Err = &Error{Code: o.Code, Text: r.text()}
		}
		for _, v := range []*uint64{&o.Version, &o.Session, &o.Epoch, &o.Incarnation, &o.Term} {
			*v = r.u64()
		}
		if o.Stage = Stage(r.byte()); o.Stage >= stageEnd {
			r.fail("%s", o.Stage)
		}
		if o.ID.Seq <= last {
			r.fail("command %v out of order", o.ID)
		}
		last = o.ID.Seq
		p.outcomes = append(p.outcomes, o)
	}
}

// text reads a string that is not worth interning.
func (r *reader) text() string {
	n := r.int()
	if n > maxString {
		r.fail("text of %d bytes", n)
		return ""
	}
	return string(r.bytes(n))
}

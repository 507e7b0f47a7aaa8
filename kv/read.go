package kv

import (
	"bytes"
	"fmt"
	"time"

	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/replica"
)

// Read is a get as a machine. It asks those copies for the value that are on the
// asking node, where it costs nothing, or else one, and the others for digests.
//
//	ask -> r copies hold the same ----------------------------------> ready
//	    -> they differ: fetch the states -> merge
//	         -> r copies hold the merged state ---------------------> ready
//	         -> fewer do: repair those behind, until r copies do ---> ready
//	    -> too few can: ErrNotDone
//
// So what a read has returned, r copies hold, and a later read of r > n - r
// copies returns no less. After the outcome is decided what comes late is
// compared as well, and all copies that answered are repaired.
//
// A copy that lacks acknowledged data does not count, nor does one whose bytes
// are damaged: the repair of it is refused and tells it so, and it is one that
// lacks data from then on. A fallback counts where it holds a state.
type Read struct {
	set     replica.Set
	get     Get
	quorum  quorum
	options readOptions

	slots slots
	room  [3]slot
	views []copyView // one for each slot
	seen  [3]copyView
	known []knownState
	two   [2]knownState

	getBody, digestBody []byte

	grace  uint64 // the lowest of the record of the asking node and of those that answered
	target int    // the known state that all of them make together, nothing for none
	ready  bool
	err    error
	result []byte // the stored state at Ready, nil for none
	gone   bool   // nothing to show in it: none, tombstones or expired
	late   bool   // the time was up
}

type readOptions struct {
	notFoundOK, basic, sloppy, settle bool
	now, ttl                          uint64
}

// copyView is what the machine knows of a copy.
type copyView struct {
	answered   bool // it said what it holds
	incomplete bool
	damaged    bool
	none       bool   // it holds no state
	known      int    // which of the known states it holds; -1 for none of them
	digest     Digest // of what it holds, if that was not known when it answered
	repairing  int    // which state it is being sent
	work       readWork
}

// readWork is what was asked of a copy last.
type readWork uint8

const (
	workGet readWork = iota + 1
	workDigest
	workFetch
	workRepair
)

// knownState is a state that some copy holds, or that those make together. Its
// digest is made when it is wanted.
type knownState struct {
	stored []byte
	digest Digest
	hashed bool
}

// In the place of the number of a known state.
const (
	nothing = -1 // there is no state
	unaimed = -2 // the target is not found yet
)

var _ replica.Machine = (*Read)(nil)

// NewRead returns the machine of a get. set are the n copies that the bucket's
// properties ask for; now is the present time, for buckets whose objects expire.
// It fails as [EncodeRequest] does, before anything is sent.
func NewRead(set replica.Set, r Get, p *bucket.Properties, now time.Time) (*Read, error) {
	m := new(Read)
	return m, m.Get(set, &r, p, now)
}

// Get makes m the machine of a get, as NewRead does. m is a new one, or one of
// which nobody else has anything any more.
func (m *Read) Get(set replica.Set, r *Get, p *bucket.Properties, now time.Time) error {
	if err := r.check(); err != nil {
		return err
	}
	m.configure(set, r, p, now)
	return nil
}

func (m *Read) configure(set replica.Set, r *Get, p *bucket.Properties, now time.Time) {
	o, n := &r.Options, len(set.Copies)
	*m = Read{}
	m.set, m.get, m.grace = set, *r, set.Grace
	m.quorum = quorum{
		copies: max(o.R.Or(p.R).Resolve(n), 1), primaries: o.PR.Or(p.PR).Resolve(n),
		nodes: max(o.NodeConfirms, p.NodeConfirms),
	}
	m.options = readOptions{
		notFoundOK: o.NotFoundOK.or(p.NotFoundOK), basic: o.BasicQuorum.or(p.BasicQuorum), sloppy: o.Sloppy.or(p.Sloppy),
		settle: !p.Siblings(), now: millis(now), ttl: uint64(p.TTL / time.Millisecond),
	}
}

// Step is one step of the machine.
func (m *Read) Step(e replica.Event, sends []replica.Send) []replica.Send {
	switch e.Type {
	case replica.Begin:
		return m.begin(sends)
	case replica.Expire:
		m.expire()
		return sends
	}
	i, ok := m.slots.ended(&e)
	if !ok {
		return sends
	}
	v := &m.views[i]
	switch {
	case e.Type == replica.Fail:
		v.answered = false
	case v.work == workRepair:
		m.repaired(i, e.Body)
	default:
		m.answered(i, &e)
	}
	return m.settle(sends)
}

// Ready reports that the outcome is decided.
func (m *Read) Ready() bool { return m.ready }

// Done reports that no Send is under way any more.
func (m *Read) Done() bool { return m.ready && m.slots.open == 0 }

// Object returns the object once the machine is ready. It fails with
// [ErrNotFound], with [ErrNotDone] as a [*QuorumError] if too few copies
// answered, and with [ErrFormat] or [ErrCorrupt] if they can't be read.
func (m *Read) Object() (Object, error) {
	o := Object{Type: m.get.Type, Bucket: m.get.Bucket, Key: m.get.Key}
	switch {
	case m.err != nil:
		return Object{}, m.err
	case m.result == nil || m.gone && !m.get.Tombstones:
		return Object{}, fmt.Errorf("get %q/%q: %w", m.get.Bucket, m.get.Key, ErrNotFound)
	}
	// The caller may change what it gets, and a store may have the result.
	if err := decodeStored(&o, bytes.Clone(m.result), m.get.Tombstones); err != nil {
		return Object{}, fmt.Errorf("get %q/%q: %w", m.get.Bucket, m.get.Key, err)
	}
	return o, nil
}

// state returns the stored state, nil for none, once the machine is ready.
func (m *Read) state() ([]byte, error) { return m.result, m.err }

// dead reports that nothing but tombstones is left, or that it has expired.
func (m *Read) dead() bool { return m.gone }

func (m *Read) begin(sends []replica.Send) []replica.Send {
	m.slots.begin(&m.set, m.room[:])
	if n := len(m.slots.all); n <= len(m.seen) {
		m.views = m.seen[:n]
	} else {
		m.views = make([]copyView, n)
	}
	m.known, m.target = m.two[:0], unaimed
	g := &m.get
	n := 1 + keyLen(g.Type, g.Bucket, g.Key)
	bodies := make([]byte, 0, 2*n)
	bodies = appendKeyed(bodies, opGet, m.set.Head, g.Type, g.Bucket, g.Key)
	bodies = appendKeyed(bodies, opDigest, m.set.Head, g.Type, g.Bucket, g.Key)
	m.getBody, m.digestBody = bodies[:n:n], bodies[n:]

	value := m.slots.first()
	for i := range m.slots.all {
		if m.slots.all[i].tried {
			continue
		}
		m.ask(i, i == value, &sends)
	}
	return m.settle(sends)
}

// ask asks the next vnode of a slot what it holds.
func (m *Read) ask(i int, value bool, sends *[]replica.Send) {
	body, work := m.digestBody, workDigest
	if t := &m.slots.all[i]; value || !t.tried && t.at.Node == m.set.Self {
		body, work = m.getBody, workGet
	}
	m.views[i] = copyView{work: work, known: nothing}
	m.slots.ask(i, body, m.options.sloppy, false, sends)
}

// standIns asks the fallbacks of all primaries that do not answer, once the others
// are too few: to ask a fallback makes it, and any of them may be the one that has
// the value.
func (m *Read) standIns(sends *[]replica.Send) {
	if m.ready || !m.options.sloppy {
		return
	}
	copies, primaries, nodes := m.slots.tally(m.mayCount)
	if m.quorum.reached(copies, primaries, nodes) || primaries < m.quorum.primaries {
		return
	}
	for i := range m.slots.all {
		if t := &m.slots.all[i]; t.tried && t.spare != "" && (t.phase == slotIdle || t.phase == slotFailed) {
			m.ask(i, len(m.known) == 0, sends)
		}
	}
}

// mayCount reports whether a copy is a primary's that has answered or is being
// asked.
func (m *Read) mayCount(t *slot) bool {
	if t.at.Fallback || t.phase == slotAsked {
		return !t.at.Fallback
	}
	v := m.view(t)
	return t.phase == slotDone && !v.incomplete && !v.damaged
}

// view returns what is known of the copy of a slot.
func (m *Read) view(t *slot) *copyView {
	for i := range m.slots.all {
		if m.slots.all[i].at == t.at {
			return &m.views[i]
		}
	}
	return &copyView{}
}

// answered takes what a copy holds.
func (m *Read) answered(i int, e *replica.Event) {
	v := &m.views[i]
	a, err := cutAnswer(e.Body)
	if err != nil {
		m.slots.cause(err)
		if isOf(err, ErrCorrupt) && !isOf(err, ErrBadRequest) {
			v.answered, v.damaged = true, true
			return
		}
		v.answered, m.slots.all[i].phase = false, slotFailed
		return
	}
	if e.Tail != nil {
		a.rest = e.Tail
	}
	m.grace = min(m.grace, a.grace)
	v.answered, v.known = true, nothing
	v.incomplete = a.flags&isIncomplete != 0
	v.none = a.flags&hasNone != 0
	switch {
	case v.none:
	case v.work == workDigest:
		if copy(v.digest[:], a.rest) != len(v.digest) {
			v.answered, m.slots.all[i].phase = false, slotFailed
			m.slots.cause(ErrReply)
		}
	default:
		if v.known = m.find(a.rest); v.known >= 0 {
			return
		}
		if damaged(a.rest) {
			v.damaged = true
			m.slots.cause(ErrCorrupt)
			return
		}
		v.known = m.learn(a.rest)
	}
}

func (m *Read) learn(stored []byte) int {
	if i := m.find(stored); i >= 0 {
		return i
	}
	m.known = append(m.known, knownState{stored: stored})
	return len(m.known) - 1
}

// find returns the number of a known state, nothing if it is not known.
func (m *Read) find(stored []byte) int {
	for i := range m.known {
		if bytes.Equal(m.known[i].stored, stored) {
			return i
		}
	}
	return nothing
}

// findDigest is find for a state of which the digest is known.
func (m *Read) findDigest(d Digest) int {
	for i := range m.known {
		k := &m.known[i]
		if !k.hashed {
			k.digest, k.hashed = DigestOf(k.stored), true
		}
		if k.digest == d {
			return i
		}
	}
	return nothing
}

// repaired takes the end of a repair: the copy holds what it was sent, and
// whatever it may have got besides.
func (m *Read) repaired(i int, body []byte) {
	v := &m.views[i]
	if _, err := cutAnswer(body); err != nil {
		m.slots.all[i].phase = slotFailed
		v.answered = false
		m.slots.cause(err)
		return
	}
	v.none, v.known = false, v.repairing
}

// settle goes on with what is known now.
func (m *Read) settle(sends []replica.Send) []replica.Send {
	m.standIns(&sends)
	if !m.fetch(&sends) {
		return m.decide(sends, false)
	}
	if err := m.aim(); err != nil {
		// A state that this build can't read is not merged with others.
		m.finish(fmt.Errorf("get %q/%q: %w", m.get.Bucket, m.get.Key, err))
		return sends
	}
	return m.decide(sends, true)
}

// fetch asks for the states that are known by their digests only, and reports
// whether there are none.
func (m *Read) fetch(sends *[]replica.Send) bool {
	whole := true
	for i := range m.views {
		v := &m.views[i]
		if !v.answered || v.none || v.damaged || v.known >= 0 {
			continue
		}
		if v.known = m.findDigest(v.digest); v.known >= 0 {
			continue
		}
		whole = false
		if m.slots.all[i].phase == slotDone && !m.fetching(v.digest) && !m.valueOnItsWay() {
			v.work = workFetch
			m.slots.send(i, m.getBody, false, sends)
		}
	}
	return whole
}

// fetching reports whether a state is on its way.
func (m *Read) fetching(d Digest) bool {
	for i := range m.views {
		if m.views[i].work == workFetch && m.slots.all[i].phase == slotAsked && m.views[i].digest == d {
			return true
		}
	}
	return false
}

// valueOnItsWay reports whether the copy that was asked for the value has not
// answered yet: it will most likely hold what the others do.
func (m *Read) valueOnItsWay() bool {
	for i := range m.views {
		if m.views[i].work == workGet && m.slots.all[i].phase == slotAsked {
			return true
		}
	}
	return false
}

// aim finds what all known states make together.
func (m *Read) aim() error {
	switch len(m.known) {
	case 0:
		m.target = nothing
		return nil
	case 1:
		m.target = 0
		return nil
	}
	var all, s State
	for i := range m.known {
		if err := s.Decode(m.known[i].stored); err != nil {
			return err // of a format that this build does not know
		}
		if m.options.settle {
			all.MergeSettled(s)
		} else {
			all.Merge(s)
		}
		s = State{}
	}
	m.target = m.learn(all.Append(nil))
	return nil
}

// holds reports whether a copy that answered holds the target.
func (m *Read) holds(v *copyView) bool {
	return v.answered && !v.damaged && v.none == (m.target == nothing) && v.known == m.target
}

// counts reports whether a copy counts for the quorum.
func (m *Read) counts(t *slot) bool {
	if t.phase != slotDone {
		return false
	}
	v := m.view(t)
	switch {
	case !m.holds(v):
		return false
	case v.none:
		return m.options.notFoundOK && !v.incomplete && !t.at.Fallback
	default:
		return !v.incomplete || len(m.slots.all) == 1
	}
}

// lacking reports whether a copy has said that it has not got the key.
func (m *Read) lacking(t *slot) bool {
	v := m.view(t)
	return t.phase == slotDone && v.answered && v.none && !v.incomplete && !t.at.Fallback
}

// decide ends a read that enough copies agree on or that too few can; whole says
// that the target is all that is known. Repairs are sent to those behind.
func (m *Read) decide(sends []replica.Send, whole bool) []replica.Send {
	if whole && !m.ready && m.quorum.reached(m.slots.tally(m.counts)) {
		m.finish(nil)
	}
	if !m.ready && m.target < 0 && whole && !m.options.notFoundOK {
		basic := m.quorum
		basic.copies = len(m.slots.all)/2 + 1
		copies, primaries, nodes := m.slots.tally(m.lacking)
		if m.options.basic && basic.reached(copies, primaries, nodes) || m.slots.open == 0 && m.quorum.reached(copies, primaries, nodes) {
			m.finish(nil)
		}
	}
	if whole && m.target >= 0 && (m.ready || m.enough()) {
		m.repair(&sends)
	}
	if !m.ready && m.slots.open == 0 {
		m.finish(m.tooFew())
	}
	return sends
}

// enough reports whether as many copies have answered as the quorum asks for, so
// that those which are behind have to be repaired before it is reached.
func (m *Read) enough() bool {
	answered := 0
	for i := range m.views {
		if m.views[i].answered {
			answered++
		}
	}
	return answered >= m.quorum.copies || m.slots.open == 0
}

// repair sends the target to the copies that answered and do not hold it.
func (m *Read) repair(sends *[]replica.Send) {
	if m.err != nil {
		return
	}
	var body []byte
	for i := range m.views {
		v := &m.views[i]
		if !v.answered || m.slots.all[i].phase != slotDone || m.holds(v) {
			continue
		}
		if body == nil {
			body = m.mergeBody()
		}
		v.work, v.repairing = workRepair, m.target
		m.slots.send(i, body, false, sends)
	}
}

func (m *Read) mergeBody() []byte {
	flags := byte(0)
	if m.options.settle {
		flags = mergeSettle
	}
	key := m.getBody[1:]
	body := make([]byte, 0, 16+len(key)+len(m.known[m.target].stored))
	return appendBytes(appendBytes(appendMergeHead(body, flags, m.grace), key), m.known[m.target].stored)
}

func (m *Read) finish(err error) {
	if m.ready {
		return
	}
	m.ready, m.err = true, err
	if err != nil || m.target < 0 {
		m.gone = true
		return
	}
	m.result = m.known[m.target].stored
	m.gone = storedDeleted(m.result)
	if m.options.ttl > 0 && !m.gone {
		var s State
		m.gone = s.Decode(m.result) == nil && s.expired(m.options.now, m.options.ttl)
		if m.gone {
			m.result = nil
		}
	}
}

func (m *Read) tooFew() error {
	copies, primaries, nodes := m.slots.tally(m.counts)
	for i := range m.views {
		if m.views[i].incomplete {
			m.slots.cause(fmt.Errorf("%s/%d: %w", m.slots.all[i].at.Node, m.slots.all[i].at.Partition, ErrIncomplete))
		}
	}
	return &QuorumError{
		Op: "get", Bucket: m.get.Bucket, Key: m.get.Key, Outcome: ErrNotDone, Expired: m.late,
		Copies: Count{copies, m.quorum.copies}, Primaries: Count{primaries, m.quorum.primaries}, Nodes: Count{nodes, m.quorum.nodes},
		Causes: m.slots.causes,
	}
}

func (m *Read) expire() {
	m.late = true
	if !m.ready {
		m.finish(m.tooFew())
	}
}

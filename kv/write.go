package kv

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/replica"
)

// Written says what a put made of the object.
type Written struct {
	// Context stands for the object as it is now, so that a put with it follows
	// this one. It is empty when there are siblings: they have to be read first,
	// for a context would let the next put supersede what nobody has seen.
	Context Context
	// Siblings is how many values the object has now, at least 1.
	Siblings int
}

// Deleted says what a delete found and left.
type Deleted struct {
	// Existed says that there was a value.
	Existed bool
	// Siblings is how many values are left, since the context had not seen them.
	Siblings int
}

// Write is a put or a delete as a machine. One vnode coordinates it, a primary
// of the asking node if there is one: it decides the conditions and gives the
// write its dot. The state that it answers goes to the other copies as a merge.
//
//	read the quorum (conditional; delete without a context)
//	  -> deleted already: done, or merge the tombstone to more
//	  -> coordinate -> refused: ErrExists, ...              nothing was written
//	                -> nobody to coordinate: ErrNotDone     nothing was written
//	                -> no answer: ErrUnknown
//	                -> merge to the others -> enough acknowledge: done
//	                                       -> too few can: ErrUnknown
//
// A primary that fails is replaced by its spare at once if the quorum is sloppy.
// After the outcome is decided the merges go on, so that all n copies get it.
type Write struct {
	set        replica.Set
	op         string
	bucketType string
	bucket     string
	key        string
	raw        rawWrite
	content    Content // of a put
	read       *Read   // comes first, nil if nothing does
	quorum     quorum
	durable    int
	sloppy     bool

	slots slots
	room  [3]slot

	buffer   []byte // room for the command to coordinate
	sent     []byte // that of the last one: room for the next request
	phase    writePhase
	body     []byte // of the merge
	grace    uint64 // the lowest of whom the state was read from
	ready    bool
	outcome  error
	written  Written
	deleted  Deleted
	expired  bool
	stored   []byte // what the object is now
	coordNow int    // the slot that coordinates
}

type writePhase uint8

const (
	writeReads writePhase = iota
	writeCoordinates
	writeMerges
	writeEnded // without a write
)

var _ replica.Machine = (*Write)(nil)

// keptBytes is the largest buffer that is kept for another request.
const keptBytes = 64 << 10

// NewWrite returns the machine of a put. set are the n copies that the bucket's
// properties ask for; the properties must not change. It fails as
// [EncodeRequest] does, before anything is sent.
func NewWrite(set replica.Set, r Put, p *bucket.Properties) (*Write, error) {
	m := new(Write)
	return m, m.Put(set, &r, p)
}

// Put makes m the machine of a put, as NewWrite does. m is a new one, or one of
// which nobody else has anything any more; it keeps its room.
func (m *Write) Put(set replica.Set, r *Put, p *bucket.Properties) error {
	if err := r.check(); err != nil {
		return err
	}
	o := &r.Object
	*m = Write{buffer: m.sent}
	m.set, m.op, m.bucketType, m.bucket, m.key = set, "put", o.Type, o.Bucket, o.Key
	m.raw, m.content = newRawPut(r), o.content()
	m.configure(&r.Options, p)
	if m.raw.flags&(putIfNoneMatch|putIfNotModified|putIfMatch) != 0 {
		m.readsFirst(&r.Options, p)
	}
	return nil
}

// NewRemove returns the machine of a delete, as [NewWrite].
func NewRemove(set replica.Set, r Delete, p *bucket.Properties) (*Write, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	m := &Write{
		set: set, op: "delete", bucketType: r.Type, bucket: r.Bucket, key: r.Key,
		raw: rawWrite{op: opDelete, context: r.Context, modified: millis(r.Modified)},
	}
	m.configure(&r.Options, p)
	if r.Context == "" {
		m.readsFirst(&r.Options, p)
	}
	return m, nil
}

// configure resolves the quorums of the request and its bucket.
func (m *Write) configure(o *WriteOptions, p *bucket.Properties) {
	n := len(m.set.Copies)
	w, dw := o.W.Or(p.W).Resolve(n), o.DW.Or(p.DW).Resolve(n)
	m.durable = dw
	if dw == 0 {
		m.raw.flags |= putVolatile
	}
	m.quorum = quorum{
		// Every copy that acknowledges durably acknowledges, so one count is enough.
		copies: max(w, dw, 1), primaries: o.PW.Or(p.PW).Resolve(n), nodes: max(o.NodeConfirms, p.NodeConfirms),
	}
	// Copies on one node are lost together (K2).
	m.quorum.nodes = max(m.quorum.nodes, min(m.quorum.copies, nodesOf(&m.set)))
	m.sloppy = o.Sloppy.or(p.Sloppy)
	switch {
	case p.LastWriteWins:
		m.raw.flags |= putLastWriteWins
	case !p.Siblings():
		m.raw.flags |= putSettle
	}
	if p.TTL > 0 {
		m.raw.flags |= putTTL
		m.raw.ttl = uint64(p.TTL / time.Millisecond)
	}
	m.grace = m.set.Grace
}

// nodesOf counts the nodes that own the copies of a set.
func nodesOf(set *replica.Set) (nodes int) {
	for i := range set.Copies {
		first := true
		for j := range i {
			first = first && set.Copies[j].Node != set.Copies[i].Node
		}
		if first {
			nodes++
		}
	}
	return nodes
}

// readsFirst puts a read of the quorum before the write. With one copy the vnode
// that coordinates knows all there is; a delete has to have a context.
func (m *Write) readsFirst(o *WriteOptions, p *bucket.Properties) {
	if len(m.set.Copies) == 1 && m.raw.op == opPut {
		return
	}
	m.read = new(Read)
	m.read.configure(m.set, &Get{
		Type: m.bucketType, Bucket: m.bucket, Key: m.key, Tombstones: true,
		Options: ReadOptions{R: o.R, PR: o.PR, Sloppy: o.Sloppy},
	}, p, timeOf(m.raw.modified))
}

// Step is one step of the machine.
func (m *Write) Step(e replica.Event, sends []replica.Send) []replica.Send {
	if e.Type == replica.Expire {
		m.expire()
		return sends
	}
	if m.read != nil {
		if e.Type == replica.Begin || m.read.slots.owns(&e) {
			sends = m.read.Step(e, sends)
			if m.phase == writeReads && m.read.Ready() {
				sends = m.afterRead(sends)
			}
			return sends
		}
	} else if e.Type == replica.Begin {
		return m.begin(sends)
	}
	i, ok := m.slots.ended(&e)
	if !ok {
		return sends
	}
	if m.phase == writeCoordinates && i == m.coordNow {
		return m.coordinated(i, &e, sends)
	}
	return m.merged(i, &e, sends)
}

// Ready reports that the outcome is decided.
func (m *Write) Ready() bool { return m.ready }

// Done reports that no Send is under way any more.
func (m *Write) Done() bool {
	return m.ready && m.slots.open == 0 && (m.read == nil || m.read.slots.open == 0)
}

// Written returns what a put made of the object, once the machine is ready. Its
// errors are a [*QuorumError], those of the put's conditions, [ErrTooLarge],
// [ErrContext], [ErrSiblings].
func (m *Write) Written() (Written, error) { return m.written, m.outcome }

// Deleted returns what a delete found and left, as Written.
func (m *Write) Deleted() (Deleted, error) { return m.deleted, m.outcome }

// Object returns the object as the copy that coordinated the write holds it, once
// the machine is ready without an error.
func (m *Write) Object() (Object, error) {
	o := Object{Type: m.bucketType, Bucket: m.bucket, Key: m.key}
	return o, decodeStored(&o, bytes.Clone(m.stored), true)
}

// afterRead goes on with what the quorum holds.
func (m *Write) afterRead(sends []replica.Send) []replica.Send {
	stored, err := m.read.state()
	if err != nil {
		m.phase, m.outcome, m.ready = writeEnded, fmt.Errorf("%s: %w", m.op, err), true
		return sends
	}
	m.grace = min(m.grace, m.read.grace)
	switch {
	case m.raw.op == opDelete && (stored == nil || m.read.dead()):
		if stored != nil && !m.quorum.reached(m.read.slots.tally(m.read.counts)) {
			return m.spread(stored, sends)
		}
		m.phase, m.ready = writeEnded, true
		return sends
	case m.raw.op == opDelete:
		context, _, _ := cutStored(stored) // decoded before
		m.raw.context = context
		m.deleted.Existed = true
	case stored != nil:
		m.raw.flags |= putState
		m.raw.state, m.raw.grace = stored, m.grace
	}
	return m.begin(sends)
}

// begin has a copy coordinate.
func (m *Write) begin(sends []replica.Send) []replica.Send {
	m.phase = writeCoordinates
	m.place()
	return m.coordinate(sends)
}

// spread gives tombstones of a delete that too few copies have heard of to the
// others: what is deleted already has to be so for a later read too.
func (m *Write) spread(stored []byte, sends []replica.Send) []replica.Send {
	m.phase = writeMerges
	if m.place(); !m.reaches() {
		return sends
	}
	m.raw.key = AppendKey(nil, m.set.Head, m.bucketType, m.bucket, m.key)
	m.body = appendBytes(appendBytes(appendMergeHead(nil, mergeFlags(m.raw.flags), m.grace), m.raw.key), stored)
	m.stored = stored
	for i := range m.slots.all {
		m.slots.ask(i, m.body, m.sloppy, m.durable == 0, &sends)
	}
	m.decide()
	return sends
}

// place makes the slots.
func (m *Write) place() {
	m.slots.begin(&m.set, m.room[:])
	if m.read != nil {
		m.slots.count = 1 << 20 // IDs apart from those of the read
	}
}

// reaches ends a write that nobody has done yet if the quorum can't be reached.
func (m *Write) reaches() bool {
	reaches := m.quorum.reached(m.slots.tally(m.reachable))
	if !reaches {
		m.fail(ErrNotDone, m.reachable)
	}
	return reaches
}

// mergeFlags are those of the merge that follows a put or a delete with flags.
func mergeFlags(flags byte) byte {
	if flags&(putSettle|putLastWriteWins) != 0 {
		return mergeSettle
	}
	return 0
}

// reachable reports whether a slot has, or may still get, a copy of the write.
func (m *Write) reachable(t *slot) bool {
	return t.phase == slotDone || t.phase == slotAsked || t.phase != slotFailed && !t.tried || m.sloppy && t.spare != ""
}

func isDone(t *slot) bool { return t.phase == slotDone }

// coordinate sends the write to the next vnode that may give it a dot, if enough
// others are left to take it.
func (m *Write) coordinate(sends []replica.Send) []replica.Send {
	if !m.reaches() {
		return sends
	}
	i := m.slots.first()
	if i < 0 {
		i = m.slots.firstSpare()
	}
	m.coordNow = i
	m.slots.ask(i, m.writeBody(), m.sloppy, m.durable == 0, &sends)
	return sends
}

func (m *Write) writeBody() []byte {
	w := &m.raw
	n := keyLen(m.bucketType, m.bucket, m.key)
	room := 48 + len(w.context) + len(w.state) + n + len(m.content.Value) + m.content.metaBytes()
	dst := m.buffer[:0]
	if cap(dst) < room {
		dst = make([]byte, 0, room)
	}
	m.buffer = nil // the next one goes to another vnode while this one may still have it
	w.key, w.content = nil, nil
	dst = w.appendBody(dst)
	dst = dst[:len(dst)-1] // the length of no key
	dst = AppendKey(binary.AppendUvarint(dst, uint64(n)), m.set.Head, m.bucketType, m.bucket, m.key)
	w.key = dst[len(dst)-n:]
	if w.op == opPut {
		at := len(dst)
		dst = appendContent(dst, &m.content)
		w.content = dst[at:]
	}
	if cap(dst) <= keptBytes {
		m.sent = dst
	}
	return dst
}

// coordinated takes what the coordinating vnode says.
func (m *Write) coordinated(i int, e *replica.Event, sends []replica.Send) []replica.Send {
	if e.Type == replica.Fail {
		if e.Unknown {
			// Another coordinator would make a second write of it.
			m.phase = writeEnded
			m.fail(ErrUnknown, isDone)
			return sends
		}
		return m.coordinate(sends)
	}
	a, err := cutAnswer(e.Body)
	if err != nil {
		m.slots.all[i].phase = slotFailed
		if isOf(err, ErrCorrupt, ErrFormat) && !isOf(err, ErrBadRequest) {
			m.slots.cause(err) // that copy is damaged
			return m.coordinate(sends)
		}
		m.phase = writeEnded
		if isOf(err, ErrStaleGrace) {
			m.slots.cause(err)
			m.fail(ErrNotDone, isDone)
		} else if isOf(err, ErrReply) {
			m.slots.all[i].doubt = true
			m.slots.cause(err)
			m.fail(ErrUnknown, isDone)
		} else if !m.ready {
			m.outcome, m.ready = fmt.Errorf("%s %q/%q: %w", m.op, m.bucket, m.key, err), true
		}
		return sends
	}
	if err := m.take(&a); err != nil {
		m.phase = writeEnded
		m.slots.all[i].doubt = true
		m.slots.cause(err)
		m.fail(ErrUnknown, isDone)
		return sends
	}
	m.phase = writeMerges
	for j := range m.slots.all {
		if j != i {
			m.slots.ask(j, m.body, m.sloppy, m.durable == 0, &sends)
		}
	}
	m.decide()
	return sends
}

// take makes the merge of what the coordinating vnode answered.
func (m *Write) take(a *replyHead) error {
	m.grace = min(m.grace, a.grace)
	live, rest, ok := cutUvarint(a.rest)
	if !ok || !m.takeState(a.flags, rest) {
		return ErrReply
	}
	context, _, err := cutStored(m.stored)
	if err != nil {
		return fmt.Errorf("%w: %w", err, ErrReply)
	}
	if m.ready {
		return nil // the time was up: the outcome stays
	}
	m.written = Written{Siblings: int(live)}
	if live == 1 && a.flags&isBare != 0 {
		m.written.Context = context
	}
	m.deleted.Existed = m.deleted.Existed || a.flags&hadValue != 0
	m.deleted.Siblings = int(live)
	return nil
}

// takeState sets the state that was written and the body of its merge.
func (m *Write) takeState(flags byte, rest []byte) (ok bool) {
	key, state := m.raw.key, rest
	if flags&isWhole != 0 {
		if len(rest) < 2 {
			return false
		}
		_, b, _ := cutUvarint(rest[2:])
		if key, b, ok = cutBytes(b); !ok {
			return false
		}
		if state, b, ok = cutBytes(b); !ok || len(b) > 0 {
			return false
		}
		var head [2 + binary.MaxVarintLen64]byte
		if bytes.HasPrefix(rest, appendMergeHead(head[:0], mergeFlags(m.raw.flags), m.grace)) {
			m.body, m.stored = rest, state
			return true
		}
	}
	content, n, bare := m.raw.content, len(state), flags&(isWhole|isBare) == isBare
	if bare {
		n += uvarintLen(uint64(len(content))) + len(content)
	}
	body := make([]byte, 0, 2+3*binary.MaxVarintLen64+len(key)+n)
	body = appendMergeHead(body, mergeFlags(m.raw.flags), m.grace)
	body = binary.AppendUvarint(appendBytes(body, key), uint64(n))
	at := len(body)
	body = append(body, state...)
	if bare {
		body = appendBytes(body, content)
	}
	m.body, m.stored = body, body[at:]
	return true
}

// merged takes the end of a merge.
func (m *Write) merged(i int, e *replica.Event, sends []replica.Send) []replica.Send {
	if e.Type == replica.Fail {
		m.slots.ask(i, m.body, m.sloppy, m.durable == 0, &sends)
	} else if _, err := cutAnswer(e.Body); err != nil {
		m.slots.all[i].phase = slotFailed
		m.slots.cause(err)
	}
	m.decide()
	return sends
}

// decide ends a write that is merged to enough copies, or can't be any more.
func (m *Write) decide() {
	switch {
	case m.ready:
	case m.quorum.reached(m.slots.tally(isDone)):
		m.ready = true
	case !m.quorum.reached(m.slots.tally(m.reachable)):
		m.fail(ErrUnknown, isDone)
	}
}

// fail ends the write without a quorum. What is unknown anywhere makes it so.
func (m *Write) fail(outcome error, counts func(*slot) bool) {
	if m.ready {
		return
	}
	e := &QuorumError{Op: m.op, Bucket: m.bucket, Key: m.key, Outcome: outcome, Expired: m.expired, Causes: m.slots.causes}
	copies, primaries, nodes := m.slots.tally(counts)
	e.Copies, e.Primaries, e.Nodes = Count{copies, m.quorum.copies}, Count{primaries, m.quorum.primaries}, Count{nodes, m.quorum.nodes}
	if m.durable > 0 {
		e.Durable = Count{copies, m.durable}
	}
	for i := range m.slots.all {
		t := &m.slots.all[i]
		switch {
		case t.phase == slotDone:
			e.Holders = append(e.Holders, t.at)
		case t.doubt || t.phase == slotAsked:
			e.Doubtful = append(e.Doubtful, t.at)
		}
	}
	if len(e.Holders)+len(e.Doubtful) > 0 && m.phase != writeReads {
		e.Outcome = ErrUnknown
	}
	m.outcome, m.ready = e, true
	m.written, m.deleted = Written{}, Deleted{}
}

// expire decides with what there is.
func (m *Write) expire() {
	m.expired = true
	if m.ready {
		return
	}
	if m.phase == writeReads {
		if m.read != nil {
			m.read.expire()
			if _, err := m.read.state(); err != nil {
				m.outcome = fmt.Errorf("%s: %w", m.op, err)
			}
		}
		if m.outcome == nil {
			m.outcome = &QuorumError{Op: m.op, Bucket: m.bucket, Key: m.key, Outcome: ErrNotDone, Expired: true}
		}
		m.phase, m.ready = writeEnded, true
		return
	}
	m.fail(ErrNotDone, isDone)
}

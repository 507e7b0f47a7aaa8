package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/vnode"
)

// stored is what a node keeps of a partition on its disk: the record that package actors keeps, and the
// items. Volatile kinds keep it in memory.
type stored struct {
	Epoch, MaxSession, Frozen uint64
	Staged, Sealed            uint64 // sessions
	Seal                      *topology.Seal
	Tombstone                 bool
	Items, Copy               []uint64 // served, and staged
}

func decodeStored(data []byte) (s stored) {
	if err := json.Unmarshal(data, &s); err != nil {
		panic(err) // it was written by encode and has its checksum
	}
	return s
}

func diskKey(kind topology.Kind, p ring.Partition) string { return fmt.Sprintf("vnode %s/%d", kind, p) }

// items are what a partition of a kind holds from the beginning on.
func items(kind, p int) []uint64 {
	out := make([]uint64, 3+p%3)
	for i := range out {
		out[i] = uint64(kind)<<32 | uint64(p)<<8 | uint64(i)
	}
	return out
}

// seal summarizes items.
func seal(items []uint64) topology.Seal {
	s := topology.Seal{LastSeq: uint64(len(items)), Items: uint64(len(items)), Bytes: 8 * uint64(len(items))}
	for _, x := range items {
		s.Digest = s.Digest.Add(topology.ItemHash{Hi: x * 0x9e3779b97f4a7c15, Lo: x})
	}
	return s
}

// A partition is the shell of one vnode: it turns what happens into events of the Lifecycle and performs
// its actions, one at a time: while the disk works, events wait.
type partition struct {
	n    *Node
	kind int
	p    ring.Partition
	spec topology.KindSpec
	life *vnode.Lifecycle
	disk stored

	waits   bool // for the disk
	running bool
	inbox   []vnode.Event
	moving  *move
}

// A move is the sending side of a transfer.
type move struct {
	session uint64
	to      ring.NodeID
	msg     any // what is repeated until it is answered
	final   bool
	copied  bool
	over    bool
}

// Messages between source and target.
type (
	slot     struct{ kind, p int }
	helloMsg struct {
		slot
		session uint64
	}
	itemsMsg struct {
		slot
		session uint64
		items   []uint64
	}
	finMsg struct {
		slot
		session uint64
		seal    topology.Seal
	}
	okMsg struct {
		slot
		session uint64
		to      string // the message answered
	}
)

// resend is the time after which a message of a transfer is repeated.
const resend = 30 * time.Millisecond

func newPartition(n *Node, kind int, p ring.Partition, s stored) *partition {
	x := &partition{n: n, kind: kind, p: p, spec: n.c.kinds[kind], disk: s}
	x.life = vnode.NewLifecycle(n.ID, n.incarnation, 0)
	n.parts[kind][p] = x
	e := vnode.Recovered{Epoch: s.Epoch, Frozen: s.Frozen, Staged: s.Staged, Tombstone: s.Tombstone}
	if s.Staged != 0 && s.Sealed == s.Staged {
		e.Seal = s.Seal
	}
	x.take(e)
	return x
}

func (x *partition) slot() slot { return slot{x.kind, int(x.p)} }

// take lets an event happen, or wait for the disk and those before it.
func (x *partition) take(e vnode.Event) {
	x.inbox = append(x.inbox, e)
	x.run()
}

// next lets an event happen before those that wait.
func (x *partition) next(e vnode.Event) {
	x.inbox = append([]vnode.Event{e}, x.inbox...)
	x.run()
}

func (x *partition) run() {
	if x.running {
		return // further up the stack
	}
	x.running = true
	for len(x.inbox) > 0 && !x.waits && x.n.up {
		e := x.inbox[0]
		x.inbox = x.inbox[1:]
		x.step(e)
	}
	x.running = false
}

func (x *partition) step(e vnode.Event) {
	before := x.life.State()
	actions := x.life.Step(e)
	if after := x.life.State(); after != before {
		x.n.c.W.Note("%s %s/%d: %v -> %v", x.n.ID, x.spec.Name, x.p, before, after)
	}
	x.n.c.check.serving(x)
	x.n.c.hooks.stepped(x)
	for _, a := range actions {
		if x.n.up {
			x.do(a)
		}
	}
}

// store makes the partition's record durable; then the event happens, before those that wait.
func (x *partition) store(then vnode.Event) {
	if !x.spec.Volatile {
		data, err := json.Marshal(x.disk)
		if err != nil {
			panic(err) // numbers and slices of them
		}
		x.n.data.Put(diskKey(x.spec.Name, x.p), data)
	}
	switch {
	case then == nil:
	case x.spec.Volatile:
		x.next(then)
	default:
		x.waits = true
		x.n.sync(x.n.data, func() {
			x.waits = false
			x.next(then)
		})
	}
}

func (x *partition) do(action vnode.Action) {
	switch a := action.(type) {
	case vnode.AskStarting:
		var err error
		if x.n.c.W.Chance(x.n.c.refuse) {
			err = errors.New("not now")
		}
		x.later(vnode.StartAnswered{Session: a.Handoff.Session, Err: err})
	case vnode.Propose:
		x.n.report(a.Op)
	case vnode.StartSource:
		x.moving = &move{session: a.Transfer.Session, to: a.Transfer.Target}
		x.say(helloMsg{x.slot(), a.Transfer.Session})
	case vnode.BeginFold:
		x.say(itemsMsg{x.slot(), a.Handoff.Session, x.disk.Items})
	case vnode.StoreFreeze:
		x.disk.Frozen = a.Session
		x.store(vnode.FreezeStored{Session: a.Session})
	case vnode.SealSource:
		if m := x.moving; m != nil {
			m.final = true
			x.finish()
		}
	case vnode.StopSource:
		if x.moving != nil {
			x.moving.over = true
		}
		x.moving = nil
		x.later(vnode.SourceGone{Session: a.Session})
	case vnode.LiftFreeze:
		x.disk.Frozen = 0
		x.store(nil)
	case vnode.CreateStaging:
		x.createStaging(a.Transfer.Session)
	case vnode.DropStaging:
		if x.disk.Staged == a.Session {
			x.disk.Staged, x.disk.Sealed, x.disk.Seal, x.disk.Copy = 0, 0, nil, nil
			x.store(nil)
		}
	case vnode.Promote:
		x.disk.Items, x.disk.Copy = x.disk.Copy, nil
		x.disk.Epoch, x.disk.Staged, x.disk.Sealed, x.disk.Seal, x.disk.Tombstone = a.Epoch, 0, 0, nil, false
		x.store(vnode.CopyPromoted{Session: a.Session})
	case vnode.DeleteData:
		x.disk.Items = nil
		x.disk.Epoch, x.disk.Frozen, x.disk.Tombstone = a.Epoch, 0, true
		x.store(vnode.DataDeleted{Session: a.Session})
	}
}

// later lets an event happen after those that wait already.
func (x *partition) later(e vnode.Event) {
	x.n.after(0, func() { x.take(e) })
}

func (x *partition) createStaging(session uint64) {
	if session < x.disk.MaxSession {
		x.later(vnode.StagingCreated{Session: session, Err: fmt.Errorf("session %d below %d", session, x.disk.MaxSession)})
		return
	}
	x.disk.MaxSession, x.disk.Staged, x.disk.Copy = session, session, nil
	x.store(vnode.StagingCreated{Session: session})
}

// say sends the next message of the move, again and again until another one takes its place.
func (x *partition) say(msg any) {
	m := x.moving
	if m == nil {
		return
	}
	m.msg = msg
	var repeat func()
	repeat = func() {
		if m.over || !same(m.msg, msg) {
			return
		}
		x.n.send(m.to, msg)
		x.n.after(resend, repeat)
	}
	repeat()
}

func same(a, b any) bool { return fmt.Sprintf("%T", a) == fmt.Sprintf("%T", b) }

// finish sends the seal when the vnode is frozen and everything has arrived.
func (x *partition) finish() {
	if m := x.moving; m != nil && m.final && m.copied {
		s := seal(x.disk.Items)
		x.n.report(topology.SourceFrozen{Report: x.report(m.session), Seal: s})
		x.say(finMsg{x.slot(), m.session, s})
	}
}

func (x *partition) report(session uint64) topology.Report {
	return topology.Report{Session: session, Node: x.n.ID, Incarnation: x.n.incarnation}
}

// moving takes a message of a transfer.
func (n *Node) moving(from ring.NodeID, msg any) {
	at := func(s slot) *partition {
		if n.parts == nil {
			return nil
		}
		return n.parts[s.kind][s.p]
	}
	switch m := msg.(type) {
	case helloMsg:
		if x := at(m.slot); x != nil {
			x.greeted(from, m)
		}
	case itemsMsg:
		if x := at(m.slot); x != nil {
			x.received(from, m)
		}
	case finMsg:
		if x := at(m.slot); x != nil {
			x.finished(from, m)
		}
	case okMsg:
		if x := at(m.slot); x != nil {
			x.answered(m)
		}
	}
}

// greeted answers a source whose session this node stages.
func (x *partition) greeted(from ring.NodeID, m helloMsg) {
	if s, ok := x.life.State().(vnode.Staging); ok && s.Session == m.session && s.Created {
		x.n.send(from, okMsg{m.slot, m.session, "hello"})
	}
}

// received keeps the items; they are durable with the seal.
func (x *partition) received(from ring.NodeID, m itemsMsg) {
	if s, ok := x.life.State().(vnode.Staging); ok && s.Session == m.session && s.Created && x.disk.Sealed != m.session {
		x.disk.Copy = m.items
		x.n.send(from, okMsg{m.slot, m.session, "items"})
	}
}

// finished compares the copy and makes its seal durable.
func (x *partition) finished(from ring.NodeID, m finMsg) {
	switch s := x.life.State().(type) {
	case vnode.Sealed:
		if s.Session == m.session && s.Seal == m.seal {
			x.n.send(from, okMsg{m.slot, m.session, "fin"})
		}
	case vnode.Staging:
		if s.Session != m.session || !s.Created || x.disk.Sealed == m.session {
			return
		}
		if got := seal(x.disk.Copy); got != m.seal {
			x.n.report(topology.Refuse{Report: x.report(m.session), Reason: topology.ReasonDigestMismatch})
			return
		}
		x.disk.Sealed, x.disk.Seal = m.session, &m.seal
		x.store(vnode.CopySealed{Session: m.session, Seal: m.seal})
	}
}

// answered moves the sending side on.
func (x *partition) answered(m okMsg) {
	mv := x.moving
	if mv == nil || mv.session != m.session {
		return
	}
	switch {
	case m.to == "hello" && same(mv.msg, helloMsg{}):
		x.take(vnode.FoldRequested{Session: m.session})
	case m.to == "items" && same(mv.msg, itemsMsg{}) && !mv.copied:
		mv.copied = true
		mv.msg = nil
		x.n.report(topology.ReadyToSeal{Report: x.report(m.session)})
		x.finish()
	case m.to == "fin" && same(mv.msg, finMsg{}):
		mv.msg, mv.over = nil, true
		x.moving = nil
		x.take(vnode.SourceGone{Session: m.session})
	}
}

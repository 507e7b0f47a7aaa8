package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// viewWait bounds how long a target waits for a record that knows the session.
const viewWait = 500 * time.Millisecond

var errRestarted = errors.New("a later stream takes over")

// A targetStream is one stream of an incoming transfer: the shell of a Receiver.
type targetStream struct {
	n       *Node
	id      store.ID
	at      slot
	conn    conn
	session uint64
	attempt uint64
	hello   handoff.Hello
	machine *handoff.Receiver
	part    store.Partition
	out     stream
	queue   []handoff.ReceiverEvent // answers of the node come before what the network brings
	frames  []*frame
	driving bool
	working bool // an effect is under way, inside a guard
	awaits  bool // a newer record
	stop    error
	begun   bool
	over    bool
	ahead   []*targetStream // that have to end before
	// Of the checker: whose session's data a batch is, and the last one written.
	carries map[uint64]uint64
	wrote   uint64
}

// greeted begins a stream with its hello.
func (n *Node) greeted(id store.ID, f *frame) {
	hello, _ := f.event.(handoff.Hello)
	k := n.c.kindIndex(id.Kind)
	if n.damaged(f) || k < 0 {
		return
	}
	n.vnode(k, id.Partition)
	t := &targetStream{
		n: n, id: id, at: slot{k, int(id.Partition)}, conn: f.conn, session: f.Session, attempt: f.Seq, hello: hello, machine: handoff.NewReceiver(),
	}
	ahead, err := n.streams.Arrive(t.session, t.attempt)
	if err != nil {
		n.c.Counts.Fenced++
		return
	}
	for _, o := range n.incoming {
		if o.session == t.session && slices.Contains(ahead, o.attempt) {
			t.ahead = append(t.ahead, o)
		}
	}
	n.targets[t.conn] = t
	n.incoming = append(n.incoming, t)
	for _, o := range slices.Clone(t.ahead) {
		o.cancel(errRestarted)
	}
	t.begin()
}

// begin takes the hello up once no other stream of the session is at work.
func (t *targetStream) begin() {
	t.ahead = slices.DeleteFunc(t.ahead, func(o *targetStream) bool { return o.over })
	if len(t.ahead) > 0 || t.over || t.begun {
		return
	}
	t.begun = true
	e := t.hello
	e.View = t.view()
	t.drive(e)
}

// view is what this node may judge the transfer by.
func (t *targetStream) view() handoff.View {
	v := t.n.shown
	vault := t.vault()
	record, err := vault.Record(t.id)
	if err != nil {
		t.n.c.W.Failf("%s: record of %v: %v", t.n.ID, t.id, err)
	}
	staged, _ := vault.Staged(t.id)
	return handoff.NewView(t.n.ID, v.Version(), v.Part(t.id.Kind, t.id.Partition), record, staged)
}

func (t *targetStream) vault() *vault { return t.n.parts[t.at.kind][t.at.p].vault }

// receive takes a frame of the source.
func (t *targetStream) receive(f *frame) {
	t.frames = append(t.frames, f)
	t.run()
}

// cancel ends the stream as soon as no effect is under way.
func (t *targetStream) cancel(err error) {
	t.stop = err
	t.run()
}

func (t *targetStream) drive(e handoff.ReceiverEvent) {
	t.queue = append(t.queue, e)
	t.run()
}

// run lets the machine take what there is, one thing after another.
func (t *targetStream) run() {
	if t.driving {
		return
	}
	t.driving = true
	for !t.over && !t.working {
		var e handoff.ReceiverEvent
		switch {
		case len(t.queue) > 0:
			e = t.queue[0]
			t.queue = t.queue[1:]
		case t.stop != nil:
			e = handoff.StreamLost{Err: t.stop}
		case t.awaits || len(t.frames) == 0 || len(t.ahead) > 0:
			t.driving = false
			return
		default:
			e = t.event(t.frames[0])
			t.frames = t.frames[1:]
		}
		for _, a := range t.machine.Step(e) {
			t.do(a)
		}
	}
	t.driving = false
}

// event reads a frame. What a batch carries is noted for the checker.
func (t *targetStream) event(f *frame) handoff.ReceiverEvent {
	if t.n.damaged(f) {
		return handoff.StreamLost{Err: messages.ErrDamaged}
	}
	e, ok := f.event.(handoff.ReceiverEvent)
	if !ok {
		return handoff.StreamLost{Err: messages.ErrUnknownType}
	}
	if b, ok := e.(handoff.Batch); ok {
		t.n.c.check.carried(t, b.Seq, f.session)
	}
	return e
}

func (t *targetStream) do(action handoff.ReceiverAction) {
	switch a := action.(type) {
	case handoff.AwaitView:
		t.await(a.RingVersion)
	case handoff.ResetStaging:
		t.guarded(0, t.reset)
	case handoff.Apply:
		t.guarded(t.n.c.W.Between(0, t.n.c.opts.ApplyTime), func(done func(error)) { t.apply(a, done) })
	case handoff.SyncStaging:
		t.guarded(0, t.sync)
	case handoff.StoreSeal:
		t.guarded(0, func(done func(error)) {
			seal := t.n.c.hooks.seals(t, a.Seal)
			t.n.parts[t.at.kind][t.at.p].take(&sealCopy{t.session, seal, func(err error) {
				if err == nil {
					t.queue = append(t.queue, handoff.SealStored{})
				}
				done(err)
			}})
		})
	case handoff.ReportSealed:
		t.n.parts[t.at.kind][t.at.p].take(vnode.CopySealed{Session: t.session, Seal: t.n.c.hooks.seals(t, a.Seal)})
	case handoff.SendHelloOK:
		t.send(messages.TypeHandoffHelloReply, 0, handoff.HelloOK{HaveSeq: a.HaveSeq})
	case handoff.SendAck:
		t.send(messages.TypeHandoffAck, a.UpTo, handoff.Acked{UpTo: a.UpTo})
	case handoff.SendFinOK:
		t.send(messages.TypeHandoffFinReply, 0, handoff.FinOK{Seal: a.Seal})
	case handoff.SendFinBad:
		t.send(messages.TypeHandoffFinReply, 0, handoff.FinBad{Err: a.Err, Have: a.Have})
	case handoff.Reject:
		t.n.c.Counts.Fenced++
		t.send(messages.TypeHandoffHelloReply, 0, handoff.Rejected{Err: a.Err})
	case handoff.End:
		t.n.c.W.Note("%s %v stream %d of session %d ends: %v", t.n.ID, t.id, t.attempt, t.session, a.Err)
		t.end()
	}
}

// end forgets the stream and lets those begin that waited for it.
func (t *targetStream) end() {
	t.over = true
	n := t.n
	delete(n.targets, t.conn)
	n.streams.Leave(t.session, t.attempt)
	n.incoming = slices.DeleteFunc(n.incoming, func(o *targetStream) bool { return o == t })
	for _, o := range slices.Clone(n.incoming) {
		if slices.Contains(o.ahead, t) {
			o.begin()
		}
	}
}

// guarded runs a side effect inside the session (F6): admitted, then done after a while, then left. The
// machine takes nothing until then.
func (t *targetStream) guarded(after time.Duration, effect func(done func(error))) {
	g, err := t.n.sessions.Enter(t.session, "target of "+t.id.String())
	if err != nil {
		t.n.c.Counts.Fenced++
		t.queue = append(t.queue, handoff.SessionClosed{Err: err})
		return
	}
	t.working = true
	ended := false
	done := func(err error) {
		if ended {
			return
		}
		ended = true
		if err != nil {
			if errors.Is(err, store.ErrDiskFull) {
				err = errors.Join(messages.ErrNoSpace, err)
			}
			t.queue = append(t.queue, handoff.StoreFailed{Err: err})
		}
		g.Leave()
		t.working = false
		t.n.drained()
		t.run()
	}
	if after == 0 {
		effect(done)
		return
	}
	t.n.after(after, func() { effect(done) })
}

func (t *targetStream) reset(done func(error)) {
	v := t.vault()
	record, err := v.Record(t.id)
	if err == nil && record.Sealed == t.session {
		err = messages.ErrSealed
	}
	if err == nil {
		t.part, err = v.Stage(t.id, t.session)
	}
	if err == nil {
		t.n.c.check.staged(t.n.parts[t.at.kind][t.at.p], t.session)
		t.queue = append(t.queue, handoff.StagingReset{})
	}
	done(err)
}

func (t *targetStream) apply(a handoff.Apply, done func(error)) {
	var b store.Batch
	a.Items.AddTo(&b)
	t.n.c.check.applies(t, a.Seq)
	err := t.part.Write(&b)
	if err == nil {
		t.queue = append(t.queue, handoff.Applied{Seq: a.Seq})
	}
	done(err)
}

func (t *targetStream) sync(done func(error)) {
	synced := func() {
		t.queue = append(t.queue, handoff.StagingSynced{Summary: t.part.Summary()})
		done(nil)
	}
	if t.n.c.kinds[t.at.kind].Volatile {
		synced()
		return
	}
	t.n.flush(synced)
}

// await reads the record anew (F5): it comes with what the log brings.
func (t *targetStream) await(known uint64) {
	if t.n.shown.Version() > known {
		t.queue = append(t.queue, handoff.ViewApplied{View: t.view()})
		return
	}
	t.awaits = true
	t.n.after(viewWait, func() {
		if t.awaits {
			t.awaits = false
			t.drive(handoff.ViewTimedOut{})
		}
	})
}

// viewed hears of a newer record.
func (t *targetStream) viewed() {
	if t.awaits {
		t.awaits = false
		t.drive(handoff.ViewApplied{View: t.view()})
	}
}

func (t *targetStream) send(typ messages.Type, seq uint64, event handoff.SenderEvent) {
	n := t.n
	m, _ := n.shown.Member(t.conn.source)
	n.c.Net.carry(n.ID, t.conn.source, &frame{Header: messages.Header{
		Type: typ, ClusterID: n.shown.ClusterID(), From: string(n.ID), FromIncarnation: n.incarnation,
		To: string(t.conn.source), ToIncarnation: m.Incarnation, Kind: t.id.Kind, Partition: uint32(t.id.Partition),
		Session: t.session, RingVersion: n.shown.Version(), Seq: seq,
	}, conn: t.conn, event: event, session: t.session}, &t.out)
}

// drain calls then when nothing is under way any more in a session, which it closes.
func (n *Node) drain(session uint64, then func()) {
	n.drains = append(n.drains, drain{session, then})
	n.drained()
}

type drain struct {
	session uint64
	then    func()
}

// drained goes on with what waited for guards that have left.
func (n *Node) drained() {
	if len(n.drains) == 0 {
		return
	}
	now, stop := context.WithCancel(context.Background())
	stop()
	var free []drain
	n.drains = slices.DeleteFunc(n.drains, func(d drain) bool {
		if n.sessions.Drain(now, d.session) != nil {
			return false
		}
		free = append(free, d)
		return true
	})
	for _, d := range free {
		n.after(0, d.then)
	}
}

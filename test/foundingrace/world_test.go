package foundingrace_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/vnode"
)

// violation is a broken promise, found at some state.
type violation struct{ what string }

func broken(format string, args ...any) { panic(violation{fmt.Sprintf(format, args...)}) }

// universe is what all states share: the machines as automata and the words
// they exchange.
type universe struct {
	words          *vocabulary
	queues         *automaton
	lifeOf         [2]*automaton
	runner         *automaton
	sinkOf         [2]*automaton
	specs          map[pipe.ID]*pipe.Spec
	foldAtStarting bool           // the mistake, in the adapter
	lenient        bool           // look at outcomes only
	ready, empty   map[int]bool   // what queues say, by state
	keys           map[string]int // of exported items
	nothing        msg            // importItems of an empty vnode
	enqueues       [3]msg
	eois, destroys [2]msg
}

// Pipes of the explorer: A has two inputs and may lose its worker, B has one
// and may be taken down.
var (
	pipeA = pipe.ID{'A'}
	pipeB = pipe.ID{'B'}
	items = []struct {
		pipe pipe.ID
		item string
	}{{pipeA, "a1"}, {pipeA, "a2"}, {pipeB, "b1"}}
)

// side is one node: a vnode's life, its queues, its workers.
type side struct {
	life, queues int
	open         bool
	workers      []liveWorker // by instance
	parked       []msg
}

type liveWorker struct {
	id    pipe.WorkerID
	state int
	inbox []msg
}

// world is one state of everything. It is copied before every event.
type world struct {
	u       *universe
	record  record
	sides   [2]side
	sinks   [2]int
	task    uint64 // session of the sending task, 0 for none
	folding bool   // FOLD_REQ was received and the module told
	dirty   uint64 // set of exported keys, by their numbers
	staged  msg    // importItems

	acked   uint8    // enqueues acknowledged
	passed  [3]uint8 // times each input came out
	counted [3]uint8 // times each input was counted by workers that finished
	done    [2]bool
	failed  [2]bool // the pipe's worker died
	down    [2]bool // the pipe was taken down

	used    uint16     // events that happened
	moved   bool       // the flip happened
	pending []lifeStep // lifecycle events to apply
}

type lifeStep struct {
	node  int
	event msg
}

var nodes = [2]ring.NodeID{source, target}

func pipeIndex(id pipe.ID) int { return int(id[0] - 'A') }

// clone copies what apply changes.
func (w *world) clone() *world {
	c := *w
	for i := range c.sides {
		c.sides[i].workers = slices.Clone(c.sides[i].workers)
		c.sides[i].parked = slices.Clone(c.sides[i].parked)
		for j := range c.sides[i].workers {
			c.sides[i].workers[j].inbox = slices.Clone(c.sides[i].workers[j].inbox)
		}
	}
	c.pending = nil
	return &c
}

// key writes all of the state, for comparison.
func (w *world) key() string {
	b := make([]byte, 0, 128)
	num := func(n int) { b = binary.AppendUvarint(b, uint64(n)) }
	for _, s := range w.sides {
		num(s.life)
		num(s.queues)
		num(len(s.workers))
		for _, r := range s.workers {
			b = append(b, r.id.Pipe[0])
			num(int(r.id.Instance))
			num(r.state)
			num(len(r.inbox))
			for _, m := range r.inbox {
				num(int(m))
			}
		}
		num(len(s.parked))
		for _, m := range s.parked {
			num(int(m))
		}
	}
	b = append(b, w.record.owner[0], byte(w.record.stage))
	num(int(w.record.version))
	num(int(w.record.epoch))
	num(int(w.record.session))
	num(int(w.dirty))
	num(int(w.staged))
	num(w.sinks[0])
	num(w.sinks[1])
	num(int(w.task))
	num(int(w.used))
	b = append(b, w.acked)
	b = append(b, w.passed[:]...)
	b = append(b, w.counted[:]...)
	r := &w.record
	for _, f := range [...]bool{r.sourceReady, r.targetReady, r.frozen, r.sealed, r.activated, r.drained, w.folding, w.moved, w.done[0], w.done[1], w.failed[0], w.failed[1], w.down[0], w.down[1]} {
		if f {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	return string(b)
}

// Lifecycles.

// settle applies lifecycle events until none is left.
func (w *world) settle() {
	for len(w.pending) > 0 {
		p := w.pending[0]
		w.pending = w.pending[1:]
		w.life(p.node, p.event)
	}
}

func (w *world) life(n int, e msg) {
	to, actions := w.u.lifeOf[n].step(w.sides[n].life, e)
	w.sides[n].life = to
	for _, a := range actions {
		w.lifeAction(n, w.u.words.values[a].(vnode.Action))
	}
}

// later applies a lifecycle event that has no pointers, after those before it.
func (w *world) later(n int, e vnode.Event) {
	w.pending = append(w.pending, lifeStep{n, w.u.words.plain(e)})
}

// changed shows the record to both nodes.
func (w *world) changed() {
	r := w.record
	e := w.u.words.as(r, func() any { return vnode.Applied{Version: r.version, Part: r.part(), Activate: true} })
	w.pending = append(w.pending, lifeStep{0, e}, lifeStep{1, e})
}

func (w *world) propose(op topology.Op) {
	if w.record.apply(op) {
		w.changed()
	}
}

func (w *world) lifeAction(n int, a vnode.Action) {
	switch a := a.(type) {
	case vnode.Open:
		if a.Import {
			w.queuesMsg(n, w.staged)
		}
		w.sides[n].open = true
		w.queuesEvent(n, pipe.Opened{Epoch: w.record.epoch})
	case vnode.AskStarting:
		// First step. The module agrees, and nothing else may happen to it.
		if w.u.foldAtStarting {
			w.queuesEvent(n, pipe.FoldReq{Session: a.Handoff.Session})
		}
		w.later(n, vnode.StartAnswered{Session: a.Handoff.Session})
	case vnode.Propose:
		w.propose(a.Op)
	case vnode.StartSource:
		w.task = a.Transfer.Session
	case vnode.BeginFold:
		// Second step.
		w.folding = true
		w.queuesEvent(n, pipe.FoldReq{Session: a.Handoff.Session})
	case vnode.StoreFreeze:
		w.later(n, vnode.FreezeStored{Session: a.Session})
	case vnode.SealSource:
		w.sealSource(n, a.Session)
	case vnode.StopSource:
		w.task = 0
		w.later(n, vnode.SourceGone{Session: a.Session})
	case vnode.Cancelled:
		w.folding, w.dirty = false, 0
		w.queuesEvent(n, pipe.HandoffCancelled{})
	case vnode.ReplayParked:
		parked := w.sides[n].parked
		w.sides[n].parked = nil
		for _, m := range parked {
			w.command(n, m, 0)
		}
	case vnode.ForwardParked:
		parked := w.sides[n].parked
		w.sides[n].parked = nil
		for _, m := range parked {
			w.command(1-n, m, 1)
		}
	case vnode.CreateStaging:
		w.staged = w.u.nothing
		w.later(n, vnode.StagingCreated{Session: a.Transfer.Session})
	case vnode.DropStaging:
		w.staged = w.u.nothing
	case vnode.Promote:
		w.later(n, vnode.CopyPromoted{Session: a.Session})
	case vnode.DeleteData:
		if len(w.sides[n].workers) > 0 {
			broken("data deleted at %s under %d workers", nodes[n], len(w.sides[n].workers))
		}
		w.sides[n].open = false
		w.later(n, vnode.DataDeleted{Session: a.Session})
	case vnode.LiftFreeze, vnode.Finished:
	default:
		broken("unexpected action %T", a)
	}
}

// sealSource is the last round: everything dirty is read in its final form and
// sent, and both sides report.
func (w *world) sealSource(n int, session uint64) {
	w.queuesEvent(n, pipe.Seal{})
	w.dirty, w.staged = 0, w.u.export(w.sides[n].queues, w.dirty)
	w.propose(topology.SourceFrozen{})
	w.later(1-n, vnode.CopySealed{Session: session, Seal: seal})
}

// exporting names an export: which keys in which state.
type exporting struct {
	queues int
	dirty  uint64
}

// export reads items as the queues' state has them.
func (u *universe) export(queues int, dirty uint64) msg {
	return u.words.as(exporting{queues, dirty}, func() any {
		var all importItems
		m := u.queues.at(queues).(*queuesMachine)
		for _, k := range slices.Sorted(maps.Keys(u.keys)) {
			if dirty&(1<<u.keys[k]) == 0 {
				continue
			}
			if v, ok := m.q.ExportItem([]byte(k)); ok {
				all.keys = append(all.keys, k)
				all.values = append(all.values, string(v))
			}
		}
		return all
	})
}

// Commands.

// command brings a message for the partition to a node's vnode, as the
// lifecycle there admits it.
func (w *world) command(n int, m msg, hop uint8) {
	to, verdict := w.u.lifeOf[n].step(w.sides[n].life, w.u.words.plain(admit{w.record.version, hop}))
	w.sides[n].life = to
	switch v := w.u.words.values[verdict[0]].(vnode.Verdict); v {
	case vnode.Serve, vnode.ServeMoving:
		w.queuesMsg(n, m)
	case vnode.Park:
		w.sides[n].parked = append(w.sides[n].parked, m)
	case vnode.ForwardNow, vnode.WrongOwner:
		w.command(1-n, m, hop+1)
	default:
		broken("verdict %v", v)
	}
}

// send brings a message to the partition's owner by the record.
func (w *world) send(m msg) {
	n := 0
	if w.record.owner == target {
		n = 1
	}
	w.command(n, m, 0)
	w.settle()
}

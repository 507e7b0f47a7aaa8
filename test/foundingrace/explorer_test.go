package foundingrace_test

import (
	"fmt"
	"math/bits"
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/vnode"
)

// variant says which of the destructive events are among those ordered.
type variant struct {
	name       string
	exit, down bool
}

var variants = []variant{
	{name: "nobody dies"},
	{name: "worker exits", exit: true},
	{name: "fitting goes down", down: true},
	{name: "both", exit: true, down: true},
}

// Events that happen at most once.
const (
	evEnqueue      = iota // three of them
	evEOI          = 3
	evExit         = 4
	evDown         = 5
	evCancelBefore = 6
	evCancelAfter  = 7
	evGiveUp       = 8 // no other attempt after a cancel
)

// choice is one event that may happen next.
type choice struct {
	name string
	do   func(*world)
}

func newUniverse(reg *pipe.Registry) *universe {
	words := newVocabulary()
	u := &universe{
		words: words, ready: make(map[int]bool), empty: make(map[int]bool), keys: make(map[string]int),
		specs: make(map[pipe.ID]*pipe.Spec), nothing: words.id(importItems{}),
	}
	u.queues = newAutomaton(words, func() machine {
		return &queuesMachine{q: pipe.NewQueues(pipe.QueuesOptions{Partition: where, GiveItems: 1})}
	})
	u.runner = newAutomaton(words, func() machine { return &runnerMachine{reg: reg} })
	for i, n := range nodes {
		u.lifeOf[i] = newAutomaton(words, func() machine { return &lifeMachine{vnode.NewLifecycle(n, 1, 0)} })
	}
	for p, id := range []pipe.ID{pipeA, pipeB} {
		spec := &pipe.Spec{
			ID: id, RingSize: 8, Fittings: []pipe.Fitting{{Name: "tally", Worker: "tally", Route: pipe.Constant(where)}},
			Coordinator: pipe.Address{Node: "c", Incarnation: 1, Endpoint: 1},
			Sink:        pipe.Address{Node: "c", Incarnation: 1, Endpoint: 2},
		}
		u.specs[id] = spec
		u.eois[p] = words.id(&pipe.EOI{Pipe: id, Partition: where, Coordinator: spec.Coordinator})
		u.destroys[p] = words.id(&pipe.Destroy{Pipe: id, Partition: where, ReplyTo: spec.Coordinator})
		u.sinkOf[p] = newAutomaton(words, func() machine {
			s := pipe.NewSink(pipe.SinkOptions{Spec: spec})
			s.Step(pipe.Want{Batches: 1 << 20})
			return &sinkMachine{s}
		})
	}
	for i, it := range items {
		u.enqueues[i] = words.id(&pipe.Enqueue{
			Pipe: it.pipe, Partition: where, Stream: pipe.Stream{Fitting: pipe.Input, From: uint64(i)}, Seq: 1,
			Coordinator: u.specs[it.pipe].Coordinator, ReplyTo: pipe.Address{Node: "c", Incarnation: 1, Endpoint: 3},
			Batch: pipe.BatchOf([]byte(it.item)),
		})
	}
	return u
}

func registry(t *testing.T) *pipe.Registry {
	t.Helper()
	reg := pipe.NewRegistry()
	err := reg.AddWorker("tally", pipe.FactoryFunc(func(pipe.WorkerContext) (pipe.Worker, error) {
		return &tally{counts: make(map[string]int)}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return reg
}

// begin is the state before anything: the source owns the partition.
func (u *universe) begin() *world {
	w := &world{u: u, staged: u.nothing, record: record{version: 1, owner: source, epoch: 1}}
	w.changed()
	w.settle()
	return w
}

func (w *world) happened(ev int) bool { return w.used&(1<<ev) != 0 }

// choices lists what may happen next, always in the same order.
func (w *world) choices(v variant) []choice {
	var all []choice
	once := func(ev int, name string, enabled bool, do func(*world)) {
		if enabled && !w.happened(ev) {
			all = append(all, choice{name, func(w *world) {
				w.used |= 1 << ev
				do(w)
			}})
		}
	}
	for i := range items {
		once(evEnqueue+i, "enqueue "+items[i].item, true, func(w *world) { w.send(w.u.enqueues[i]) })
	}
	once(evEOI, "end of inputs", true, func(w *world) { w.send(w.u.eois[0]) })
	n, id, alive := w.workerOf(pipeA)
	once(evExit, "worker exits", v.exit && alive, func(w *world) { w.exit(n, id) })
	once(evDown, "fitting goes down", v.down, func(w *world) { w.takeDown(pipeB) })
	once(evCancelBefore, "cancel before FOLD_REQ", w.task != 0 && !w.folding, (*world).cancel)
	once(evCancelAfter, "cancel after FOLD_REQ", w.folding && !w.moved, (*world).cancel)
	idle := w.record.stage == 0 && !w.moved && !w.happened(evGiveUp)
	once(evGiveUp, "no other attempt", idle && (w.happened(evCancelBefore) || w.happened(evCancelAfter)), func(*world) {})
	all = append(all, w.steps()...)
	for _, r := range w.turns() {
		all = append(all, choice{fmt.Sprintf("turn of worker %c at %s", r.id.Pipe[0], nodes[r.node]), func(w *world) { w.turn(r) }})
	}
	return all
}

// steps lists how the handoff may go on.
func (w *world) steps() []choice {
	switch {
	case w.record.stage == 0 && !w.moved && !w.happened(evGiveUp):
		return []choice{{"handoff_starting", func(w *world) {
			w.record.open()
			w.changed()
			w.settle()
		}}}
	case w.task != 0 && w.record.stage == topology.StageFold && !w.folding:
		return []choice{{"FOLD_REQ", func(w *world) {
			w.later(0, vnode.FoldRequested{Session: w.task})
			w.settle()
			if !w.folding {
				broken("FOLD_REQ was not heard")
			}
		}}}
	case w.readyToSeal():
		return []choice{{"freeze", func(w *world) {
			w.propose(topology.ReadyToSeal{})
			w.settle()
		}}}
	case w.record.mayFlip():
		return []choice{{"flip", func(w *world) {
			w.record.flip()
			w.moved, w.folding = true, false
			w.changed()
			w.settle()
		}}}
	}
	return nil
}

type turnOf struct {
	node int
	id   pipe.WorkerID
}

// turns lists the workers that have something to read.
func (w *world) turns() []turnOf {
	var all []turnOf
	for n, s := range w.sides {
		for _, r := range s.workers {
			if len(r.inbox) > 0 {
				all = append(all, turnOf{n, r.id})
			}
		}
	}
	return all
}

// turn lets a worker read one message: it processes an input and asks
// next_input, or archives, or finishes.
func (w *world) turn(t turnOf) {
	r := w.worker(t.node, t.id)
	m := r.inbox[0]
	r.inbox = r.inbox[1:]
	w.runnerStep(t.node, t.id, m)
	w.settle()
}

func (w *world) takeDown(id pipe.ID) {
	w.down[pipeIndex(id)] = true
	w.send(w.u.destroys[pipeIndex(id)])
}

func (w *world) workerOf(id pipe.ID) (int, pipe.WorkerID, bool) {
	for n, s := range w.sides {
		for _, r := range s.workers {
			if r.id.Pipe == id {
				return n, r.id, true
			}
		}
	}
	return 0, pipe.WorkerID{}, false
}

// exit kills a worker with all it holds.
func (w *world) exit(n int, id pipe.WorkerID) {
	w.failed[pipeIndex(id.Pipe)] = true
	w.remove(n, id)
	w.queuesMsg(n, w.u.words.as(id, func() any { return &pipe.WorkerExited{Worker: id} }))
	w.settle()
}

func (w *world) cancel() {
	w.record.abort()
	w.changed()
	w.settle()
}

// explorer walks through all orders.
type explorer struct {
	variant variant
	paths   map[string]uint64 // orders from a state on
	trail   []string
	depth   int
}

// count returns the number of orders of what may still happen.
func (x *explorer) count(w *world) uint64 {
	key := w.key()
	if n, ok := x.paths[key]; ok {
		return n
	}
	x.depth = max(x.depth, len(x.trail))
	var total uint64
	choices := w.choices(x.variant)
	for _, c := range choices {
		next := w.clone()
		x.trail = append(x.trail, c.name)
		c.do(next)
		n, carry := bits.Add64(total, x.count(next), 0)
		if carry != 0 {
			broken("more orders than can be counted")
		}
		total = n
		x.trail = x.trail[:len(x.trail)-1]
	}
	if len(choices) == 0 {
		w.clone().finish(x)
		total = 1
	}
	x.paths[key] = total
	return total
}

// finish checks a state in which everything has happened: the handoff has
// ended, and after the end of inputs the results are right.
func (w *world) finish(x *explorer) {
	owner := 0
	if w.moved {
		owner = 1
	}
	if w.record.stage != 0 || w.moved == w.happened(evGiveUp) || len(w.sides[1-owner].workers) > 0 {
		broken("the handoff did not end: stage %v, %d workers where it came from", w.record.stage, len(w.sides[1-owner].workers))
	}
	for i, it := range items {
		p := pipeIndex(it.pipe)
		if w.acked&(1<<i) == 0 && !w.failed[p] && !w.down[p] {
			broken("%s was never acknowledged", it.item)
		}
	}
	for _, id := range []pipe.ID{pipeA, pipeB} {
		w.done[pipeIndex(id)] = false
		w.send(w.u.eois[pipeIndex(id)])
		for t := w.turns(); len(t) > 0; t = w.turns() {
			w.turn(t[0])
		}
	}
	for i, it := range items {
		p := pipeIndex(it.pipe)
		exact := !w.failed[p] && !w.down[p]
		if exact && !w.done[p] {
			broken("pipe %c is not done", it.pipe[0])
		}
		if w.passed[i] > 1 || w.counted[i] > 1 || exact && (w.passed[i] != 1 || w.counted[i] != 1) {
			broken("%s came out %d times and was counted %d times", it.item, w.passed[i], w.counted[i])
		}
	}
	for _, id := range []pipe.ID{pipeA, pipeB} {
		w.takeDown(id)
	}
	if !w.u.queuesSay(w.u.empty, w.sides[owner].queues, (*pipe.Queues).Empty) || len(w.sides[owner].workers) > 0 {
		broken("something is left of the pipes")
	}
}

// explore runs all orders of a variant. The error is the first broken promise
// with the order that led to it.
func explore(u *universe, v variant) (orders uint64, x *explorer, err error) {
	x = &explorer{variant: v, paths: make(map[string]uint64)}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case violation:
			err = fmt.Errorf("%s, after: %s", p.what, strings.Join(x.trail, "; "))
		default:
			err = fmt.Errorf("panic: %v, after: %s\n%s", p, strings.Join(x.trail, "; "), debug.Stack())
		}
	}()
	return x.count(u.begin()), x, nil
}

// TestExplorer (T-E1, T-A21, T-E2, T-E3, T-E4, T-E5): every order of the events
// named in doc.go keeps every promise.
func TestExplorer(t *testing.T) {
	began := time.Now()
	reg := registry(t)
	var total uint64
	u := newUniverse(reg)
	for _, v := range variants {
		orders, x, err := explore(u, v)
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		t.Logf("%s: %d interleavings of up to %d events through %d states", v.name, orders, x.depth, len(x.paths))
		total += orders
	}
	t.Logf("%d interleavings in all, %v", total, time.Since(began).Round(time.Millisecond))
}

// TestExplorer_adapterMutant: the explorer finds the mistake that it is for,
// when the adapter makes it: the module hears FOLD_REQ at handoff_starting. It
// finds it by the order of events, and by its outcome alone.
func TestExplorer_adapterMutant(t *testing.T) {
	for _, lenient := range []bool{false, true} {
		u := newUniverse(registry(t))
		u.foldAtStarting, u.lenient = true, lenient
		_, _, err := explore(u, variants[0])
		if err == nil {
			t.Fatalf("the mistake was not found, lenient %v", lenient)
		}
		t.Logf("found: %v", err)
	}
}

// TestExplorer_buildMutant: it finds the mistake in package vnode.
func TestExplorer_buildMutant(t *testing.T) {
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("needs the go command")
	}
	out, err := exec.Command(tool, "test", "-count=1", "-tags=mutant_fold_at_starting", "-run=^TestExplorer$", ".").CombinedOutput()
	if !strings.Contains(string(out), "--- FAIL: TestExplorer ") {
		t.Fatalf("the mutant passes, or does not build: %v\n%s", err, out)
	}
}

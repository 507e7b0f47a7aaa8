package pipe_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
)

// world composes the machines into one running pipe, without any shell: a bag
// of messages between nodes that the test may lose, repeat and reorder, and
// reliable queues between a vnode and its workers.
type world struct {
	reg     *pipe.Registry
	spec    *pipe.Spec
	vnodes  []*vnode // current owner by partition
	bag     []letter
	clients []*client
	coord   *pipe.Coordinator
	sink    *pipe.Sink
	results []string
	outcome *pipe.Finished
	closing *pipe.Complete
	ended   bool
	traces  []pipe.Traced
	limit   int // of workers at a partition
	moves   int // handoffs committed
	cancels int
	choose  func(n int) int // 0..n-1
}

// letter is one message on the network.
type letter struct {
	to  destination
	msg any
}

type destination struct {
	kind      string // vnode, client, coordinator, sink
	partition ring.Partition
	client    uint64
}

// vnode is one owner's copy of a partition.
type vnode struct {
	partition ring.Partition
	epoch     uint64
	q         *pipe.Queues
	inbox     []pipe.QueuesEvent
	workers   map[pipe.WorkerID]*runner
	moving    bool
	dirty     map[string]bool
	staged    map[string][]byte
}

type runner struct {
	id    pipe.WorkerID
	r     *pipe.Runner
	inbox []pipe.RunnerEvent
}

type client struct {
	from uint64
	out  *pipe.Outbox
	todo []string
	told bool
}

func newWorld(spec *pipe.Spec, reg *pipe.Registry, inputs [][]string, choose func(int) int) *world {
	return newLimitedWorld(spec, reg, inputs, choose, 0)
}

// newLimitedWorld is newWorld with so many workers at a partition at a time.
func newLimitedWorld(spec *pipe.Spec, reg *pipe.Registry, inputs [][]string, choose func(int) int, limit int) *world {
	w := &world{spec: spec, reg: reg, choose: choose, limit: limit}
	for p := range spec.RingSize {
		w.vnodes = append(w.vnodes, w.open(ring.Partition(p), 1, nil))
	}
	w.coord = pipe.NewCoordinator(pipe.CoordinatorOptions{Spec: spec})
	w.sink = pipe.NewSink(pipe.SinkOptions{Spec: spec})
	for i, in := range inputs {
		out, err := pipe.NewOutbox(pipe.OutboxOptions{
			Spec:    spec,
			Stream:  pipe.Stream{Fitting: pipe.Input, From: uint64(i), Attempt: 1},
			ReplyTo: pipe.Address{Node: "client", Endpoint: uint64(i) + 1}, Window: 2,
		}, reg)
		if err != nil {
			panic(err)
		}
		w.clients = append(w.clients, &client{from: uint64(i), out: out, todo: in})
	}
	w.coordinator(pipe.EndOfInputs{Senders: len(inputs)})
	return w
}

// open makes a new owner of a partition from what was staged.
func (w *world) open(p ring.Partition, epoch uint64, staged map[string][]byte) *vnode {
	v := &vnode{
		partition: p, epoch: epoch, workers: make(map[pipe.WorkerID]*runner),
		q: pipe.NewQueues(pipe.QueuesOptions{Partition: p, GiveItems: 4, MaxWorkers: w.limit, Trace: true}),
	}
	for _, k := range slices.Sorted(maps.Keys(staged)) {
		if err := v.q.Import([]byte(k), staged[k]); err != nil {
			panic(err)
		}
	}
	w.queues(v, pipe.Opened{Epoch: epoch})
	return v
}

func (w *world) post(to destination, msg any) { w.bag = append(w.bag, letter{to, msg}) }

// reply addresses an answer to a sender of items.
func (w *world) reply(to pipe.Address, from pipe.Stream, msg any) {
	if to.IsZero() {
		w.post(destination{kind: "vnode", partition: ring.Partition(from.From)}, msg)
	} else {
		w.post(destination{kind: "client", client: to.Endpoint - 1}, msg)
	}
}

func (w *world) queues(v *vnode, e pipe.QueuesEvent) {
	for _, a := range v.q.Step(e) {
		w.queuesAction(v, a)
	}
}

func (w *world) queuesAction(v *vnode, a pipe.QueuesAction) {
	switch a := a.(type) {
	case *pipe.Ack:
		w.reply(a.To, a.Stream, a)
	case *pipe.Refuse:
		w.reply(a.To, a.Stream, a)
	case *pipe.SpecRequest, *pipe.Done, *pipe.Failed, *pipe.Destroyed:
		w.post(destination{kind: "coordinator"}, a)
	case *pipe.StartWorker:
		r, actions := pipe.NewRunner(a, w.reg, pipe.RunnerOptions{Window: 2})
		v.workers[a.Worker] = &runner{id: a.Worker, r: r}
		w.runnerActions(v, a.Worker, actions)
	case *pipe.Give:
		v.tell(a.Worker, a)
	case *pipe.GiveArchives:
		v.tell(a.Worker, a)
	case pipe.GiveProbe:
		v.tell(a.Worker, a)
	case pipe.GiveDone:
		v.tell(a.Worker, a)
	case pipe.OrderArchive:
		if !v.moving {
			panic("archive ordered before FOLD_REQ")
		}
		v.tell(a.Worker, a)
	case pipe.Park:
		v.tell(a.Worker, a)
	case pipe.StopWorker:
		delete(v.workers, a.Worker)
	case pipe.Traced:
		w.traces = append(w.traces, a)
	case pipe.Dirty:
		if !v.moving {
			panic("dirty outside of a handoff")
		}
		v.dirty[string(a.Key)] = true
	}
}

func (v *vnode) tell(w pipe.WorkerID, e pipe.RunnerEvent) {
	if r := v.workers[w]; r != nil {
		r.inbox = append(r.inbox, e)
	}
}

func (w *world) runnerActions(v *vnode, id pipe.WorkerID, actions []pipe.RunnerAction) {
	for _, a := range actions {
		switch a := a.(type) {
		case pipe.NextInput:
			v.inbox = append(v.inbox, a)
		case *pipe.Archived:
			v.inbox = append(v.inbox, a)
			delete(v.workers, id)
		case *pipe.WorkerDone:
			v.inbox = append(v.inbox, a)
			delete(v.workers, id)
		case *pipe.WorkerExited:
			v.inbox = append(v.inbox, a)
			delete(v.workers, id)
		case *pipe.WorkerFault:
			v.inbox = append(v.inbox, a)
		case *pipe.WorkerQuiet:
			v.inbox = append(v.inbox, a)
		case pipe.Transmit:
			w.transmit(a)
		}
	}
}

func (w *world) transmit(t pipe.Transmit) {
	to := destination{kind: "vnode", partition: t.Enqueue.Partition}
	if t.ToSink {
		to = destination{kind: "sink"}
	}
	w.post(to, t.Enqueue)
}

func (w *world) coordinator(e pipe.CoordinatorEvent) {
	if w.ended {
		if e, ok := e.(*pipe.SpecRequest); ok {
			w.post(destination{kind: "vnode", partition: e.Partition}, &pipe.SpecGone{Partition: e.Partition, Pipe: e.Pipe})
		}
		return
	}
	for _, a := range w.coord.Step(e) {
		switch a := a.(type) {
		case *pipe.SpecKnown:
			w.post(destination{kind: "vnode", partition: a.Partition}, a)
		case *pipe.SpecGone:
			w.post(destination{kind: "vnode", partition: a.Partition}, a)
		case *pipe.EOI:
			w.post(destination{kind: "vnode", partition: a.Partition}, a)
		case *pipe.Destroy:
			w.post(destination{kind: "vnode", partition: a.Partition}, a)
		case *pipe.SinkEnd:
			w.post(destination{kind: "sink"}, a)
		case *pipe.Finished:
			w.outcome = a
		case pipe.Ended:
			w.ended = true
		}
	}
}

func (w *world) sinkStep(e pipe.SinkEvent) {
	for _, a := range w.sink.Step(e) {
		switch a := a.(type) {
		case pipe.Deliver:
			for item := range a.Batch.All() {
				w.results = append(w.results, string(item))
			}
		case *pipe.Ack:
			w.reply(a.To, a.Stream, a)
		case *pipe.Refuse:
			w.reply(a.To, a.Stream, a)
		case *pipe.SinkDone:
			w.post(destination{kind: "coordinator"}, a)
		case *pipe.Complete:
			w.closing = a
		}
	}
}

func (w *world) clientStep(c *client, actions []pipe.OutboxAction) {
	for _, a := range actions {
		switch a := a.(type) {
		case pipe.Transmit:
			w.transmit(a)
		case pipe.Lost:
			w.coordinator(pipe.Cancel{Cause: pipe.ErrLost})
		}
	}
	if len(c.todo) == 0 && c.out.Idle() && !c.told {
		c.told = true
		w.coordinator(&pipe.SenderDone{Pipe: w.spec.ID, From: c.from, Sent: c.out.Sent()})
	}
}

// deliver hands one message to whoever it is for now.
func (w *world) deliver(l letter) {
	switch l.to.kind {
	case "coordinator":
		w.coordinator(l.msg.(pipe.CoordinatorEvent))
	case "sink":
		w.sinkStep(l.msg.(pipe.SinkEvent))
	case "client":
		c := w.clients[l.to.client]
		w.clientStep(c, c.out.Step(l.msg.(pipe.OutboxEvent)))
	case "vnode":
		v := w.vnodes[l.to.partition]
		if e, ok := l.msg.(pipe.QueuesEvent); ok {
			w.queues(v, e)
			return
		}
		e := l.msg.(pipe.RunnerEvent)
		for _, r := range v.sorted() {
			r.inbox = append(r.inbox, e)
		}
	}
}

func (v *vnode) sorted() []*runner {
	return slices.SortedFunc(maps.Values(v.workers), func(a, b *runner) int {
		return int(a.id.Instance) - int(b.id.Instance)
	})
}

// take removes the i-th message of the bag; the rest keeps its order.
func (w *world) take(i int) letter {
	l := w.bag[i]
	w.bag = slices.Delete(w.bag, i, i+1)
	return l
}

// localWork lists what vnodes and workers have in their inboxes.
func (w *world) localWork() []func() {
	var all []func()
	for _, v := range w.vnodes {
		if len(v.inbox) > 0 {
			all = append(all, func() {
				e := v.inbox[0]
				v.inbox = v.inbox[1:]
				w.queues(v, e)
			})
		}
		for _, r := range v.sorted() {
			if len(r.inbox) > 0 {
				all = append(all, func() {
					e := r.inbox[0]
					r.inbox = r.inbox[1:]
					w.runnerActions(v, r.id, r.r.Step(e))
				})
			}
		}
	}
	return all
}

func (w *world) tick(p ring.Partition) {
	v := w.vnodes[p]
	w.queues(v, pipe.Tick{})
	for _, r := range v.sorted() {
		r.inbox = append(r.inbox, pipe.Tick{})
	}
}

func (w *world) tickRest() {
	for _, c := range w.clients {
		w.clientStep(c, c.out.Step(pipe.Tick{}))
	}
	w.coordinator(pipe.Tick{})
}

func (w *world) feed(c *client) {
	if len(c.todo) == 0 || c.out.Blocked() {
		return
	}
	if err := c.out.Emit([]byte(c.todo[0])); err != nil {
		panic(err)
	}
	c.todo = c.todo[1:]
	w.clientStep(c, c.out.Flush())
}

// fold is FOLD_REQ at the partition's owner.
func (w *world) fold(v *vnode) {
	if v.moving {
		return
	}
	v.moving, v.dirty, v.staged = true, make(map[string]bool), make(map[string][]byte)
	w.queues(v, pipe.FoldReq{Session: v.epoch})
}

// copyDirty sends what is dirty to the target's staging area.
func (v *vnode) copyDirty() {
	for _, k := range slices.Sorted(maps.Keys(v.dirty)) {
		if b, ok := v.q.ExportItem([]byte(k)); ok {
			v.staged[k] = bytes.Clone(b)
		} else {
			delete(v.staged, k)
		}
	}
	clear(v.dirty)
}

// flip freezes the vnode, copies the rest and opens the new owner.
func (w *world) flip(v *vnode) {
	if !v.moving || !v.q.ExportReady() {
		return
	}
	w.queues(v, pipe.Seal{})
	v.copyDirty()
	w.moves++
	w.vnodes[v.partition] = w.open(v.partition, v.epoch+1, v.staged)
}

func (w *world) cancel(v *vnode) {
	if v.moving {
		if v.q.ExportReady() && w.choose(2) == 0 {
			w.queues(v, pipe.Seal{}) // a freeze does not make it too late
		}
		v.moving = false
		w.cancels++
		w.queues(v, pipe.HandoffCancelled{})
	}
}

// calm lets everything end: nothing is lost any more and time passes. At the
// end no partition remembers the pipe.
func (w *world) calm(t interface{ Fatalf(string, ...any) }) {
	for round := 0; round < 3000; round++ {
		for _, v := range w.vnodes {
			w.flip(v)
		}
		for _, c := range w.clients {
			w.feed(c)
		}
		w.sinkStep(pipe.Want{Batches: 4})
		for len(w.bag) > 0 {
			w.deliver(w.take(0))
		}
		for work := w.localWork(); len(work) > 0; work = w.localWork() {
			work[0]()
		}
		if w.ended && len(w.bag) == 0 && w.forgotten() {
			return
		}
		for p := range w.vnodes {
			w.tick(ring.Partition(p))
		}
		w.tickRest()
	}
	t.Fatalf("the pipe did not end: %+v", w.coord.Progress())
}

func (w *world) forgotten() bool {
	for _, v := range w.vnodes {
		if !v.q.Empty() || len(v.workers) > 0 {
			return false
		}
	}
	return true
}

// tally is a worker that counts items and emits the counts when done.
type tally struct {
	counts map[string]int
	passOn bool
}

func (s *tally) Process(item []byte, out pipe.Output) error {
	s.counts[string(item)]++
	if s.passOn {
		out.Emit(item)
	}
	return nil
}

func (s *tally) Done(out pipe.Output) error {
	for _, k := range slices.Sorted(maps.Keys(s.counts)) {
		out.Emit(fmt.Appendf(nil, "%s=%d", k, s.counts[k]))
	}
	return nil
}

func (s *tally) Archive() ([]byte, error) { return json.Marshal(s.counts) }

func (s *tally) Restore(b []byte) error {
	var other map[string]int
	if err := json.Unmarshal(b, &other); err != nil {
		return err
	}
	for k, n := range other {
		s.counts[k] += n
	}
	return nil
}

func testRegistry(t testing.TB) *pipe.Registry {
	t.Helper()
	reg := pipe.NewRegistry()
	add := func(name string, f pipe.Factory) {
		if err := reg.AddWorker(name, f); err != nil {
			t.Fatal(err)
		}
	}
	add("double", pipe.Transform(func(item []byte, out pipe.Output) error {
		out.Emit(append([]byte("x"), item...))
		out.Emit(append([]byte("y"), item...))
		return nil
	}))
	add("tally", pipe.FactoryFunc(func(pipe.WorkerContext) (pipe.Worker, error) {
		return &tally{counts: make(map[string]int)}, nil
	}))
	add("pass-tally", pipe.FactoryFunc(func(pipe.WorkerContext) (pipe.Worker, error) {
		return &tally{counts: make(map[string]int), passOn: true}, nil
	}))
	add("poison", pipe.Transform(func(item []byte, out pipe.Output) error {
		if strings.Contains(string(item), "poison") {
			panic("swallowed " + string(item))
		}
		out.Emit(item)
		return nil
	}))
	return reg
}

func testSpec(fittings ...pipe.Fitting) *pipe.Spec {
	return &pipe.Spec{
		ID: pipe.ID{1, 2, 3}, RingSize: 8, Fittings: fittings,
		Coordinator: pipe.Address{Node: "n1", Incarnation: 1, Endpoint: 20},
		Sink:        pipe.Address{Node: "n1", Incarnation: 1, Endpoint: 21},
	}
}

package foundingrace_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/pipe"
)

// queuesEvent is queuesMsg for an event that has no pointers.
func (w *world) queuesEvent(n int, e pipe.QueuesEvent) { w.queuesMsg(n, w.u.words.plain(e)) }

func (w *world) queuesMsg(n int, m msg) {
	to, actions := w.u.queues.step(w.sides[n].queues, m)
	w.sides[n].queues = to
	for _, a := range actions {
		w.queuesAction(n, a)
	}
}

func (w *world) queuesAction(n int, m msg) {
	switch a := w.u.words.values[m].(type) {
	case *pipe.Ack:
		w.acked |= 1 << a.Stream.From
	case *pipe.SpecRequest:
		w.queuesMsg(n, w.u.words.id(&pipe.SpecKnown{Partition: where, Spec: w.u.specs[a.Pipe]}))
	case *pipe.StartWorker:
		state, actions := w.u.runner.step(0, m)
		w.sides[n].workers = append(w.sides[n].workers, liveWorker{id: a.Worker, state: state})
		w.runnerActions(n, a.Worker, actions)
	case *pipe.Give:
		w.tell(n, a.Worker, m)
	case *pipe.GiveArchives:
		w.tell(n, a.Worker, m)
	case pipe.GiveDone:
		w.tell(n, a.Worker, m)
	case pipe.OrderArchive:
		if !w.folding && !w.u.lenient {
			broken("archive ordered before FOLD_REQ")
		}
		w.tell(n, a.Worker, m)
	case pipe.StopWorker:
		w.remove(n, a.Worker)
	case pipe.Dirty:
		if !w.folding && !w.u.lenient {
			broken("exported before FOLD_REQ")
		}
		k, ok := w.u.keys[string(a.Key)]
		if !ok {
			k = len(w.u.keys)
			w.u.keys[string(a.Key)] = k
		}
		w.dirty |= 1 << k
	case *pipe.Done:
		w.done[pipeIndex(a.Pipe)] = true
	case *pipe.Failed:
		if !w.failed[pipeIndex(a.Pipe)] {
			broken("worker failed: %s", a.Cause)
		}
	case *pipe.Destroyed:
	default:
		broken("unexpected action %T", a)
	}
}

func (w *world) worker(n int, id pipe.WorkerID) *liveWorker {
	for i := range w.sides[n].workers {
		if w.sides[n].workers[i].id == id {
			return &w.sides[n].workers[i]
		}
	}
	return nil
}

func (w *world) tell(n int, id pipe.WorkerID, m msg) {
	if r := w.worker(n, id); r != nil {
		r.inbox = append(r.inbox, m)
	}
}

func (w *world) remove(n int, id pipe.WorkerID) {
	w.sides[n].workers = slices.DeleteFunc(w.sides[n].workers, func(r liveWorker) bool { return r.id == id })
}

func (w *world) runnerStep(n int, id pipe.WorkerID, m msg) {
	r := w.worker(n, id)
	if r == nil {
		return
	}
	to, actions := w.u.runner.step(r.state, m)
	r.state = to
	w.runnerActions(n, id, actions)
}

func (w *world) runnerActions(n int, id pipe.WorkerID, actions []msg) {
	for _, m := range actions {
		switch a := w.u.words.values[m].(type) {
		case pipe.NextInput:
			w.queuesMsg(n, m)
		case *pipe.Archived, *pipe.WorkerDone:
			w.remove(n, id)
			w.queuesMsg(n, m)
		case *pipe.WorkerExited:
			broken("worker exited: %v", a.Err)
		case pipe.Transmit:
			w.toSink(n, id, pipeIndex(a.Enqueue.Pipe), w.u.words.enqueueOf(m))
		}
	}
}

// toSink delivers a worker's output at once.
func (w *world) toSink(n int, id pipe.WorkerID, p int, e msg) {
	to, actions := w.u.sinkOf[p].step(w.sinks[p], e)
	w.sinks[p] = to
	for _, m := range actions {
		switch a := w.u.words.values[m].(type) {
		case pipe.Deliver:
			for item := range a.Batch.All() {
				w.result(string(item))
			}
		case *pipe.Ack:
			w.runnerStep(n, id, m)
		default:
			broken("sink says %T", a)
		}
	}
}

func (w *world) result(s string) {
	name, count, totals := strings.Cut(s, "=")
	for i, it := range items {
		switch {
		case it.item != name:
		case totals:
			w.counted[i] += count[0] - '0'
		default:
			w.passed[i]++
		}
	}
}

// readyToSeal reports whether the source's queues have no live worker left.
func (w *world) readyToSeal() bool {
	if !w.folding || w.record.stage != topology.StageFold {
		return false
	}
	return w.u.queuesSay(w.u.ready, w.sides[0].queues, (*pipe.Queues).ExportReady)
}

// queuesSay asks the queues in a state, once per state.
func (u *universe) queuesSay(known map[int]bool, state int, ask func(*pipe.Queues) bool) bool {
	answer, ok := known[state]
	if !ok {
		answer = ask(u.queues.at(state).(*queuesMachine).q)
		known[state] = answer
	}
	return answer
}

// tally passes items on, and counts them until it is done.
type tally struct{ counts map[string]int }

func (t *tally) Process(item []byte, out pipe.Output) error {
	t.counts[string(item)]++
	out.Emit(item)
	return nil
}

func (t *tally) Done(out pipe.Output) error {
	for _, k := range slices.Sorted(maps.Keys(t.counts)) {
		out.Emit(fmt.Appendf(nil, "%s=%d", k, t.counts[k]))
	}
	return nil
}

func (t *tally) Archive() ([]byte, error) {
	var b []byte
	for _, k := range slices.Sorted(maps.Keys(t.counts)) {
		b = fmt.Appendf(b, "%s=%d;", k, t.counts[k])
	}
	return b, nil
}

func (t *tally) Restore(b []byte) error {
	for _, part := range strings.Split(strings.TrimSuffix(string(b), ";"), ";") {
		var n int
		name, count, _ := strings.Cut(part, "=")
		if name == "" {
			continue
		}
		if _, err := fmt.Sscan(count, &n); err != nil {
			return err
		}
		t.counts[name] += n
	}
	return nil
}

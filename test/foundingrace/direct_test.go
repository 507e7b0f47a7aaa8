package foundingrace_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/pipe"
)

// play makes the named events happen, in this order.
func play(t *testing.T, w *world, names ...string) {
	t.Helper()
	for _, name := range names {
		all := w.choices(variant{})
		i := slices.IndexFunc(all, func(c choice) bool { return strings.HasPrefix(c.name, name) })
		if i < 0 {
			t.Fatalf("%s can't happen now", name)
		}
		all[i].do(w)
	}
}

// inbox returns what the only worker of pipe A will read next.
func inbox(t *testing.T, w *world) any {
	t.Helper()
	n, id, ok := w.workerOf(pipeA)
	if !ok || len(w.worker(n, id).inbox) == 0 {
		t.Fatal("the worker has nothing to read")
	}
	return w.u.words.values[w.worker(n, id).inbox[0]]
}

// TestDirect_nextInput (T-A21, T-E2): between the two steps a worker that asks
// next_input gets its next input.
func TestDirect_nextInput(t *testing.T) {
	w := newUniverse(registry(t)).begin()
	play(t, w, "enqueue a1", "enqueue a2", "handoff_starting", "turn of worker A")
	give, ok := inbox(t, w).(*pipe.Give)
	if !ok {
		t.Fatalf("next_input is answered with %T", inbox(t, w))
	}
	if item, _ := first(give); item != "a2" {
		t.Fatalf("the worker is given %q", item)
	}
	play(t, w, "FOLD_REQ", "turn of worker A") // finishes a2 first
	if _, ok := inbox(t, w).(pipe.OrderArchive); !ok {
		t.Fatalf("after FOLD_REQ the worker reads %T", inbox(t, w))
	}
	play(t, w, "turn of worker A", "freeze", "flip")
	finishDirect(t, w, 2)
}

func first(g *pipe.Give) (string, bool) {
	c := g.Batches[0].Cursor()
	item, ok := c.Next()
	return string(item), ok
}

// finishDirect announces the end of inputs to pipe A and checks its results.
func finishDirect(t *testing.T, w *world, n int) {
	t.Helper()
	w.send(w.u.eois[0])
	for turns := w.turns(); len(turns) > 0; turns = w.turns() {
		w.turn(turns[0])
	}
	for i := range n {
		if w.passed[i] != 1 || w.counted[i] != 1 {
			t.Errorf("%s came out %d times and was counted %d times", items[i].item, w.passed[i], w.counted[i])
		}
	}
}

// TestDirect_archive (T-A21): an archive that comes back between the two steps,
// which nobody ordered, crashes nothing and loses nothing: the worker goes on
// from it.
func TestDirect_archive(t *testing.T) {
	w := newUniverse(registry(t)).begin()
	play(t, w, "enqueue a1", "turn of worker A", "enqueue a2", "handoff_starting")
	n, id, _ := w.workerOf(pipeA)
	play(t, w, "turn of worker A")
	w.runnerStep(n, id, w.u.words.plain(pipe.OrderArchive{Worker: id})) // unasked
	w.settle()
	_, again, ok := w.workerOf(pipeA)
	if !ok || again.Instance == id.Instance {
		t.Fatalf("the worker was not started again: %v", again)
	}
	play(t, w, "FOLD_REQ", "turn of worker A", "freeze", "flip")
	finishDirect(t, w, 2)
}

// TestDirect_emptied (T-E3): the last pipe is taken down between the two steps,
// after the vnode was found not empty: the transfer completes at once, with
// nothing in it.
func TestDirect_emptied(t *testing.T) {
	w := newUniverse(registry(t)).begin()
	play(t, w, "enqueue a1", "turn of worker A", "end of inputs", "handoff_starting")
	if w.u.queuesSay(w.u.empty, w.sides[0].queues, (*pipe.Queues).Empty) {
		t.Fatal("the vnode is empty too early")
	}
	play(t, w, "turn of worker A")
	w.takeDown(pipeA)
	play(t, w, "FOLD_REQ", "freeze")
	if w.staged != w.u.nothing {
		t.Fatalf("moved %+v", w.u.words.values[w.staged])
	}
	play(t, w, "flip")
	if w.record.stage != 0 || w.record.owner != target {
		t.Fatalf("the handoff ended as %v owned by %s", w.record.stage, w.record.owner)
	}
}

// TestDirect_cancelFrozen (T-E5): a cancel after everything was archived and the
// vnode was frozen restores the workers, and what was parked is served.
func TestDirect_cancelFrozen(t *testing.T) {
	w := newUniverse(registry(t)).begin()
	play(t, w, "enqueue a1", "turn of worker A", "handoff_starting", "FOLD_REQ", "turn of worker A", "freeze")
	play(t, w, "enqueue a2") // parked
	if w.acked != 1 {
		t.Fatalf("acknowledged %b while frozen", w.acked)
	}
	play(t, w, "cancel after FOLD_REQ", "turn of worker A")
	if w.acked != 3 || w.record.stage != 0 || w.record.owner != source {
		t.Fatalf("acknowledged %b, stage %v, owner %s", w.acked, w.record.stage, w.record.owner)
	}
	play(t, w, "handoff_starting", "FOLD_REQ", "turn of worker A", "freeze", "flip")
	if w.record.stage != topology.Stage(0) || w.record.owner != target {
		t.Fatalf("the second attempt ended as %v owned by %s", w.record.stage, w.record.owner)
	}
	finishDirect(t, w, 2)
}

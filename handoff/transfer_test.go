package handoff_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
)

// deliver hands the next frame to each side that has one, or answers of its own
// node, in an order that is drawn.
func (w *world) deliver() {
	var ways []func()
	if len(w.toTarget) > 0 {
		ways = append(ways, w.receive)
	}
	if len(w.toSource) > 0 {
		ways = append(ways, w.hear)
	}
	if len(w.reads) > 0 {
		ways = append(ways, func() {
			e := w.reads[0]
			w.reads = w.reads[1:]
			w.stepSource(e)
		})
	}
	if len(w.stored) > 0 {
		ways = append(ways, func() {
			e := w.stored[0]
			w.stored = w.stored[1:]
			w.stepTarget(e)
		})
	}
	if w.sealing {
		ways = append(ways, func() {
			w.sealing, w.frozen = false, true
			w.stepSource(handoff.Frozen{})
		})
	}
	if len(ways) > 0 {
		rapid.SampledFrom(ways).Draw(w.t, "way")()
	}
}

// hear hands the next answer of the target to the source.
func (w *world) hear() {
	e := w.toSource[0]
	w.toSource = w.toSource[1:]
	if ack, ok := e.(handoff.Acked); ok {
		for seq := range w.unacked {
			if seq <= ack.UpTo {
				delete(w.unacked, seq)
			}
		}
	}
	w.stepSource(e)
}

// receive hands the next frame of the source to the target.
func (w *world) receive() {
	e := w.toTarget[0]
	w.toTarget = w.toTarget[1:]
	if hello, ok := e.(handoff.Hello); ok {
		// The node finishes what it has under way before it looks at itself.
		hello.View = w.view()
		e = hello
	}
	w.stepTarget(e)
}

// mangle does something to the frames under way to the target that a stream
// should never do, and below the checksum's notice.
func (w *world) mangle() {
	if len(w.toTarget) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.toTarget)-1).Draw(w.t, "frame")
	switch w.fault {
	case "cut":
		w.cut()
	case "drop":
		w.toTarget = slices.Delete(w.toTarget, i, i+1)
	case "duplicate":
		w.toTarget = append(w.toTarget, w.toTarget[i])
	case "reorder":
		j := rapid.IntRange(0, len(w.toTarget)-1).Draw(w.t, "with")
		w.toTarget[i], w.toTarget[j] = w.toTarget[j], w.toTarget[i]
	case "flip":
		if b, ok := w.toTarget[i].(handoff.Batch); ok && len(b.Payload) > 0 {
			b.Payload = slices.Clone(b.Payload)
			b.Payload[rapid.IntRange(0, len(b.Payload)-1).Draw(w.t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(w.t, "bit")
			w.toTarget[i] = b
		}
	case "late session":
		w.toTarget = slices.Insert(w.toTarget, i, handoff.ReceiverEvent(handoff.Batch{Session: w.session - 1, Seq: 1}))
	}
}

// idle reports whether nothing is under way.
func (w *world) idle() bool {
	return len(w.toTarget)+len(w.toSource)+len(w.reads)+len(w.stored) == 0 && !w.sealing
}

// Whenever Done is reached the two copies are equal, whatever the link did and
// whatever was written meanwhile; whenever it is not, the source has everything
// (nothing in this package can take anything from it) and the session ends.
func TestTransfer_lossyLink(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.fault = rapid.SampledFrom([]string{"cut", "drop", "duplicate", "reorder", "flip", "late session"}).Draw(t, "fault")
		for range 600 {
			switch rapid.IntRange(0, 39).Draw(t, "step") {
			case 0, 1, 2, 3, 4, 5:
				w.write()
			case 6, 7:
				w.stepSource(handoff.Tick{})
			case 8:
				w.mangle()
			default:
				w.deliver()
			}
			w.checkSealed()
			if w.done != nil || w.ended != nil && w.ended.Then != handoff.Restart {
				return
			}
			if w.ended != nil {
				w.open()
			}
		}
	})
}

// checkSealed: from the seal on the copy stays what the frozen source is.
func (w *world) checkSealed() {
	if w.sealed != nil {
		w.checkCopy()
	}
}

// On a link that works, a transfer ends well: some writes, then quiet.
func TestTransfer_goodLink(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		writes := rapid.IntRange(0, 60).Draw(t, "writes")
		for step := range 5000 {
			if writes > 0 && rapid.Bool().Draw(t, "write") {
				writes--
				w.write()
			}
			if w.idle() {
				w.stepSource(handoff.Tick{})
			}
			w.deliver()
			if w.done != nil {
				return
			}
			if w.ended != nil {
				t.Fatalf("step %d: %v", step, w.ended.Err)
			}
		}
		t.Fatalf("not done; sender %+v, receiver %+v", w.sender.Stats(), w.receiver.Stats())
	})
}

// The stream breaks at each point of a transfer in turn. Before FIN another
// stream copies anew; behind it, another stream finds the sealed copy, or gives
// up without having sealed anything.
func TestTransfer_cutAtEachPoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := func(w *world, cutAt int) {
			for step := 0; ; step++ {
				if step == cutAt {
					w.cut()
				}
				switch {
				case len(w.toSource) > 0 && rapid.Bool().Draw(t, "source first"):
					w.hear()
				case !w.idle():
					w.deliver()
				default:
					w.stepSource(handoff.Tick{})
					if w.idle() {
						return
					}
				}
				if w.ended != nil && w.ended.Then == handoff.Restart {
					for len(w.toTarget)+len(w.stored) > 0 && w.sealed == nil {
						w.deliver()
					}
					w.open()
				}
				if w.done != nil || w.ended != nil {
					return
				}
			}
		}
		w := newWorld(t)
		w.sealing = rapid.Bool().Draw(t, "seal early")
		run(w, rapid.IntRange(0, 60).Draw(t, "cut at"))
		if w.done == nil && w.ended == nil {
			t.Fatalf("neither done nor ended: sender %+v, receiver %+v", w.sender.Stats(), w.receiver.Stats())
		}
		if w.ended != nil && w.sealed != nil {
			t.Fatalf("gave up (%v) a copy that is sealed", w.ended.Err)
		}
	})
}

// The composed machines as an arrow of the record: what each side reports is
// what the other side reports, so that the record's comparison is not the first.
func TestTransfer_sealsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for w.done == nil && w.ended == nil {
			if w.idle() {
				w.stepSource(handoff.Tick{})
			}
			w.deliver()
		}
		if w.done == nil {
			t.Fatalf("failed: %v", w.ended.Err)
		}
		want := w.source.summary().Seal(w.done.LastSeq)
		for name, got := range map[string]*topology.Seal{"source": w.froze, "target": w.sealed, "done": w.done} {
			if got == nil || *got != want {
				t.Errorf("%s seal = %v, want %v", name, got, want)
			}
		}
	})
}

package handoff_test

import (
	"fmt"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/store"
)

// contents is one generation of a partition.
type contents map[string]store.Item

func (c contents) summary() store.Summary {
	var s store.Summary
	for _, it := range c {
		s.Add(it.Hash(), len(it.Key)+len(it.Value))
	}
	return s
}

func (c contents) get(key []byte) (store.Item, error) {
	if it, ok := c[string(key)]; ok {
		return it, nil
	}
	return store.Item{}, store.ErrNotFound
}

// iterator is a snapshot of a contents.
type iterator struct {
	items []store.Item
	at    int
}

func (c contents) scan() *iterator {
	it := &iterator{at: -1}
	for _, k := range slices.Sorted(maps.Keys(c)) {
		it.items = append(it.items, c[k])
	}
	return it
}

func (it *iterator) Next() bool       { it.at++; return it.at < len(it.items) }
func (it *iterator) Item() store.Item { return it.items[it.at] }
func (it *iterator) Err() error       { return nil }
func (it *iterator) Close() error     { return nil }

// world is a source, a target and a link that may misbehave in every way. It is
// the shell of both machines and checks what they tell it to do.
type world struct {
	t       *rapid.T
	fault   string
	session uint64

	// The source's node.
	source  contents
	dirty   handoff.DirtySet
	folding bool
	frozen  bool
	sender  *handoff.Sender
	bulk    *handoff.BulkReader
	reads   []handoff.SenderEvent // answers of the vnode and the snapshot, not yet delivered
	attempt int
	ended   *handoff.Fail
	done    *topology.Seal
	unacked map[uint64]int
	sealing bool // the record reached SEAL, the vnode does not know yet
	froze   *topology.Seal

	// The target's node.
	receiver *handoff.Receiver
	staging  contents
	stored   []handoff.ReceiverEvent // answers of the store, not yet delivered
	next     uint64                  // the only sequence number that may be applied
	sealed   *topology.Seal

	toTarget []handoff.ReceiverEvent
	toSource []handoff.SenderEvent
	version  uint64
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, session: 7, source: contents{}, staging: contents{}}
	for range rapid.IntRange(0, 30).Draw(t, "items") {
		w.write()
	}
	w.open()
	return w
}

// write changes one of a few keys at the source.
func (w *world) write() {
	if w.frozen {
		return
	}
	key := []byte(fmt.Sprint(rapid.IntRange(0, 40).Draw(w.t, "key")))
	if rapid.IntRange(0, 3).Draw(w.t, "op") == 0 {
		delete(w.source, string(key))
	} else {
		w.version++
		value := make([]byte, rapid.IntRange(0, 20).Draw(w.t, "size"))
		w.source[string(key)] = store.Item{Key: key, Value: value, Version: w.version}
	}
	if w.folding {
		w.dirty.Mark(key)
	}
}

// open begins the next stream of the session. What the former had on the wire is
// gone with its link.
func (w *world) open() {
	w.attempt++
	w.toTarget, w.toSource, w.reads, w.stored = nil, nil, nil, nil
	w.unacked = map[uint64]int{}
	w.ended = nil
	w.receiver = handoff.NewReceiver()
	w.sender = handoff.NewSender(handoff.SenderOptions{
		Window: 200, BatchBytes: 60, DirtyItems: 3, ReadyLag: 4, Attempt: w.attempt, MaxAttempts: 3, Frozen: w.frozen,
	})
	w.stepSource(handoff.StreamOpened{})
}

func (w *world) stepSource(e handoff.SenderEvent) {
	for _, a := range w.sender.Step(e) {
		w.doSource(a)
	}
}

func (w *world) doSource(a handoff.SenderAction) {
	switch a := a.(type) {
	case handoff.SendHello:
		w.toTarget = append(w.toTarget, handoff.Hello{Session: w.session, Source: "a", Codec: handoff.Codec})
	case handoff.RequestFold:
		w.folding = true
		w.dirty.Reset()
		w.bulk = handoff.NewBulkReader(w.source.scan(), nil)
		w.reads = append(w.reads, handoff.FoldBegun{Empty: len(w.source) == 0})
	case handoff.ReadBulk:
		w.reads = append(w.reads, w.bulk.Read(a.MaxBytes))
	case handoff.ReadDirty:
		var final *store.Summary
		if w.frozen {
			sum := w.source.summary()
			final = &sum
		}
		w.reads = append(w.reads, w.dirty.ReadDirty(a.MaxItems, a.MaxBytes, w.source.get, nil, final))
	case handoff.SendItems:
		w.sendBatch(a.Seq, false, a.Payload)
	case handoff.SendDelta:
		w.sendBatch(a.Seq, true, a.Payload)
	case handoff.ReportReadyToSeal:
		w.sealing = true
	case handoff.ReportFrozen:
		if !w.frozen {
			w.t.Fatal("a seal was reported by a source that is not frozen")
		}
		if w.froze != nil && *w.froze != a.Seal {
			w.t.Fatalf("source reported two seals: %v, then %v", *w.froze, a.Seal)
		}
		w.froze = &a.Seal
	case handoff.SendFin:
		w.toTarget = append(w.toTarget, handoff.Fin{Session: w.session, Seal: a.Seal})
	case handoff.SendAbort:
		w.toTarget = append(w.toTarget, handoff.SourceAborted{Reason: a.Reason})
	case handoff.Done:
		w.done = &a.Seal
		w.checkDone()
	case handoff.Fail:
		w.ended = &a
	}
}

func (w *world) sendBatch(seq uint64, delta bool, payload []byte) {
	w.toTarget = append(w.toTarget, handoff.Batch{Session: w.session, Seq: seq, Delta: delta, Payload: payload})
	w.unacked[seq] = len(payload)
	total := 0
	for _, n := range w.unacked {
		total += n
	}
	if total > 200+len(payload) { // I7
		w.t.Fatalf("%d bytes in flight", total)
	}
}

// checkDone is I1: the target's sealed copy is the source, item by item.
func (w *world) checkDone() {
	if w.sealed == nil || w.froze == nil || *w.sealed != *w.froze {
		w.t.Fatalf("done with seals %v and %v", w.froze, w.sealed)
	}
	w.checkCopy()
}

func (w *world) checkCopy() {
	if len(w.source) != len(w.staging) {
		w.t.Fatalf("target has %d items, source %d", len(w.staging), len(w.source))
	}
	for k, want := range w.source {
		if got, ok := w.staging[k]; !ok || got.Hash() != want.Hash() {
			w.t.Fatalf("item %q: target has %+v, source %+v", k, got, want)
		}
	}
}

func (w *world) stepTarget(e handoff.ReceiverEvent) {
	for _, a := range w.receiver.Step(e) {
		w.doTarget(a)
	}
}

func (w *world) doTarget(a handoff.ReceiverAction) {
	switch a := a.(type) {
	case handoff.ResetStaging:
		if w.sealed != nil {
			w.t.Fatal("a sealed copy was emptied")
		}
		w.staging, w.next = contents{}, 1
		w.stored = append(w.stored, handoff.StagingReset{})
	case handoff.Apply:
		w.apply(a)
	case handoff.SyncStaging:
		w.stored = append(w.stored, handoff.StagingSynced{Summary: w.staging.summary()})
	case handoff.StoreSeal:
		w.checkCopy() // F11's half that is the target's: nothing else is ever sealed
		w.sealed = &a.Seal
		w.stored = append(w.stored, handoff.SealStored{})
	case handoff.ReportSealed:
		if w.sealed == nil || *w.sealed != a.Seal {
			w.t.Fatalf("reported seal %v, stored is %v", a.Seal, w.sealed)
		}
	case handoff.SendHelloOK:
		w.toSource = append(w.toSource, handoff.HelloOK{HaveSeq: a.HaveSeq})
	case handoff.SendAck:
		w.toSource = append(w.toSource, handoff.Acked{UpTo: a.UpTo})
	case handoff.SendFinOK:
		w.toSource = append(w.toSource, handoff.FinOK{Seal: a.Seal})
	case handoff.SendFinBad:
		w.toSource = append(w.toSource, handoff.FinBad{Err: a.Err, Have: a.Have})
	case handoff.Reject:
		w.toSource = append(w.toSource, handoff.Rejected{Err: a.Err})
	}
}

// apply is I2, judged without the machine's own numbers: each batch of the
// stream once, in order, into a copy that is not sealed.
func (w *world) apply(a handoff.Apply) {
	if a.Seq != w.next || w.sealed != nil {
		w.t.Fatalf("applied batch %d, want %d (sealed: %v)", a.Seq, w.next, w.sealed)
	}
	w.next++
	var b store.Batch
	a.Items.AddTo(&b)
	for _, op := range b.Ops() {
		if op.Delete {
			delete(w.staging, string(op.Key))
		} else {
			w.staging[string(op.Key)] = store.Item{Key: op.Key, Value: op.Value, Version: op.Version}
		}
	}
	w.stored = append(w.stored, handoff.Applied{Seq: a.Seq})
}

// view is the target's node: the record has the session open and its staging is
// there.
func (w *world) view() handoff.View {
	stage := topology.StageFold
	if w.sealing || w.frozen {
		stage = topology.StageSeal
	}
	return handoff.View{
		Node: "b", RingVersion: 40, MaxSession: w.session, Staged: w.session, Sealed: w.sealed,
		Part: topology.Part{Owner: "a", LastSession: w.session, Transfer: &topology.Transfer{
			Session: w.session, Source: "a", Target: "b", Stage: stage,
		}},
	}
}

// cut breaks the link: what is on it is lost, both ends notice in their turn.
func (w *world) cut() {
	w.toTarget = []handoff.ReceiverEvent{handoff.StreamLost{Err: messages.ErrUnavailable}}
	w.toSource = []handoff.SenderEvent{handoff.Lost{Err: messages.ErrUnavailable}}
}

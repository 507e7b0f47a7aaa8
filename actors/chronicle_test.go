package actors

import (
	"context"
	"log/slog"
	"testing"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/handoff"
	"github.com/dee2748c/baton/handoff/history"
	"github.com/dee2748c/baton/store"
)

// chronicled returns a vnode of node a whose chronicler is not running, and its log.
func chronicled(t *testing.T) (*vnodeActor, *history.Log) {
	t.Helper()
	log, err := history.Open("", history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := &Host{opts: Options{Self: Peer{Node: "a"}, History: log}}
	h.chronicler = newChronicler(t.Context(), log, slog.New(slog.DiscardHandler))
	return &vnodeActor{server: server{host: h, id: store.ID{Kind: "kv", Partition: 3}, kind: &kindEntry{lates: make([]late, 8)}}}, log
}

// written runs the chronicler until its queue is empty, and returns what the log has.
func written(t *testing.T, a *vnodeActor, log *history.Log) []history.Entry {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	a.host.chronicler.ctx = ctx
	cancel()
	a.host.chronicler.run()
	all, _, err := log.All()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func moving(session uint64, stage topology.Stage) *topology.Transfer {
	return &topology.Transfer{
		Session: session, Type: topology.Swap, Kind: "kv", Partition: 3, Source: "a", Target: "b", Stage: stage, Epoch: 1,
		Frozen: &topology.Seal{Items: 2}, Sealed: &topology.Seal{Items: 2},
	}
}

// A transfer that is given up is written down with the record's reason, one that is completed with its
// certificate, once, before the source says that its copy is gone.
func TestVnode_chronicle(t *testing.T) {
	a, log := chronicled(t)
	failed := moving(5, topology.StageFold)
	a.chronicle(topology.Part{Owner: "a", Epoch: 1, Transfer: failed, LastSession: 5})
	a.late().fenced.Add(2)
	if n := a.fencedSince(5); n != 2 {
		t.Errorf("%d frames fenced since the opening, want 2", n)
	}
	a.chronicle(topology.Part{Owner: "a", Epoch: 1, LastSession: 5, Attempts: 1, LastReason: topology.ReasonCancelled})
	clean := topology.Part{Owner: "b", Epoch: 2, Transfer: moving(6, topology.StageClean), LastSession: 6}
	a.chronicle(clean)
	if n := a.fencedSince(6); n != 0 {
		t.Errorf("%d frames fenced since the opening, want 0", n)
	}
	deleted := false
	a.cleaned(6, func() { deleted = true })
	if deleted {
		t.Error("the source says that its copy is gone before the certificate is written down")
	}
	written(t, a, log)
	if !deleted {
		t.Error("the source never says that its copy is gone")
	}
	a.chronicle(topology.Part{Owner: "b", Epoch: 2, LastSession: 6, Certificate: clean.Closing()})
	all := written(t, a, log)
	if len(all) != 2 || all[0].Reason != topology.ReasonCancelled || all[0].Session != 5 || all[0].Opened.IsZero() {
		t.Fatalf("%+v", all)
	}
	if all[1].Failed() || all[1].Certificate != *clean.Closing() || all[1].Node != "a" {
		t.Errorf("%+v", all[1])
	}
}

// A record that jumps over the end of a transfer leaves an entry too; what others do leaves none.
func TestVnode_chronicleJump(t *testing.T) {
	a, log := chronicled(t)
	a.chronicle(topology.Part{Owner: "a", Transfer: moving(5, topology.StageFold), LastSession: 5})
	other := moving(7, topology.StageFold)
	other.Source, other.Target = "b", "c"
	a.chronicle(topology.Part{Owner: "b", Transfer: other, LastSession: 7, LastReason: "of session 6"})
	a.chronicle(topology.Part{Owner: "c", LastSession: 7, Certificate: &topology.Certificate{Number: 1, Session: 7, Source: "b", Target: "c"}})
	if all := written(t, a, log); len(all) != 1 || all[0].Session != 5 || !all[0].Failed() {
		t.Errorf("%+v", all)
	}
}

// A history that can't be written holds up no transfer.
func TestChronicler_fails(t *testing.T) {
	a, log := chronicled(t)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	called := false
	a.note(history.Entry{Certificate: topology.Certificate{Session: 1}}, func() { called = true })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.host.chronicler.ctx = ctx
	a.host.chronicler.run()
	if !called {
		t.Error("whoever waits for the entry was not called")
	}
}

// taking is a partition that takes every batch.
type taking struct{ store.Partition }

func (taking) Write(*store.Batch) error { return nil }

// What is applied though its session is over is counted.
func TestTarget_appliedAfterClose(t *testing.T) {
	a, _ := chronicled(t)
	target := &targetStream{host: a.host, kind: a.kind, id: a.id, session: 5, part: taking{}, log: slog.New(slog.DiscardHandler)}
	builder := handoff.NewItemsBuilder(1 << 10)
	if err := builder.Put([]byte("k"), []byte("v"), 1); err != nil {
		t.Fatal(err)
	}
	items, err := handoff.ParseItems(builder.Take())
	if err != nil {
		t.Fatal(err)
	}
	for want := range uint64(2) {
		if err := target.apply(handoff.Apply{Seq: 1, Items: items}); err != nil {
			t.Fatal(err)
		}
		if n := a.host.appliedAfterClose.Load(); n != want {
			t.Errorf("%d applied after the close, want %d", n, want)
		}
		a.late().drain(5)
	}
}

package vnode_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// TestFallback_transcript runs the transcript of a fallback on node b.
//
//	new [park=N]   recovered [data]   applied [hint=N] [grace=N] [merge=N]   asked   admit
//	merge-answered [refused]   refused        tick [up] [idle]   wanted   returned [left] [failed]   dropped
func TestFallback_transcript(t *testing.T) {
	var f *vnode.Fallback
	datadriven.RunTest(t, "testdata/fallback/life.txt", func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd == "new" {
			limit := 0
			d.MaybeScanArgs(t, "park", &limit)
			f = vnode.NewFallback(store.ID{Kind: "kv", Partition: 3}, "b", 7, limit)
			return f.State().String() + "\n"
		}
		var b strings.Builder
		if d.Cmd == "admit" {
			verdict := f.Admit()
			fmt.Fprintln(&b, verdicts[verdict])
			if verdict != vnode.Park {
				return b.String()
			}
		}
		for _, a := range f.Step(fallbackEvent(t, d)) {
			fmt.Fprintln(&b, describeFallback(a))
		}
		fmt.Fprintf(&b, "-> %s\n", f.State())
		return b.String()
	})
}

func fallbackEvent(t *testing.T, d *datadriven.TestData) vnode.FallbackEvent {
	t.Helper()
	switch d.Cmd {
	case "recovered":
		return vnode.FallbackRecovered{Data: d.HasArg("data")}
	case "applied":
		var e vnode.FallbackApplied
		d.MaybeScanArgs(t, "hint", &e.Opened)
		d.MaybeScanArgs(t, "grace", &e.Grace)
		d.MaybeScanArgs(t, "merge", &e.Merge)
		e.Epoch = 2
		return e
	case "admit":
		return vnode.FallbackAsked{}
	case "refused":
		return vnode.HintRefused{Err: topology.ErrStaleGrace}
	case "merge-answered":
		var e vnode.MergeAnswered
		if d.HasArg("refused") {
			e.Err = topology.ErrTransferInProgress
		}
		return e
	case "tick":
		return vnode.FallbackTick{Up: d.HasArg("up"), Idle: d.HasArg("idle")}
	case "wanted":
		return vnode.ReturnWanted{}
	case "returned":
		e := vnode.PageReturned{Left: d.HasArg("left")}
		if d.HasArg("failed") {
			e.Err = errors.New("no answer")
		}
		return e
	case "dropped":
		return vnode.FallbackDropped{}
	}
	t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
	return nil
}

func describeFallback(a vnode.Action) string {
	switch a := a.(type) {
	case vnode.Propose:
		return fmt.Sprintf("Propose %T %+v", a.Op, a.Op)
	case vnode.ReturnPage:
		return fmt.Sprintf("ReturnPage session=%d", a.Session)
	case vnode.RefuseParked:
		return fmt.Sprintf("RefuseParked %v", a.Err)
	case vnode.OpenFallback:
		return fmt.Sprintf("OpenFallback hint=%d", a.Opened)
	}
	return describe(a)
}

func TestFallbackStore(t *testing.T) {
	id := store.ID{Kind: "kv", Partition: 5}
	of, ok := vnode.OfFallback(vnode.FallbackStore(id))
	if !ok || of != id {
		t.Errorf("the store of the fallback of %v is that of %v, %v", id, of, ok)
	}
	for _, kind := range []topology.Kind{"kv", "", "~fallback", "fallback"} {
		if of, ok := vnode.OfFallback(store.ID{Kind: kind}); ok {
			t.Errorf("%q is the store of the fallback of %v", kind, of)
		}
	}
}

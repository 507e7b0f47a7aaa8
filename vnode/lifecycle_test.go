package vnode_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/vnode"
)

var stages = map[string]topology.Stage{
	"prepare": topology.StagePrepare, "fold": topology.StageFold, "seal": topology.StageSeal,
	"drain": topology.StageDrain, "clean": topology.StageClean, "abort": topology.StageAbort,
}

// TestLifecycle_transcripts runs the transcripts of testdata/lifecycle: node a is this
// vnode's node, b the other one.
//
//	applied v=N owner=a [epoch=N] [stage=S session=N source=a target=b] [source-ready] [activated] [activate]
//	start-answered session=N [refuse=TEXT]   fold session=N   freeze-stored session=N   source-gone session=N
//	staging session=N [refuse=TEXT]          sealed session=N   promoted session=N      deleted session=N
//	recovered [frozen=N] [staged=N] [sealed] [tombstone]
//	admit [ring=N] [hop=N]
func TestLifecycle_transcripts(t *testing.T) {
	datadriven.Walk(t, "testdata/lifecycle", func(t *testing.T, path string) {
		var l *vnode.Lifecycle
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "new" {
				limit := 0
				d.MaybeScanArgs(t, "park", &limit)
				l = vnode.NewLifecycle("a", 1, limit)
				return l.State().String() + "\n"
			}
			if d.Cmd == "admit" {
				version, hop := uint64(0), 0
				d.MaybeScanArgs(t, "ring", &version)
				d.MaybeScanArgs(t, "hop", &hop)
				return verdicts[l.Admit(version, uint8(hop))] + "\n"
			}
			var b strings.Builder
			for _, a := range l.Step(event(t, d)) {
				fmt.Fprintln(&b, describe(a))
			}
			fmt.Fprintf(&b, "-> %s\n", l.State())
			return b.String()
		})
	})
}

var verdicts = map[vnode.Verdict]string{
	vnode.Serve: "serve", vnode.ServeMoving: "serve moving", vnode.Park: "park", vnode.ForwardNow: "forward",
	vnode.WrongOwner: "wrong owner", vnode.StaleRing: "stale ring", vnode.RefuseFrozen: "refuse frozen",
}

func event(t *testing.T, d *datadriven.TestData) vnode.Event {
	t.Helper()
	var session uint64
	d.MaybeScanArgs(t, "session", &session)
	switch d.Cmd {
	case "applied":
		return applied(t, d, session)
	case "start-answered":
		return vnode.StartAnswered{Session: session, Err: refusal(t, d)}
	case "fold":
		return vnode.FoldRequested{Session: session}
	case "freeze-stored":
		return vnode.FreezeStored{Session: session}
	case "source-gone":
		return vnode.SourceGone{Session: session}
	case "staging":
		return vnode.StagingCreated{Session: session, Err: refusal(t, d)}
	case "sealed":
		return vnode.CopySealed{Session: session, Seal: topology.Seal{LastSeq: 3, Items: 2}}
	case "promoted":
		return vnode.CopyPromoted{Session: session}
	case "deleted":
		return vnode.DataDeleted{Session: session}
	case "recovered":
		r := vnode.Recovered{Tombstone: d.HasArg("tombstone")}
		d.MaybeScanArgs(t, "frozen", &r.Frozen)
		d.MaybeScanArgs(t, "staged", &r.Staged)
		if d.HasArg("sealed") {
			r.Seal = &topology.Seal{LastSeq: 3, Items: 2}
		}
		return r
	}
	t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
	return nil
}

func refusal(t *testing.T, d *datadriven.TestData) error {
	var text string
	d.MaybeScanArgs(t, "refuse", &text)
	if text == "" {
		return nil
	}
	return errors.New(text)
}

func applied(t *testing.T, d *datadriven.TestData, session uint64) vnode.Event {
	e := vnode.Applied{Activate: d.HasArg("activate"), Part: topology.Part{Epoch: 1}}
	var owner, stage, source, target string
	d.ScanArgs(t, "v", &e.Version)
	d.ScanArgs(t, "owner", &owner)
	d.MaybeScanArgs(t, "epoch", &e.Part.Epoch)
	e.Part.Owner = ring.NodeID(owner)
	if d.MaybeScanArgs(t, "stage", &stage) {
		d.ScanArgs(t, "source", &source)
		d.ScanArgs(t, "target", &target)
		e.Part.Transfer = &topology.Transfer{
			Session: session, Type: topology.Swap, Stage: stages[stage], Source: ring.NodeID(source), Target: ring.NodeID(target),
			SourceReady: d.HasArg("source-ready"), Activated: d.HasArg("activated"),
		}
	}
	return e
}

// describe prints an action with what distinguishes it.
func describe(a vnode.Action) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", a), "vnode.")
	switch a := a.(type) {
	case vnode.Propose:
		if r, ok := a.Op.(topology.Refuse); ok {
			return fmt.Sprintf("%s Refuse %q", name, r.Reason)
		}
		return fmt.Sprintf("%s %s", name, strings.TrimPrefix(fmt.Sprintf("%T", a.Op), "topology."))
	case vnode.Open:
		return fmt.Sprintf("%s import=%v", name, a.Import)
	case vnode.ForwardParked:
		return fmt.Sprintf("%s to %s", name, a.Owner)
	case vnode.StopSource:
		return fmt.Sprintf("%s session=%d (%s)", name, a.Session, a.Reason)
	case vnode.DropStaging:
		return fmt.Sprintf("%s session=%d", name, a.Session)
	case vnode.DeleteData:
		return fmt.Sprintf("%s session=%d now at %s", name, a.Session, a.Owner)
	}
	return name
}

package mutants

import (
	"testing"
	"time"

	"github.com/dee2748c/baton/test/layers"
)

// simulated are the rules of the handoff protocol, each switched off where the simulator must see it, but F15:
// outputs of pipes are not simulated. Package pipe has it, and the model of its queue.
var simulated = []Mutant{
	rule("F1: a frame of another cluster is taken", "TestChaos", Edit{
		"handoff/fence.go", "case topology.ClusterID(h.ClusterID) != local.ClusterID: // F1", "case false: // F1",
	}),
	rule("F2: a frame for another life of the node is taken", "TestChaos", Edit{
		"handoff/fence.go", "case h.ToIncarnation != local.Incarnation: // F2", "case false: // F2",
	}),
	rule("F2: a frame of an earlier life of its sender is taken", "TestChaos", Edit{
		"handoff/fence.go", "case h.FromIncarnation < local.PeerIncarnation: // F2", "case false: // F2",
	}),
	rule("F3: a batch of another session is written", "TestTrial_strayBatches", Edit{
		"handoff/receiver.go", "if session == r.hello.Session || r.phase == recvGreeting {", "if true {",
	}),
	rule("F4: a session below the durable fence is admitted", "TestTrial_fenceAboveTheRecord", Edit{
		"handoff/fence.go", "case session < v.MaxSession: // F4: whatever the view says", "case false:",
	}),
	rule("F5: a vnode turns away who knows a newer record", "TestChaos", Edit{
		"vnode/lifecycle.go", "if ringVersion > l.version || l.part.Owner == l.self {", "if l.part.Owner == l.self {",
	}),
	rule("F6: nobody waits for the guards of a closed session", "TestTrial_effectUnderWay", Edit{
		"handoff/session/registry.go", "s, live := r.live[id]\n\t\tr.mu.Unlock()\n\t\tif !live {", "s, live := r.live[id]\n\t\tr.mu.Unlock()\n\t\tif !live || true {",
	}),
	rule("F7: a gap in a transfer is stepped over", "TestTrial_faults", Edit{
		"handoff/receiver.go", "case e.Seq != r.accepted+1:", "case false:",
	}),
	rule("F7: a damaged frame is taken", "TestTrial_faults", Edit{
		"messages/header.go", "sum != want {", "sum != want && false {",
	}),
	rule("F8: what can't be read of a snapshot is left out", "TestTrial_faults", Edit{
		"handoff/bulk.go", "if err := r.it.Err(); err != nil {", "if err := r.it.Err(); false {",
	}),
	rule("F9: a frozen vnode serves", "TestChaos", Edit{
		"vnode/lifecycle.go", "\tcase Folding:\n\t\treturn ServeMoving\n\tcase Frozen, Activating:", "\tcase Folding, Frozen:\n\t\treturn ServeMoving\n\tcase Activating:",
	}),
	rule("F10: a restart thaws", "TestFound_sourceDiesBeforeItsLastMessage", Edit{"vnode/lifecycle.go", "case e.Frozen != 0:", "case false:"}),
	rule("F11: the owner flips although the seals differ", "TestTrial_faults", Edit{
		"cluster/topology/reports.go", "case *t.Frozen != *t.Sealed:", "case false:",
	}),
	rule("F12: the source deletes before both sides are through", "TestChaos", Edit{
		"vnode/reconcile.go", "case t != nil && t.Stage == topology.StageDrain:\n\t\tif l.session.gone {", "case false:\n\t\tif l.session.gone {",
	}),
	rule("F13: a deposed coordinator has its say", "TestTE8_deposedCoordinatorHasNoSay", Edit{
		"cluster/topology/apply.go", "case StagePlan, OpenTransfer, BeginSeal, CommitTransfer, AbortTransfer, RevertTransfer, MarkExited:\n\t\treturn true", "case nil:\n\t\treturn true",
	}),
	rule("F14: a command hops on for ever", "TestTrial_forwardedTooLate", Edit{"vnode/lifecycle.go", "if hop > 0 {", "if false {"}),
	rule("F16: a request below the fence is served", "TestTrial_requestsBelowTheFence", Edit{
		"vnode/lifecycle.go", "if ringVersion < l.fence {", "if false {",
	}),
}

// rule is a mutant that a test of the simulator must find.
func rule(name, red string, edits ...Edit) Mutant {
	return Mutant{Name: name, Edits: edits, Packages: []string{"./test/sim"}, Red: []string{red}}
}

// TestMutants_simulator switches the rules off one at a time and expects the simulator to find each (I1).
func TestMutants_simulator(t *testing.T) {
	root, err := layers.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range simulated {
		t.Run(m.Name, func(t *testing.T) {
			begun := time.Now()
			survivors, err := m.Survivors(root, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range survivors {
				t.Errorf("%s passes", name)
			}
			t.Logf("%v, with building it", time.Since(begun).Round(100*time.Millisecond))
		})
	}
}

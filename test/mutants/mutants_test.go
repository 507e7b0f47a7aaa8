package mutants

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dee2748c/baton/test/layers"
)

// table are the mutants, each with the rule that it breaks.
var table = []Mutant{
	{
		Name:     "the founding race: a vnode moves from handoff_starting on",
		Tags:     "mutant_fold_at_starting",
		Packages: []string{"./test/foundingrace"},
		Red:      []string{"TestDirect_nextInput", "TestDirect_archive", "TestExplorer"},
	},
	{
		Name: "F11: the owner flips although the seals differ",
		Edits: []Edit{{
			"cluster/topology/reports.go", "case *t.Frozen != *t.Sealed:", "case false:",
		}},
		Packages: []string{"./cluster/topology"},
		Red:      []string{"TestApply_transcripts"},
	},
	{
		Name: "F4: a session below the durable fence is admitted",
		Edits: []Edit{{
			"handoff/fence.go", "case session < v.MaxSession:", "case false:",
		}},
		Packages: []string{"./handoff"},
		Red:      []string{"TestReceiver_transcripts"},
	},
	{
		Name: "F7: a gap in a transfer is stepped over",
		Edits: []Edit{{
			"handoff/receiver.go", "case e.Seq != r.accepted+1:", "case false:",
		}},
		Packages: []string{"./handoff"},
		Red:      []string{"TestReceiver_transcripts"},
	},
	{
		Name: "F10: a restart thaws",
		Edits: []Edit{{
			"vnode/lifecycle.go", "case e.Frozen != 0:", "case false:",
		}},
		Packages: []string{"./vnode"},
		Red:      []string{"TestLifecycle_transcripts"},
	},
	{
		Name: "F3, F6: a page of a merge has an effect after its session",
		Edits: []Edit{
			{"vnode/lifecycle.go", "(t == nil || t.Session != session):\n\t\treturn StaleSession", "(t == nil || t.Session != session):\n\t\treturn Serve"},
			{"actors/under.go", "if err != nil {\n\t\ta.refuseSession(f)\n\t\treturn\n\t}\n\tdefer g.Leave()", "if err == nil {\n\t\tdefer g.Leave()\n\t}"},
		},
		Packages: []string{"./test/quorum"},
		Red:      []string{"TestParkedWriter_merge"},
	},
	{
		Name: "F6: a batch of a transfer has an effect after its session",
		Tags: "inject",
		Edits: []Edit{
			{"actors/target.go", "if err != nil {\n\t\tt.fenced()\n\t\tt.answer(handoff.SessionClosed{Err: err})\n\t\treturn\n\t}\n\tdefer g.Leave()", "if err == nil {\n\t\tdefer g.Leave()\n\t}"},
			{"actors/target.go", "effect(g.Context())", "effect(t.ctx)"},
		},
		Packages: []string{"./test/quorum"},
		Red:      []string{"TestParkedWriter_swap"},
	},
	{
		Name: "F16: a request below the fence is served",
		Edits: []Edit{{
			"vnode/lifecycle.go", "if ringVersion < l.fence {", "if false {",
		}},
		Packages: []string{"./vnode"},
		Red:      []string{"TestLifecycle_fence"},
	},
	{
		Name: "F16 and K6: a request below the fence is served, in whatever grace period it began",
		Edits: []Edit{
			{"vnode/lifecycle.go", "if ringVersion < l.fence {", "if false {"},
			{"kv/coordinate.go", "return grace+1 < here", "return false"},
		},
		Packages: []string{"."},
		Red:      []string{"TestFence_staleCoordinator"},
	},
	{
		Name: "F16 and K6: a copy that was given up is replaced before its neighbours hold the fence, or have heard of the loss",
		Edits: []Edit{
			{"cluster/topology/incomplete.go", "case op.Fence < c.fence:", "case false:"},
			{"entropy_repair.go", "if view.Fence() == 0 {", "if true {"},
			{"kv/coordinate.go", "return grace+1 < here", "return false"},
		},
		Packages: []string{"."},
		Red:      []string{"TestFence_staleCoordinator"},
	},
	{
		Name: "K3: a read answers before r copies hold what it says",
		Edits: []Edit{{
			"kv/read.go", "return v.answered && !v.damaged && v.none == (m.target == nothing) && v.known == m.target", "return v.answered && !v.damaged",
		}},
		Packages: []string{"./kv"},
		Red:      []string{"TestModel"},
	},
	{
		Name: "K8: a coordinator that did not answer is replaced by another one",
		Edits: []Edit{{
			"kv/write.go", "if e.Unknown {", "if false {",
		}},
		Packages: []string{"./kv"},
		Red:      []string{"TestModel", "TestWrite_outcomes"},
	},
	{
		Name: "K6: states that were read too long ago are taken over",
		Edits: []Edit{{
			"kv/coordinate.go", "return grace+1 < here", "return false",
		}},
		Packages: []string{"./kv"},
		Red:      []string{"TestTombstone_doesNotComeBack", "TestExchange_staleGrace", "TestWrite_coordinatorLosesIt", "TestModel"},
	},
	{
		Name: "K6: a tombstone is reaped while a hint is open",
		Edits: []Edit{{
			"kv/tombstones.go", "case cx.Hinted():", "case false:",
		}},
		Packages: []string{"./kv"},
		Red:      []string{"TestTombstone_doesNotComeBack"},
	},
	{
		Name: "K6: a hint that was closed does not count any more",
		Edits: []Edit{{
			"vnode/context.go", "return c.copy.Grace < c.copy.Hinted || c.Hints(c.partition.ID)", "return c.Hints(c.partition.ID)",
		}},
		Packages: []string{"./kv"},
		Red:      []string{"TestTombstone_doesNotComeBack"},
	},
	{
		Name: "K6: a tombstone is reaped before its periods have passed",
		Edits: []Edit{{
			"kv/tombstones.go", "case cx.Grace() < max(need, grace+reapAfter):", "case cx.Grace() < 0:",
		}},
		Packages: []string{"./kv"},
		Red:      []string{"TestTombstone_doesNotComeBack"},
	},
	{
		Name: "K6: a copy reaps that is behind one that was asked",
		Edits: []Edit{{
			"kv/reap.go", "body[1], need = 1, r.grace", "body[1] = 1",
		}},
		Packages: []string{"./kv"},
		Red:      []string{"TestReap_asFarAsTheFurthest"},
	},
	{
		Name: "K6: a tombstone is reaped that some copies do not hold",
		Edits: []Edit{{
			"kv/reap.go", "if r.ready[i] == len(r.set.Copies) {", "if r.ready[i] > 0 {",
		}},
		Packages: []string{"./kv"},
		Red:      []string{"TestReap_allHoldIt"},
	},
	{
		Name: "K6: another state is reaped than was asked for",
		Edits: []Edit{{
			"kv/tombstones.go", "if DigestOf(stored) != digest || !ok", "if !ok",
		}},
		Packages: []string{"./kv"},
		Red:      []string{"TestReap_allHoldIt"},
	},
	{
		Name: "K6: a copy that lacks data reaps",
		Edits: []Edit{{
			"kv/tombstones.go", "case cx.Incomplete():", "case false:",
		}},
		Packages: []string{"./kv"},
		Red:      []string{"TestTombstone_doesNotComeBack"},
	},
	{
		Name: "K6: an exchange passes old states for new ones",
		Edits: []Edit{{
			"kv/exchange.go", "min(x.grace, a.grace)), rest", "x.grace), rest",
		}},
		Packages: []string{"./kv"},
		Red:      []string{"TestExchange_lowestGrace"},
	},
	{
		Name: "damaged bytes are replaced by what one copy holds",
		Edits: []Edit{{
			"kv/copy.go", "if err := decode(cx, &w.old, key, stored); err != nil {", "if err := decode(cx, &w.old, key, stored); err != nil && !isOf(err, ErrCorrupt) {",
		}},
		Packages: []string{"./kv"},
		Red:      []string{"TestExchange_damage"},
	},
	{
		Name: "a loss of data ends no grace period",
		Edits: []Edit{{
			"cluster/topology/incomplete.go", "c.grace += staleAfter", "c.grace += 0",
		}},
		Packages: []string{"./cluster/topology"},
		Red:      []string{"TestApply_laws", "TestHistory_complete"},
	},
}

// TestMutants_found runs every mutant and expects its tests to fail (I1).
func TestMutants_found(t *testing.T) {
	root, err := layers.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range table {
		t.Run(m.Name, func(t *testing.T) {
			survivors, err := m.Survivors(root, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range survivors {
				t.Errorf("%s passes", name)
			}
		})
	}
}

// module makes a small module with one function and its tests.
func module(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module example.org/m\n\ngo 1.26\n",
		"m.go":      "package m\n\nfunc Answer() int { return 42 }\n",
		"m_test.go": "package m\n\nimport \"testing\"\n\nfunc TestAnswer(t *testing.T) {\n\tif Answer() != 42 {\n\t\tt.Fail()\n\t}\n}\n\nfunc TestBlind(t *testing.T) { Answer() }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestSurvivors shows what counts as found and what does not (I1), and that no
// file is changed (I2).
func TestSurvivors(t *testing.T) {
	root := module(t)
	broken := []Edit{{"m.go", "return 42", "return 41"}}
	for _, tt := range []struct {
		name   string
		mutant Mutant
		passes string // the test that survives
		err    string
	}{
		{"found", Mutant{Edits: broken, Red: []string{"TestAnswer"}}, "", ""},
		{"not found", Mutant{Edits: broken, Red: []string{"TestAnswer", "TestBlind"}}, "TestBlind", ""},
		{"not broken", Mutant{Red: []string{"TestAnswer"}}, "TestAnswer", ""},
		{"does not build", Mutant{Edits: []Edit{{"m.go", "return 42", "return forty"}}, Red: []string{"TestAnswer"}}, "", "does not build"},
		{"nothing to edit", Mutant{Edits: []Edit{{"m.go", "return 43", ""}}, Red: []string{"TestAnswer"}}, "", "stands there 0 times"},
		{"no such test", Mutant{Edits: broken, Red: []string{"TestNone"}}, "", "no test ran"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.mutant.Packages = []string{"."}
			survivors, err := tt.mutant.Survivors(root, t.TempDir())
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error is %v, want one that says %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(survivors, " "); got != tt.passes {
				t.Errorf("survivors %q, want %q", got, tt.passes)
			}
		})
	}
	text, err := os.ReadFile(filepath.Join(root, "m.go"))
	if err != nil || !strings.Contains(string(text), "return 42") {
		t.Errorf("the file is now %q (%v)", text, err)
	}
}

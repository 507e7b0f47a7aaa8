package layers_test

import (
	"strings"
	"testing"

	"github.com/dee2748c/baton/test/layers"
)

// TestCheckImports shows each import rule going red on a made-up package, and
// staying green on its neighbour (I1, I2).
func TestCheckImports(t *testing.T) {
	const m = layers.Module + "/"
	for _, tt := range []struct {
		name string
		pkg  layers.Package
		want string // part of the one violation, or empty for none
	}{
		{"a lower line may import a higher one", layers.Package{ImportPath: m + "vnode", Imports: []string{m + "store", m + "cluster/ring", "fmt"}}, ""},
		{"a higher line may not import a lower one", layers.Package{ImportPath: m + "cluster/ring", Imports: []string{m + "actors"}}, "imports actors, which lies on a line below"},
		{"siblings do not know each other", layers.Package{ImportPath: m + "vnode", Imports: []string{m + "handoff"}}, "imports its sibling handoff"},
		{"the session guards may know the machine", layers.Package{ImportPath: m + "handoff/session", Imports: []string{m + "handoff"}}, ""},
		{"the machine may not know the session guards", layers.Package{ImportPath: m + "handoff", Imports: []string{m + "handoff/session"}}, "which lies on a line below"},
		{"adapters are siblings", layers.Package{ImportPath: m + "store/pebble", Imports: []string{m + "store/memory"}}, "imports its sibling store/memory"},
		{"the root wires everything above it", layers.Package{ImportPath: layers.Module, Imports: []string{m + "actors", m + "store/pebble", m + "cluster/memory"}}, ""},
		{"nothing imports the root from above", layers.Package{ImportPath: m + "actors", Imports: []string{layers.Module}}, "imports ., which lies on a line below"},
		{"packages of one tree know each other", layers.Package{ImportPath: m + "cmd/node", Imports: []string{m + "cmd/node/demo"}}, ""},
		{"trees of one line are siblings", layers.Package{ImportPath: m + "cmd/node", Imports: []string{m + "examples/mapreduce"}}, "imports its sibling examples/mapreduce"},
		{"the rim does not import actors", layers.Package{ImportPath: m + "api/admin", Imports: []string{m + "actors"}}, "imports actors"},
		{"the command does not wire", layers.Package{ImportPath: m + "cmd/node/demo", Imports: []string{m + "store/pebble"}}, "imports store/pebble"},
		{"an example shows what a user writes", layers.Package{ImportPath: m + "examples/counter", Imports: []string{m + "actors"}}, "imports actors"},
		{"the proof may import anything", layers.Package{ImportPath: m + "test/bench", Imports: []string{m + "actors", "google.golang.org/grpc", "testing"}}, ""},
		{"only actors knows the actor library", layers.Package{ImportPath: m + "pipe", Imports: []string{"github.com/asynkron/protoactor-go/actor"}}, "only actors knows the actor library"},
		{"actors knows it", layers.Package{ImportPath: m + "actors", Imports: []string{"github.com/asynkron/protoactor-go/actor"}}, ""},
		{"a major version is the same technology", layers.Package{ImportPath: m + "store", Imports: []string{"github.com/cockroachdb/pebble/v2"}}, "an engine is replaced by writing another adapter"},
		{"the engine's adapter knows it", layers.Package{ImportPath: m + "store/pebble", Imports: []string{"github.com/cockroachdb/pebble/v2/vfs"}}, ""},
		{"grpc has one home", layers.Package{ImportPath: m + "messages", Imports: []string{"google.golang.org/grpc"}}, "one Transport"},
		{"a dependency without a home", layers.Package{ImportPath: m + "kv", Imports: []string{"example.org/left/pad"}}, "which has no home"},
		{"a prefix is a whole path element", layers.Package{ImportPath: m + "actors", Imports: []string{"google.golang.org/grpcfoo"}}, "which has no home"},
		{"production code does not test", layers.Package{ImportPath: m + "kv", Imports: []string{"testing"}}, "production code imports testing"},
		{"a kit may", layers.Package{ImportPath: m + "store/storetest", Imports: []string{"testing", m + "store", "pgregory.net/rapid"}}, ""},
		{"production code does not import a kit", layers.Package{ImportPath: m + "store/memory", Imports: []string{m + "store/storetest"}}, "imports the test kit store/storetest"},
		{"test code may", layers.Package{ImportPath: m + "store/memory", XTestImports: []string{m + "store/storetest", m + "store/memory", "testing"}}, ""},
		{"test code keeps to the layers", layers.Package{ImportPath: m + "kv", TestImports: []string{m + "actors"}}, "imports actors, which lies on a line below"},
		{"an unknown package", layers.Package{ImportPath: m + "gossip"}, "is not in the layer table"},
		{"a name that says nothing", layers.Package{ImportPath: m + "cmd/node/util", Name: "util"}, `is named "util"`},
		{"a package clause that says nothing", layers.Package{ImportPath: m + "cmd/node/words", Name: "helpers"}, `is named "helpers"`},
		{"packages of others are not judged", layers.Package{ImportPath: "example.org/util", Name: "util"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := layers.CheckImports(layers.Lines, []layers.Package{tt.pkg})
			expectOne(t, got, tt.want)
		})
	}
}

// expectOne fails unless there is exactly one violation that says want and
// gives its reason and way out, or none when want is empty.
func expectOne(t *testing.T, got []layers.Violation, want string) {
	t.Helper()
	if want == "" {
		for _, v := range got {
			t.Errorf("unexpected violation: %v", v)
		}
		return
	}
	if len(got) != 1 {
		t.Fatalf("got %d violations, want 1 that says %q: %v", len(got), want, got)
	}
	if !strings.Contains(got[0].String(), want) {
		t.Errorf("violation does not say %q: %v", want, got[0])
	}
	if got[0].Why == "" || got[0].Fix == "" {
		t.Errorf("violation without reason or way out: %v", got[0])
	}
}

// TestTable_wellFormed holds the table itself to what the checkers assume.
func TestTable_wellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, line := range layers.Lines {
		for _, e := range line {
			if seen[e.Path] {
				t.Errorf("%s stands in the table twice", e.Path)
			}
			seen[e.Path] = true
		}
	}
	for _, b := range layers.Bans {
		if b.Why == "" {
			t.Errorf("ban of %v has no reason", b.To)
		}
	}
	for _, tech := range layers.Technologies {
		if tech.Why == "" || len(tech.Homes) == 0 {
			t.Errorf("technology %v has no reason or no home", tech.Prefixes)
		}
	}
	for _, i := range layers.Impurities {
		if i.Why == "" {
			t.Errorf("impurity %s has no reason", i.Import)
		}
	}
}

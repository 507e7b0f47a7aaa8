package clustertest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/clustertest"
	"github.com/dee2748c/baton/cluster/topology"
)

// operations returns the names of the types that package topology declares as operations.
func operations(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../topology/*.go")
	if err != nil {
		t.Fatal(err)
	}
	ops := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "opTag" {
				if id, ok := f.Recv.List[0].Type.(*ast.Ident); ok {
					ops[id.Name] = true
				}
			}
		}
	}
	return ops
}

// Every operation is generated, is accepted and is refused; the commands survive the log form, and one
// seed is one history.
func TestGenerator(t *testing.T) {
	const seed, commands = 1, 10_000
	missing := operations(t)
	if len(missing) < 20 {
		t.Fatalf("%d operations found in package topology", len(missing))
	}
	g, again := clustertest.NewGenerator(seed), clustertest.NewGenerator(seed)
	codes := map[topology.Code]int{}
	for range commands {
		cmd, out := g.Next()
		if other, _ := again.Next(); !reflect.DeepEqual(cmd, other) {
			t.Fatalf("seed %d gives %v and %v", seed, cmd, other)
		}
		if out.Changed() {
			delete(missing, reflect.TypeOf(cmd.Op).Name())
		}
		codes[out.Code]++
		if out.Version%50 != 0 {
			continue
		}
		b, err := cluster.AppendBatch(nil, []topology.Command{cmd})
		if err != nil {
			t.Fatal(err)
		}
		back, err := cluster.DecodeBatch(b)
		if err != nil || !reflect.DeepEqual(back[0].ID, cmd.ID) || topology.OpName(back[0].Op) != topology.OpName(cmd.Op) {
			t.Fatalf("%v became %v: %v", cmd, back, err)
		}
	}
	if len(missing) > 0 {
		t.Errorf("never accepted: %v", missing)
	}
	stats := g.Statistics()
	t.Logf("seed %d: %v", seed, stats)
	for name, tally := range stats.ByOp {
		t.Logf("%-18s %+v", name, tally)
	}
	if total := stats.Total(); total.Applied*3 < commands || total.Refused*10 < commands {
		t.Errorf("too one-sided: %v", stats)
	}
	if diff := cmp.Diff(true, stats.Repeated > 100 && stats.Forgotten > 20 && len(codes) > 20); diff != "" {
		t.Errorf("%v, %d codes", stats, len(codes))
	}
}

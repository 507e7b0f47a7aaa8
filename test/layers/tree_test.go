package layers_test

import (
	"path"
	"strings"
	"testing"

	"github.com/dee2748c/baton/test/layers"
)

func root(t *testing.T) string {
	t.Helper()
	dir, err := layers.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func report(t *testing.T, violations []layers.Violation) {
	t.Helper()
	for _, v := range violations {
		t.Error(v)
	}
}

// TestModule_imports holds the module to the layer table.
func TestModule_imports(t *testing.T) {
	pkgs, err := layers.List(root(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) == 0 {
		t.Fatal("go list found no package")
	}
	report(t, layers.CheckImports(layers.Lines, pkgs))
}

// TestModule_house holds every file to the house rules, and the pure packages
// to purity.
func TestModule_house(t *testing.T) {
	dir := root(t)
	files, err := layers.Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]map[string][]byte{}
	for _, f := range files {
		if f.Name != "go.sum" {
			report(t, layers.CheckText(f.Name, f.Text, dir))
		}
		if !f.Written() || strings.Contains(f.Name, "testdata/") {
			continue
		}
		in := path.Dir(f.Name)
		if packages[in] == nil {
			packages[in] = map[string][]byte{}
		}
		packages[in][path.Base(f.Name)] = f.Text
		report(t, layers.CheckHouse(f.Name, f.Text))
		pure := layers.IsPure(in) && !strings.HasSuffix(f.Name, "_test.go")
		violations, err := layers.CheckSource(f.Name, f.Text, pure)
		if err != nil {
			t.Error(err)
		}
		report(t, violations)
	}
	for in, sources := range packages {
		report(t, layers.CheckDoc(in, sources))
	}
}

package inject

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestAll: every point has a place in the code, one, and every place is one of All (I3).
func TestAll(t *testing.T) {
	src, err := os.ReadFile("points.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]Point{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+) +Point = "([\w.]+)"`).FindAllStringSubmatch(string(src), -1) {
		names[m[1]] = Point(m[2])
	}
	if len(names) != len(All) {
		t.Errorf("%d points have a name, All has %d", len(names), len(All))
	}
	at := map[Point]int{}
	use := regexp.MustCompile(`inject\.(At|Err)\(inject\.(\w+)\)`)
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "../inject/") {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range use.FindAllSubmatch(src, -1) {
			p := names[string(m[2])]
			at[p]++
			if (string(m[1]) == "Err") != slices.Contains(Failing, p) {
				t.Errorf("%s: %s, and Failing is %v", path, m[0], Failing)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range All {
		if at[p] != 1 {
			t.Errorf("%s has %d places in the code", p, at[p])
		}
	}
}

// TestOff: the build of users imports nothing for it (I1).
func TestOff(t *testing.T) {
	for _, name := range []string{"off.go", "points.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil || len(f.Imports) > 0 {
			t.Errorf("%s: %v, %d imports", name, err, len(f.Imports))
		}
	}
	if slices.Contains(All, "") {
		t.Error("a point has no name")
	}
	At(All[0])
	if err := Err(All[0]); err != nil {
		t.Error(err)
	}
}

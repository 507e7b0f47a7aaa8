package layers_test

import (
	"path"
	"testing"

	"github.com/dee2748c/baton/test/layers"
)

func TestCheckQuotes(t *testing.T) {
	read := func(name string) (string, bool) {
		return "package x\n\nvar a = 1\n", name == "x.go"
	}
	for _, tt := range []struct{ name, text, want string }{
		{"no code", "text\n```\n$ make\n```\n", ""},
		{"true", "<!-- from x.go -->\n```go\nvar a = 1\n```\n", ""},
		{"stale", "<!-- from x.go -->\n```go\nvar a = 2\n```\n", "not in x.go"},
		{"of a file that is gone", "<!-- from y.go -->\n```go\nvar a = 1\n```\n", "y.go, which does not exist"},
		{"from nowhere", "```go\nvar a = 1\n```\n", "without saying where it is from"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expectOne(t, layers.CheckQuotes("README.md", tt.text, read), tt.want)
		})
	}
}

func TestCheckTargets(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"none", "things make sense", ""},
		{"in a line", "run `make test` and `make`", ""},
		{"in a block", "    make test   # all\n", ""},
		{"gone", "run `make tea`", "the target tea"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expectOne(t, layers.CheckTargets("README.md", tt.text, "test: ## all\n"), tt.want)
		})
	}
}

// TestModule_docs holds the documents to the code that they quote and to the
// targets that there are.
func TestModule_docs(t *testing.T) {
	files, err := layers.Files(root(t))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, f := range files {
		texts[f.Name] = string(f.Text)
	}
	read := func(name string) (string, bool) {
		text, ok := texts[name]
		return text, ok
	}
	for name, text := range texts {
		if path.Ext(name) == ".md" {
			report(t, layers.CheckQuotes(name, text, read))
			report(t, layers.CheckTargets(name, text, texts["Makefile"]))
		}
	}
}

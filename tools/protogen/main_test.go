package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGenerate_committed proves I3.
func TestGenerate_committed(t *testing.T) {
	root := filepath.Join("..", "..")
	out := t.TempDir()
	if err := generate(t.Context(), root, out); err != nil {
		t.Fatal(err)
	}
	committed := read(t, root)
	if diff := cmp.Diff(committed, read(t, out)); diff != "" {
		t.Errorf("messages/*.pb.go is not what go run ./tools/protogen makes (-committed +made):\n%s", diff)
	}
	if len(committed) < 3 {
		t.Errorf("%d generated files, want at least node, handoff and pipe", len(committed))
	}
}

func TestGenerate_noSources(t *testing.T) {
	if err := generate(t.Context(), t.TempDir(), t.TempDir()); err == nil {
		t.Error("generate in an empty folder gave no error")
	}
}

func TestGenerate_brokenSource(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "messages")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x.proto"), []byte("message {"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := generate(t.Context(), root, t.TempDir()); err == nil {
		t.Error("generate of a broken source gave no error")
	}
}

func read(t *testing.T, root string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, "messages", "*.pb.go"))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = string(content)
	}
	return files
}

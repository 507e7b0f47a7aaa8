package cli_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDemo_countsOfUnixTools compares every word of a demo with what tr, sort
// and uniq count in the same files (I5).
func TestDemo_countsOfUnixTools(t *testing.T) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"net", "encoding"} {
		t.Run(dir, func(t *testing.T) {
			input := filepath.Join(strings.TrimSpace(string(out)), "src", dir)
			want := countWithTools(t, input)
			counts := filepath.Join(t.TempDir(), "counts")
			demo := exec.Command(binary, "demo", "--input", input, "--seed", "3", "--counts", counts)
			if out, err := demo.CombinedOutput(); err != nil || !bytes.HasSuffix(out, []byte("\nexact: true\n")) {
				t.Fatalf("demo: %v\n%s", err, out)
			}
			got, err := os.ReadFile(counts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := firstDifference(string(got), want); diff != "" {
				t.Error(diff)
			}
			if n := strings.Count(want, "\n"); n < 1000 {
				t.Errorf("only %d distinct words were compared", n)
			}
		})
	}
}

// countWithTools counts the words of all files of a tree that hold no zero byte
// in their first 8 KiB. Files are set apart by a newline, so that no word spans
// two of them.
func countWithTools(t *testing.T, dir string) string {
	t.Helper()
	var all bytes.Buffer
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.IndexByte(text[:min(len(text), 8<<10)], 0) < 0 {
			all.Write(text)
			all.WriteByte('\n')
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	tools := exec.Command("sh", "-c", `tr -cs 'A-Za-z0-9_' '\n' | sed '/^$/d' | sort | uniq -c`)
	tools.Env = append(os.Environ(), "LC_ALL=C")
	tools.Stdin = &all
	out, err := tools.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// firstDifference says where two texts differ first, line by line.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d: the demo has %q, the tools have %q", i+1, g[i], w[i])
		}
	}
	if len(g) != len(w) {
		return fmt.Sprintf("the demo has %d words, the tools have %d", len(g)-1, len(w)-1)
	}
	return ""
}

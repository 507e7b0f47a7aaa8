package mutants

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Mutant is one way to break the code.
type Mutant struct {
	// Name says what is broken, in the words of the rule.
	Name string
	// Tags are build tags that plant the mistake.
	Tags string
	// Edits plant it in the text of source files.
	Edits []Edit
	// Packages are tested, as arguments of go test.
	Packages []string
	// Red are the tests that must fail.
	Red []string
}

// Edit replaces a text that stands once in a file, named relative to the root
// of the module.
type Edit struct{ File, Old, New string }

// overlay writes the edited files to dir and returns the name of a file for
// go test -overlay.
func (m Mutant) overlay(root, dir string) (string, error) {
	replace := map[string]string{}
	for i, e := range m.Edits {
		path := filepath.Join(root, filepath.FromSlash(e.File))
		edited, again := replace[path]
		if !again {
			edited = path
		}
		text, err := os.ReadFile(edited)
		if err != nil {
			return "", err
		}
		if n := strings.Count(string(text), e.Old); n != 1 {
			return "", fmt.Errorf("edit of %s: the text stands there %d times, not once:\n%s", e.File, n, e.Old)
		}
		edited = filepath.Join(dir, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(edited, []byte(strings.Replace(string(text), e.Old, e.New, 1)), 0o644); err != nil {
			return "", err
		}
		replace[path] = edited
	}
	body, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, body, 0o644)
}

// Survivors runs the mutant's tests in the module at root and returns those of
// Red that did not fail. dir is for temporary files.
func (m Mutant) Survivors(root, dir string) ([]string, error) {
	overlay, err := m.overlay(root, dir)
	if err != nil {
		return nil, err
	}
	args := []string{"test", "-json", "-count=1", "-overlay", overlay, "-run", "^(" + strings.Join(m.Red, "|") + ")$"}
	if m.Tags != "" {
		args = append(args, "-tags", m.Tags)
	}
	cmd := exec.Command("go", append(args, m.Packages...)...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	failed, err := failedTests(out)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, stderr.Bytes())
	}
	return slices.DeleteFunc(slices.Clone(m.Red), func(name string) bool { return failed[name] }), nil
}

// failedTests reads the output of go test -json.
func failedTests(out []byte) (map[string]bool, error) {
	failed := map[string]bool{}
	ran := false
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var e struct{ Action, Test, Output string }
		if err := dec.Decode(&e); err != nil {
			return nil, fmt.Errorf("output of go test: %w", err)
		}
		switch {
		case e.Action == "build-fail":
			return nil, fmt.Errorf("the mutant does not build:\n%s", out)
		case e.Test != "":
			ran = true
			failed[e.Test] = failed[e.Test] || e.Action == "fail"
		}
	}
	if !ran {
		return nil, fmt.Errorf("no test ran:\n%s", out)
	}
	return failed, nil
}

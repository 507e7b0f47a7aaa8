package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dee2748c/baton/batontest"
)

func TestMain(m *testing.M) { batontest.VerifyTestMain(m) }

// corpus makes a directory with a few files of words.
func corpus(t *testing.T) string {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "one two two", "b": "two Three", "c": "", "d": "\x00"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// expectNothingLeft fails if anything stands in the directory for temporary
// files (I2); that no goroutine is left is checked after all tests.
func expectNothingLeft(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("left behind: %s", entry.Name())
	}
}

func TestRun(t *testing.T) {
	for _, engine := range Engines {
		t.Run(engine, func(t *testing.T) {
			o := Defaults()
			o.Input, o.Engine, o.Ring, o.Seed = corpus(t), engine, 8, 1
			var b bytes.Buffer
			if err := Run(t.Context(), o, NewJSON(&b)); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(b.String()), "\n")
			var s Summary
			if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
				t.Fatal(err)
			}
			if !s.Exact || s.Words != 5 || s.Distinct != 3 || s.Inputs != 3 || s.Files != 3 || s.Skipped != 1 || s.Bytes != 20 {
				t.Errorf("summary %+v", s)
			}
			if !strings.Contains(b.String(), `"event":"joining","node":"n4"`) {
				t.Error("no node has joined")
			}
			expectNothingLeft(t)
		})
	}
}

// interruption is an Output that ends the demo at the first event of a kind.
type interruption struct {
	at     string
	cancel context.CancelFunc
	err    error
}

func (i interruption) Show(e Event) error {
	if e.name() != i.at {
		return nil
	}
	i.cancel()
	return i.err
}

// TestRun_interrupted ends demos at each of their steps, by a context and by an
// output that fails, and expects the error and nothing left behind (I2).
func TestRun_interrupted(t *testing.T) {
	broken := errors.New("broken pipe")
	for _, at := range []string{"started", "loading", "mapping", "joining", "phase", "recounting", "frequent"} {
		for _, failure := range []error{nil, broken} {
			name, want := at+"/cancelled", context.Canceled
			if failure != nil {
				name, want = at+"/output broken", failure
			}
			t.Run(name, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				o := Defaults()
				o.Input, o.Engine, o.Ring = corpus(t), "pebble", 8
				stop := interruption{at: at, cancel: func() {}, err: failure}
				if failure == nil {
					stop.cancel = cancel
				}
				err := Run(ctx, o, stop)
				if late := at == "recounting" || at == "frequent"; failure == nil && late && err == nil {
					return // too late to interrupt
				}
				if !errors.Is(err, want) {
					t.Errorf("error is %v, want %v", err, want)
				}
				expectNothingLeft(t)
			})
		}
	}
}

func TestRun_fileChanges(t *testing.T) {
	o := Defaults()
	o.Input, o.Nodes, o.Join, o.Ring = corpus(t), 1, 0, 8
	path := filepath.Join(o.Input, "b")
	err := Run(t.Context(), o, changing{path})
	expectInputError(t, err, path, "changed while the demo ran")
}

// changing is an Output that writes to a file when the job is done.
type changing struct{ path string }

func (c changing) Show(e Event) error {
	if e.name() == "phase" {
		return os.WriteFile(c.path, []byte("something else"), 0o644)
	}
	return nil
}

// TestCompare_inexact checks that one wrong word makes the whole demo inexact
// (I5).
func TestCompare_inexact(t *testing.T) {
	o := Defaults()
	o.Input = corpus(t)
	in, err := o.find()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		counted Counts
		says    string
	}{
		{"a word too many", Counts{"one": 1, "two": 4, "Three": 1}, `"two": the job counted 4, the recount 3`},
		{"a word lost", Counts{"one": 1, "two": 3}, `"Three": the job counted 0, the recount 1`},
		{"a word invented", Counts{"one": 1, "two": 3, "Three": 1, "four": 1}, `"four": the job counted 1, the recount 0`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			d := &demo{opts: o, in: &in, out: NewPlain(&b), counted: tt.counted}
			_, d.loaded.hashes, err = recount(t.Context(), &in, func(int64) {})
			if err != nil {
				t.Fatal(err)
			}
			if err := d.compare(t.Context()); !errors.Is(err, ErrInexact) {
				t.Errorf("error is %v, want ErrInexact", err)
			}
			if !strings.HasSuffix(b.String(), "\nexact: false\n") || !strings.Contains(b.String(), tt.says) {
				t.Errorf("output does not say %q and end with exact: false:\n%s", tt.says, b.String())
			}
		})
	}
}

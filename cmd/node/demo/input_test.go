package demo

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestFind_directory(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a.go", "package a")
	write("sub/b.go", "package b")
	write("sub/notes.txt", "notes")
	write("sub/dir.go/c.go", "package c") // a directory that ends in .go is no file
	write("tool", "\x7fELF\x00\x01")
	write("late.bin", strings.Repeat("x", sniffBytes)+"\x00") // a NUL behind the sniffed bytes is text
	write("early.bin", strings.Repeat("x", sniffBytes-1)+"\x00")
	write("empty", "")
	if err := os.Symlink("a.go", filepath.Join(dir, "link.go")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}

	for _, tt := range []struct {
		suffix         string
		names          []string
		skipped, links int
	}{
		{"", []string{"a.go", "empty", "late.bin", "sub/b.go", "sub/dir.go/c.go", "sub/notes.txt"}, 2, 2},
		{".go", []string{"a.go", "sub/b.go", "sub/dir.go/c.go"}, 0, 1},
	} {
		t.Run("suffix="+tt.suffix, func(t *testing.T) {
			in, err := Find(dir, tt.suffix)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			var size int64
			for _, f := range in.Files {
				names = append(names, f.Name)
				size += f.Size
			}
			if diff := cmp.Diff(tt.names, names); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if in.Skipped != tt.skipped || in.Links != tt.links {
				t.Errorf("skipped %d, links %d; want %d, %d", in.Skipped, in.Links, tt.skipped, tt.links)
			}
			if in.Bytes != size {
				t.Errorf("Bytes = %d, the files have %d", in.Bytes, size)
			}
		})
	}
}

func TestFind_oneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "words.txt")
	if err := os.WriteFile(path, []byte("one two"), 0o644); err != nil {
		t.Fatal(err)
	}
	in, err := Find(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]File{{Name: "words.txt", Size: 7}}, in.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	f, err := in.Open("words.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if text, _ := io.ReadAll(f); string(text) != "one two" {
		t.Errorf("read %q", text)
	}
}

// TestFind_badInput checks that every bad input is an *InputError that names
// the path and a remedy (I1).
func TestFind_badInput(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "binary")
	if err := os.WriteFile(binary, []byte{0}, 0o644); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, path, suffix, what string }{
		{"missing", filepath.Join(dir, "missing"), "", "does not exist"},
		{"a single binary file", binary, "", "is a binary file"},
		{"no file at all", empty, "", "holds no text file"},
		{"only binary files", dir, "", "1 binary files skipped"},
		{"no file of that name", dir, ".go", "holds no text file named *.go"},
		{"a device", os.DevNull, "", "neither a directory nor a regular file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Find(tt.path, tt.suffix)
			expectInputError(t, err, tt.path, tt.what)
		})
	}
}

func expectInputError(t *testing.T, err error, path, what string) {
	t.Helper()
	var bad *InputError
	if !errors.As(err, &bad) {
		t.Fatalf("error is %v, want an *InputError", err)
	}
	for _, part := range []string{path, what, bad.Remedy} {
		if part == "" || !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

// unreadableFS opens every file and fails to read those in bad.
type unreadableFS struct {
	fs.FS
	bad string
}

func (u unreadableFS) Open(name string) (fs.File, error) {
	f, err := u.FS.Open(name)
	if err == nil && name == u.bad {
		return failingFile{f}, nil
	}
	return f, err
}

type failingFile struct{ fs.File }

func (failingFile) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestFindIn_unreadableFile(t *testing.T) {
	files := fstest.MapFS{"good": {Data: []byte("x")}, "locked": {Data: []byte("y")}}
	_, err := findIn(unreadableFS{files, "locked"}, "corpus", "")
	expectInputError(t, err, filepath.Join("corpus", "locked"), "can't be read")
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v hides its cause", err)
	}
}

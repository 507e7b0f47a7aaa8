package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// sniffBytes is how much of a file decides whether it is text.
const sniffBytes = 8 << 10

// InputError says what is wrong with the input and what to do about it.
type InputError struct {
	Path   string // the file or directory
	What   string // what is wrong with it
	Remedy string // what the user can do
	Err    error  // the cause, or nil
}

// Error gives path, problem, cause and remedy on one line.
func (e *InputError) Error() string {
	cause := ""
	if e.Err != nil {
		var pathErr *fs.PathError
		if errors.As(e.Err, &pathErr) {
			cause = ": " + pathErr.Err.Error() // the path is named already
		} else {
			cause = ": " + e.Err.Error()
		}
	}
	return fmt.Sprintf("input %s %s%s; %s", e.Path, e.What, cause, e.Remedy)
}

// Unwrap gives the cause.
func (e *InputError) Unwrap() error { return e.Err }

// Input is the set of text files that a demo runs on.
type Input struct {
	// Root is the directory or file as the user named it.
	Root string
	// Files are the text files in lexical order of their names.
	Files []File
	// Skipped is the number of binary files that were left out.
	Skipped int
	// Links is the number of symbolic links and special files, which are not
	// followed or read.
	Links int
	// Bytes is the size of all Files together when they were found.
	Bytes int64

	fsys fs.FS
	dir  string
}

// File is one text file of the input.
type File struct {
	Name string // slash-separated, relative to the input's root
	Size int64  // bytes, when it was found
}

// Find looks at a directory tree or at one file on disk. In a tree it takes the
// regular files whose name ends in suffix (all of them when suffix is empty)
// and skips those that are binary: a NUL byte within the first 8 KiB. Every
// file is opened, so that an unreadable one is found before anything starts.
// All errors are *InputError.
func Find(root, suffix string) (Input, error) {
	stat, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Input{}, &InputError{Path: root, What: "does not exist", Remedy: "name a directory or a text file with --input"}
	case err != nil:
		return Input{}, &InputError{Path: root, What: "can't be examined", Remedy: "check the permissions of its parent directories", Err: err}
	case stat.IsDir():
		return findIn(os.DirFS(root), root, suffix)
	case stat.Mode().IsRegular():
		return findOne(os.DirFS(filepath.Dir(root)), root, filepath.Base(root))
	}
	return Input{}, &InputError{Path: root, What: fmt.Sprintf("is neither a directory nor a regular file (%v)", stat.Mode().Type()), Remedy: "name a directory or a text file with --input"}
}

// findIn walks the tree of fsys, which is called root in errors.
func findIn(fsys fs.FS, root, suffix string) (Input, error) {
	in := Input{Root: root, fsys: fsys, dir: root}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return unreadable(in.path(name), err)
		}
		switch {
		case d.IsDir() || !strings.HasSuffix(name, suffix):
			return nil
		case !d.Type().IsRegular():
			in.Links++
			return nil
		}
		text, err := in.sniff(name)
		if err != nil {
			return err
		}
		if !text {
			in.Skipped++
			return nil
		}
		return in.add(name)
	})
	if err != nil {
		return Input{}, err
	}
	if len(in.Files) == 0 {
		what := fmt.Sprintf("holds no text file (%d binary files skipped)", in.Skipped)
		if suffix != "" {
			what = fmt.Sprintf("holds no text file named *%s (%d binary files skipped)", suffix, in.Skipped)
		}
		return Input{}, &InputError{Path: root, What: what, Remedy: "name a directory with text files"}
	}
	return in, nil
}

// findOne takes a single file, which has to be text.
func findOne(fsys fs.FS, root, name string) (Input, error) {
	in := Input{Root: root, fsys: fsys, dir: filepath.Dir(root)}
	text, err := in.sniff(name)
	if err != nil {
		return Input{}, err
	}
	if !text {
		return Input{}, &InputError{Path: root, What: "is a binary file (it has a NUL byte near its beginning)", Remedy: "name a text file, or a directory, whose binary files are skipped"}
	}
	return in, in.add(name)
}

func (in *Input) add(name string) error {
	stat, err := fs.Stat(in.fsys, name)
	if err != nil {
		return unreadable(in.path(name), err)
	}
	in.Files = append(in.Files, File{Name: name, Size: stat.Size()})
	in.Bytes += stat.Size()
	return nil
}

// sniff opens the file and reports whether it begins like text.
func (in *Input) sniff(name string) (text bool, err error) {
	f, err := in.fsys.Open(name)
	if err != nil {
		return false, unreadable(in.path(name), err)
	}
	defer f.Close()
	head := make([]byte, sniffBytes)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, unreadable(in.path(name), err)
	}
	return bytes.IndexByte(head[:n], 0) < 0, nil
}

// Open opens one of the Files for reading. Its error is an *InputError.
func (in *Input) Open(name string) (io.ReadCloser, error) {
	f, err := in.fsys.Open(name)
	if err != nil {
		return nil, unreadable(in.path(name), err)
	}
	return f, nil
}

// path gives the place of a file for a message.
func (in *Input) path(name string) string { return filepath.Join(in.dir, filepath.FromSlash(name)) }

func unreadable(path string, err error) error {
	return &InputError{Path: path, What: "can't be read", Remedy: "make it readable or leave it out of the input", Err: err}
}

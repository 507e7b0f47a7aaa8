package layers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// List asks the go command, in the module's root directory, for every package
// of the module.
func List(root string) ([]Package, error) {
	cmd := exec.Command("go", "list", "-e", "-json=Dir,ImportPath,Name,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var pkgs []Package
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p Package
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list output: %w", err)
		}
		pkgs = append(pkgs, p)
	}
}

// File is one file of the repository, with its path relative to the root in
// slash form.
type File struct {
	Name string
	Text []byte
}

// skippedDirs hold nothing that was written by hand.
var skippedDirs = map[string]bool{".git": true, ".cache": true, "bin": true}

// Files reads every file of the repository that was written by hand.
func Files(root string) ([]File, error) {
	var out []File
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skippedDirs[d.Name()] {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		out = append(out, File{Name: filepath.ToSlash(rel), Text: text})
		return nil
	})
	return out, err
}

// Root gives the root directory of the module that holds the working directory.
func Root() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// Written reports whether a Go file was written by hand.
func (f File) Written() bool {
	return strings.HasSuffix(f.Name, ".go") && !strings.HasSuffix(f.Name, ".pb.go") && !strings.HasSuffix(f.Name, "_string.go")
}

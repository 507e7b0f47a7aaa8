package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	// What the binary is made of. A test's result is cached by what it imports and by the files that it
	// looks at, and a build by a child is neither.
	_ "github.com/dee2748c/baton"
	_ "github.com/dee2748c/baton/cmd/node/demo"
	_ "github.com/dee2748c/baton/cmd/node/settings"
	_ "github.com/dee2748c/baton/cmd/node/show"
)

const command = "github.com/dee2748c/baton/cmd/node"

// binary is the path of the built command.
var binary string

// injectable builds the command with the points of package inject, once, and returns its path.
var injectable = sync.OnceValues(func() (string, error) {
	path := binary + "-inject"
	return path, build(path, "-tags", "inject")
})

// Main builds the binary, runs the tests and returns the exit code; TestMain of every package of
// end-to-end tests calls it.
func Main(m *testing.M) int {
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func buildAndRun(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "baton-e2e-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binary = filepath.Join(dir, "baton")
	if err := build(binary); err != nil {
		return 0, fmt.Errorf("build %s: %w", command, err)
	}
	ended := make(chan struct{})
	go spawner(ended)
	code = m.Run()
	close(spawn)
	<-ended
	if code == 0 {
		err = goleak.Find()
	}
	return code, err
}

func build(path string, args ...string) error {
	b := exec.Command("go", slices.Concat([]string{"build", "-o", path}, args, []string{command})...)
	b.Stderr = os.Stderr
	if err := b.Run(); err != nil {
		return err
	}
	list := exec.Command("go", "list", "-f", `{{range .GoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}`, command)
	files, err := list.Output()
	if err != nil {
		return err
	}
	for _, f := range strings.Fields(string(files)) {
		if _, err := os.Stat(f); err != nil { // for the cache
			return err
		}
	}
	return nil
}

// spawn takes what starts a child. The kernel kills a child when the thread that started it ends, so
// all children are started by one thread, which lives as long as the tests.
var spawn = make(chan func())

func spawner(ended chan<- struct{}) {
	runtime.LockOSThread()
	defer close(ended)
	for f := range spawn {
		f()
	}
}

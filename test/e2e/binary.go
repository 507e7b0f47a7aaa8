package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// binary is the path of the built command.
var binary string

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
	build := exec.Command("go", "build", "-o", binary, "github.com/dee2748c/baton/cmd/node")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return 0, fmt.Errorf("build cmd/node: %w", err)
	}
	ended := make(chan struct{})
	go spawner(ended)
	defer func() {
		close(spawn)
		<-ended
	}()
	return m.Run(), nil
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

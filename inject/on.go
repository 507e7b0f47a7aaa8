//go:build inject && unix

package inject

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

var mu sync.Mutex

// passed counts the passes of the point that the text arms.
var passed struct {
	text string
	left int
}

// At strikes if the file of BATON_INJECT arms the point, or waits there if Park holds it. It is safe for
// concurrent use.
func At(p Point) {
	strike(p)
	_ = pass(p) // Fail takes no point of At
}

// Err is At for a point of Failing, and returns the error of Fail.
func Err(p Point) error {
	strike(p)
	return pass(p)
}

// strike ends or stops the process if that is armed. A file that can't be read or understood ends the process:
// a test must not go on without its fault.
func strike(p Point) {
	name := os.Getenv("BATON_INJECT")
	if name == "" {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var point Point
	var action string
	var pass int
	if err == nil {
		_, err = fmt.Sscan(string(text), &point, &action, &pass)
	}
	signal, known := map[string]syscall.Signal{"crash": syscall.SIGKILL, "stop": syscall.SIGSTOP}[action]
	if err != nil || !known {
		fmt.Fprintf(os.Stderr, "inject: %s arms %q: %v\n", name, text, err)
		os.Exit(1)
	}
	if point != p {
		return
	}
	if passed.text != string(text) {
		passed.text, passed.left = string(text), pass
	}
	if passed.left--; passed.left > 0 {
		return
	}
	passed.text = ""
	fmt.Fprintf(os.Stderr, "inject: %s at %s\n", action, p)
	if err := errors.Join(os.Remove(name), syscall.Kill(os.Getpid(), signal)); err != nil {
		fmt.Fprintf(os.Stderr, "inject: %v\n", err)
		os.Exit(1)
	}
}

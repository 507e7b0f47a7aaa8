package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dee2748c/baton/api/admin"
)

// Ready is the line that `baton start --json` prints.
type Ready struct {
	Node        string      `json:"node"`
	Phase       admin.Phase `json:"phase"`
	ClusterID   string      `json:"cluster_id"`
	ClusterAddr string      `json:"cluster_addr"`
	AdminAddr   string      `json:"admin_addr"`
	HTTPAddr    string      `json:"http_addr"`
}

// Process is one life of a node.
type Process struct {
	cmd    *exec.Cmd
	stdout *readyWriter
	stderr *tail
	exited chan struct{}
}

// launch starts a binary in a process group of its own, with some variables more than all have. What it
// prints goes to the file too.
func launch(logFile *os.File, path string, env []string, args ...string) (*Process, error) {
	p := &Process{
		cmd:    exec.Command(path, args...),
		stdout: &readyWriter{log: logFile, line: make(chan []byte, 1)},
		stderr: &tail{log: logFile},
		exited: make(chan struct{}),
	}
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.cmd.Env = append(environment(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.cmd.WaitDelay = 5 * time.Second
	started := make(chan error)
	spawn <- func() { started <- p.cmd.Start() }
	if err := <-started; err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // the code is in ProcessState
		close(p.exited)
	}()
	return p, nil
}

// environment is the tests' without the settings of a node.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "BATON_") {
			env = append(env, kv)
		}
	}
	return env
}

// Exited is closed when the process has ended and was waited for.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Alive reports whether the process has not ended; a paused one is alive.
func (p *Process) Alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Code returns the exit code of an ended process, -1 when a signal ended it.
func (p *Process) Code() int {
	<-p.exited
	return p.cmd.ProcessState.ExitCode()
}

// Stderr returns the end of what the process has printed as errors and log.
func (p *Process) Stderr() string { return p.stderr.String() }

// Signal sends a signal to the process group; one that has ended gets none.
func (p *Process) Signal(s syscall.Signal) error {
	if !p.Alive() {
		return nil
	}
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal %v to %d: %w", s, p.cmd.Process.Pid, err)
	}
	return nil
}

// ready waits for the line that says the node is ready.
func (p *Process) ready() (Ready, error) {
	var r Ready
	select {
	case line := <-p.stdout.line:
		if err := json.Unmarshal(line, &r); err != nil {
			return r, fmt.Errorf("ready line %q: %w", line, err)
		}
		return r, nil
	case <-p.exited:
		return r, fmt.Errorf("exit code %d before it was ready: %s", p.Code(), lastLines(p.Stderr(), 5))
	case <-time.After(Stuck):
		return r, fmt.Errorf("not ready after %v", Stuck)
	}
}

// readyWriter passes the first line on.
type readyWriter struct {
	log  *os.File
	line chan []byte
	head []byte
	done bool
}

func (w *readyWriter) Write(b []byte) (int, error) {
	if !w.done {
		w.head = append(w.head, b...)
		if line, _, ok := bytes.Cut(w.head, []byte("\n")); ok {
			w.done = true
			w.line <- line
		}
	}
	return w.log.Write(b)
}

// tail keeps the last part of what is written.
type tail struct {
	log *os.File
	mu  sync.Mutex
	end []byte
}

const tailSize = 64 << 10

func (w *tail) Write(b []byte) (int, error) {
	w.mu.Lock()
	w.end = append(w.end, b...)
	if len(w.end) > 2*tailSize {
		w.end = append([]byte(nil), w.end[len(w.end)-tailSize:]...)
	}
	w.mu.Unlock()
	return w.log.Write(b)
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.end)
}

// lastLines returns the last n lines of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
)

// Node is one node through all lives of its process. Its methods fail the test, but those named Try.
type Node struct {
	Name ring.NodeID
	// Label tells twins of one name apart: in the files of logs and as the proxy's name.
	Label string
	// DataDir is made by the node itself.
	DataDir string
	// Listen is where the node listens for other nodes, Addr where they reach it: its proxy.
	Listen, Addr string

	c       *Cluster
	logFile *os.File
	up      atomic.Pointer[life]
	paused  atomic.Bool
	mu      sync.Mutex
	process *Process
	args    []string // of its start
}

// life is a process that said it is ready.
type life struct {
	process *Process
	ready   Ready
	admin   *admin.Client
}

// unasked answers for a node that never was ready: nothing listens on port 0.
var unasked = Ready{AdminAddr: "127.0.0.1:0"}

// JoinArgs are the arguments that let the node join through members.
func (n *Node) JoinArgs(members ...*Node) []string {
	var args []string
	for _, m := range members {
		args = append(args, "--join", m.Addr)
	}
	return args
}

// startArgs are the arguments of every start of the node, and more.
func (n *Node) startArgs(more ...string) []string {
	args := []string{
		"start", "--json", "--name", string(n.Name), "--data-dir", n.DataDir,
		"--cluster-addr", n.Listen, "--advertise-addr", n.Addr,
		"--http-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0",
	}
	return slices.Concat(args, n.c.opts.Args, more)
}

// Launch starts the process and does not wait until it is ready.
func (n *Node) Launch(more ...string) *Process {
	n.c.t.Helper()
	if p := n.Process(); p != nil && p.Alive() {
		n.c.t.Fatalf("%s runs already", n.Name)
	}
	path, env := binary, []string(nil)
	if n.c.opts.Inject {
		var err error
		if path, err = injectable(); err != nil {
			n.c.t.Fatal(err)
		}
		env = []string{"BATON_INJECT=" + n.armed()}
	}
	p, err := launch(n.logFile, path, env, n.startArgs(more...)...)
	if err != nil {
		n.c.t.Fatal(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.process, n.args = p, more
	return p
}

// Start starts the process and waits until it is ready.
func (n *Node) Start(more ...string) {
	n.c.t.Helper()
	n.Launch(more...)
	n.AwaitReady()
}

// Restart starts the node with the arguments of its last start, as a supervisor would.
func (n *Node) Restart() {
	n.c.t.Helper()
	n.Start(n.args...)
}

// AwaitReady waits until the launched process is ready.
func (n *Node) AwaitReady() {
	n.c.t.Helper()
	p := n.Process()
	ready, err := p.ready()
	if err != nil {
		n.c.t.Fatalf("start %s: %v", n.Name, err)
	}
	client, err := admin.NewClient(ready.AdminAddr)
	if err != nil {
		n.c.t.Fatalf("start %s: %v", n.Name, err)
	}
	n.client().Close()
	n.up.Store(&life{p, ready, client})
}

// Process returns the newest process, or nil before the first.
func (n *Node) Process() *Process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.process
}

// running returns the life that may answer now, or nil.
func (n *Node) running() *life {
	l := n.up.Load()
	if l == nil || n.paused.Load() || !l.process.Alive() {
		return nil
	}
	return l
}

// Ready returns the ready line of the newest process.
func (n *Node) Ready() Ready {
	if l := n.up.Load(); l != nil {
		return l.ready
	}
	return unasked
}

func (n *Node) client() *admin.Client {
	if l := n.up.Load(); l != nil {
		return l.admin
	}
	client, _ := admin.NewClient(unasked.AdminAddr) // a constant address
	return client
}

// Kill ends the process as a crash would.
func (n *Node) Kill() {
	n.c.t.Helper()
	n.signal(syscall.SIGKILL)
	<-n.Process().Exited()
	n.paused.Store(false)
}

// KillAll ends all the processes as one power cut would.
func (c *Cluster) KillAll(nodes ...*Node) {
	c.t.Helper()
	for _, n := range nodes {
		n.signal(syscall.SIGKILL)
	}
	for _, n := range nodes {
		<-n.Process().Exited()
		n.paused.Store(false)
	}
}

func (n *Node) kill() {
	if p := n.Process(); p != nil && p.Signal(syscall.SIGKILL) == nil {
		<-p.Exited()
	}
}

// Pause stops the process in its tracks; Continue lets it go on.
func (n *Node) Pause() {
	n.c.t.Helper()
	n.paused.Store(true)
	n.signal(syscall.SIGSTOP)
}

// Continue lets a paused process go on.
func (n *Node) Continue() {
	n.c.t.Helper()
	n.signal(syscall.SIGCONT)
	n.paused.Store(false)
}

// Terminate asks the process to stop and waits until it has exited with code 0.
func (n *Node) Terminate() {
	n.c.t.Helper()
	n.signal(syscall.SIGTERM)
	n.AwaitExit(0)
}

func (n *Node) signal(s syscall.Signal) {
	n.c.t.Helper()
	if err := n.Process().Signal(s); err != nil {
		n.c.t.Fatalf("%s: %v", n.Name, err)
	}
}

// AwaitExit waits until the process has ended by itself with the code, and returns what it printed last.
func (n *Node) AwaitExit(code int) string {
	n.c.t.Helper()
	p := n.Process()
	select {
	case <-p.Exited():
	case <-time.After(Stuck):
		n.c.t.Fatalf("stuck waiting for %s to exit with code %d", n.Name, code)
	}
	if p.Code() != code {
		n.c.t.Fatalf("%s exited with code %d, want %d: %s", n.Name, p.Code(), code, lastLines(p.Stderr(), 5))
	}
	return lastLines(p.Stderr(), 5)
}

// Log returns all that the node's processes have printed.
func (n *Node) Log() string {
	n.c.t.Helper()
	log, err := os.ReadFile(n.logFile.Name())
	if err != nil {
		n.c.t.Fatal(err)
	}
	return string(log)
}

// Try asks the node's admin address, within Stuck.
func (n *Node) Try(do func(context.Context, *admin.Client) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), Stuck)
	defer cancel()
	return do(ctx, n.client())
}

// Do asks the node's admin address until it answers otherwise than that it can't now. What was done
// although the answer was lost may be done twice: use it for what may be.
func (n *Node) Do(what string, do func(context.Context, *admin.Client) error) {
	n.c.t.Helper()
	n.c.Await(fmt.Sprintf("%s at %s", what, n.Name), func() error {
		err := n.Try(do)
		if e, ok := errors.AsType[*admin.Error](err); ok && e.Status() < 500 {
			n.c.t.Fatalf("%s at %s: %v", what, n.Name, err)
		}
		return err
	})
}

// TryRecord returns the record as the node shows it.
func (n *Node) TryRecord() (s topology.State, err error) {
	err = n.Try(func(ctx context.Context, a *admin.Client) error {
		b, err := a.Backup(ctx)
		if err == nil {
			s, err = topology.DecodeState(b.State)
		}
		return err
	})
	return s, err
}

// Record returns the newest record.
func (n *Node) Record() (s topology.State) {
	n.c.t.Helper()
	n.Do("read the record", func(ctx context.Context, a *admin.Client) error {
		b, err := a.Backup(ctx)
		switch {
		case err != nil:
			return err
		case b.Stale != "":
			return errors.New("stale: " + b.Stale)
		}
		s, err = topology.DecodeState(b.State)
		return err
	})
	return s
}

// Status returns the node's status.
func (n *Node) Status() (s admin.Status) {
	n.c.t.Helper()
	n.Do("status", func(ctx context.Context, a *admin.Client) (err error) {
		s, err = a.Status(ctx)
		return err
	})
	return s
}

// Health returns what the node believes of the others.
func (n *Node) Health() (h admin.Health) {
	n.c.t.Helper()
	n.Do("health", func(ctx context.Context, a *admin.Client) (err error) {
		h, err = a.Health(ctx)
		return err
	})
	return h
}

// Reach returns what the node believes of another.
func (n *Node) Reach(other *Node) string {
	n.c.t.Helper()
	for _, r := range n.Health().Reach {
		if r.Node == other.Name {
			return r.Reach
		}
	}
	return ""
}

// Answer is what one run of the command printed, and its exit code.
type Answer struct {
	Stdout, Stderr string
	Code           int
}

// CLI runs the command against the node's admin address.
func (n *Node) CLI(args ...string) Answer {
	n.c.t.Helper()
	return n.c.CLI(append(args, "--admin", "http://"+n.Ready().AdminAddr)...)
}

// CLI runs the command.
func (c *Cluster) CLI(args ...string) Answer {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Stuck)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &stdout, &stderr, environment()
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil || ctx.Err() != nil {
		c.t.Fatalf("baton %v: %v", args, err)
	}
	return Answer{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// Want fails the test unless the command ended with the code and its errors contain the texts.
func (c *Cluster) Want(a Answer, code int, texts ...string) {
	c.t.Helper()
	if a.Code != code {
		c.t.Errorf("exit code %d, want %d: %s%s", a.Code, code, a.Stdout, a.Stderr)
	}
	for _, text := range texts {
		if !bytes.Contains([]byte(a.Stderr), []byte(text)) {
			c.t.Errorf("the error %q does not say %q", a.Stderr, text)
		}
	}
}

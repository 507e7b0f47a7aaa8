package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

// stopWithin bounds how long one node may take to stop.
const stopWithin = 30 * time.Second

// nodes are the running nodes of a demo and what they have told.
type nodes struct {
	opts     Options
	dir      string // of the engines, empty in memory
	running  []*baton.Node
	archived atomic.Uint64 // workers
}

// checkPorts finds out whether the ports that the nodes will listen at are free.
func checkPorts(o Options) error {
	if o.Port == 0 {
		return nil
	}
	for i, name := range o.names() {
		l, err := net.Listen("tcp", address(o.Port+i))
		if err != nil {
			return &OptionError{
				Option: "port", What: fmt.Sprintf("port %d for node %s can't be had: %v", o.Port+i, name, err),
				Remedy: "free it, or give another port, or none for any free ports",
			}
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// start starts the node with the i-th name.
func (n *nodes) start(ctx context.Context, i int) error {
	name := n.opts.names()[i]
	o := baton.Options{
		Name: name, Engine: n.opts.Engine, RingSize: n.opts.Ring,
		Jobs: []mapreduce.Definition{mapreduce.WordCount()},
	}
	o.Events.WorkerArchived = func(pipe.ID, ring.Partition) { n.archived.Add(1) }
	if n.opts.Port > 0 {
		o.Addr = address(n.opts.Port + i)
	}
	if o.Bootstrap = len(n.running) == 0; !o.Bootstrap {
		o.Join = []string{n.first().Addr()}
	}
	if n.opts.Engine == baton.EnginePebble {
		if err := n.makeDir(); err != nil {
			return err
		}
		o.DataDir = filepath.Join(n.dir, fmt.Sprintf("node-%d", i+1))
	}
	node, err := baton.Start(ctx, o)
	if err != nil {
		return err
	}
	n.running = append(n.running, node)
	return nil
}

func (n *nodes) makeDir() (err error) {
	if n.dir == "" {
		n.dir, err = os.MkdirTemp("", "baton-demo-")
	}
	return err
}

// first returns the node that everything is asked of.
func (n *nodes) first() *baton.Node { return n.running[0] }

// settled waits until the first node has applied a record in which every
// running node takes part in the ring and nothing is left to move.
func (n *nodes) settled(ctx context.Context) (topology.State, error) {
	for {
		view := n.first().View()
		if n.takePart(view.State) && view.Settled() {
			return view.State, nil
		}
		select {
		case <-view.Changed():
		case <-ctx.Done():
			return topology.State{}, context.Cause(ctx)
		}
	}
}

// takePart reports whether every running node is a full member.
func (n *nodes) takePart(s topology.State) bool {
	for _, node := range n.running {
		if m, ok := s.Member(ring.NodeID(node.Name())); !ok || m.Status != topology.Valid {
			return false
		}
	}
	return true
}

// addresses says where the nodes listen.
func (n *nodes) addresses() []NodeAt {
	out := make([]NodeAt, len(n.running))
	for i, node := range n.running {
		out[i] = NodeAt{Node: node.Name(), Addr: node.Addr()}
	}
	return out
}

// stop stops every node and removes their directory. It may be repeated.
func (n *nodes) stop(ctx context.Context) error {
	var errs []error
	for _, node := range n.running {
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		if err := node.Stop(within); err != nil {
			errs = append(errs, fmt.Errorf("stop node %s: %w", node.Name(), err))
		}
		cancel()
	}
	n.running = nil
	if n.dir != "" {
		errs = append(errs, os.RemoveAll(n.dir))
		n.dir = ""
	}
	return errors.Join(errs...)
}

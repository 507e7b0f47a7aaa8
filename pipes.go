package baton

import (
	"context"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/pipe"
)

// Pipe is one running pipe: its senders, its results and its outcome.
type Pipe = actors.Run

// PipeOptions configures a pipe.
type PipeOptions struct {
	// OnFailure says what becomes of the pipe when a worker fails at an input
	// for the second time.
	OnFailure pipe.Policy
	// Trace names the notes that OnTrace hears: tags (the Trace constants of
	// package pipe), fittings, nodes, or pipe.TraceAll. A note may be lost. OnTrace
	// must not block.
	Trace   []string
	OnTrace func(PipeTrace)
}

// PipeTrace is a note of what happens in a pipe.
type PipeTrace = actors.TraceNote

// PipeStatus is what the partitions of the cluster hold of pipes.
type PipeStatus = actors.PipeStatus

// PipeStatus asks every partition what it holds of pipes: queues, workers and
// their counts. It returns when all have answered or ctx ends; PipeStatus.Missing
// names those that have not.
func (n *Node) PipeStatus(ctx context.Context) PipeStatus { return n.host.PipeStatus(ctx) }

// StartPipe runs a pipe of these fittings over the whole cluster, coordinated by
// this node. Workers and hash functions are named: those of Options.Fittings and
// Options.Hashes, and those that every registry knows.
//
//	p, err := node.StartPipe([]pipe.Fitting{{Name: "double", Worker: "double", Route: pipe.ByHash(pipe.HashSHA1)}})
//	s, err := p.Sender()
//	err = s.Send(ctx, item)
//	err = p.CloseSender(ctx, s)
//	p.EndInputs()
//	for { batch, ok, err := p.Next(); ... }
//
// Results must be taken for the pipe to come to its end. A bad input ends the
// pipe unless the options say otherwise.
func (n *Node) StartPipe(fittings []pipe.Fitting, opts ...PipeOptions) (*Pipe, error) {
	var o actors.RunOptions
	for _, opt := range opts {
		o.OnFailure, o.Trace, o.OnTrace = opt.OnFailure, opt.Trace, opt.OnTrace
	}
	return n.host.Start(fittings, o)
}

// Workers returns how many pipe workers run on this node.
func (n *Node) Workers() int { return n.host.Workers() }

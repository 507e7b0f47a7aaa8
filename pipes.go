package baton

import (
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
}

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
		o.OnFailure = opt.OnFailure
	}
	return n.host.Start(fittings, o)
}

package baton

import (
	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/pipe"
)

// Pipe is one running pipe: its senders, its results and its outcome.
type Pipe = actors.Run

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
// Results must be taken for the pipe to come to its end.
func (n *Node) StartPipe(fittings []pipe.Fitting) (*Pipe, error) {
	return n.host.Start(fittings, actors.RunOptions{})
}

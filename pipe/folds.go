package pipe

import (
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
)

// FoldsEvent is what happened to the folds that feed a pipe: FoldOpened,
// FoldDone and FoldFailed from sources, SourceLost and Tick from the runtime.
type FoldsEvent interface{ foldsEvent() }

// FoldsAction is what the shell must do: OpenFold at the vnode that owns the
// partition, StartFold and CloseFold at a source, and tell the pipe's
// coordinator *SenderDone, EndOfInputs and Cancel.
type FoldsAction interface{ foldsAction() }

type (
	// FoldOpened: a source holds a snapshot of the partition and waits.
	FoldOpened struct {
		Partition ring.Partition
		Attempt   uint32
		Source    Address
	}
	// FoldDone: everything of the snapshot is acknowledged by the first fitting.
	FoldDone struct {
		Partition ring.Partition
		Attempt   uint32
		Items     uint64
	}
	// FoldFailed: the source can't go on.
	FoldFailed struct {
		Partition ring.Partition
		Attempt   uint32
		Err       error
	}
	// SourceLost: a process that may hold sources is gone.
	SourceLost struct {
		Node        ring.NodeID
		Incarnation uint64 // the highest that is gone
	}
	// OpenFold asks the partition's owner for a source.
	OpenFold struct {
		Partition ring.Partition
		Attempt   uint32
	}
	// StartFold lets a source send.
	StartFold struct {
		Partition ring.Partition
		Attempt   uint32
		Source    Address
	}
	// CloseFold releases a source. A zero Source is one that was only asked for:
	// the partition's owner is told.
	CloseFold struct {
		Partition ring.Partition
		Attempt   uint32
		Source    Address
	}
)

// A FoldError says which partition could not be read, and why.
type FoldError struct {
	Partition ring.Partition
	Err       error
}

// Error names the partition and the cause.
func (e *FoldError) Error() string { return fmt.Sprintf("read partition %d: %v", e.Partition, e.Err) }

// Unwrap returns the cause.
func (e *FoldError) Unwrap() error { return e.Err }

func (FoldOpened) foldsEvent()   {}
func (FoldDone) foldsEvent()     {}
func (FoldFailed) foldsEvent()   {}
func (SourceLost) foldsEvent()   {}
func (Tick) foldsEvent()         {}
func (OpenFold) foldsAction()    {}
func (StartFold) foldsAction()   {}
func (CloseFold) foldsAction()   {}
func (*SenderDone) foldsAction() {}
func (EndOfInputs) foldsAction() {}
func (Cancel) foldsAction()      {}

// Folds feeds a pipe with every partition of a vnode kind, each exactly once.
// Opening pins a snapshot and may happen more than once, when an answer is late
// and the partition has moved meanwhile; only one opened source per partition
// is ever started, so no item enters twice.
//
// A started source stays where its snapshot is: when the partition moves away
// it goes on there. Not safe for concurrent use.
type Folds struct {
	pipe  ID
	parts []fold
	left  int
	over  bool
}

type foldState uint8

const (
	foldOpening foldState = iota
	foldStarted
	foldDone
)

type fold struct {
	state   foldState
	attempt uint32
	source  Address
}

// NewFolds returns the machine for a ring of the given size.
func NewFolds(pipe ID, ringSize int) *Folds {
	return &Folds{pipe: pipe, parts: make([]fold, ringSize), left: ringSize}
}

// Start returns the first actions.
func (f *Folds) Start() []FoldsAction {
	var out []FoldsAction
	for p := range f.parts {
		f.parts[p].attempt = 1
		out = append(out, OpenFold{Partition: ring.Partition(p), Attempt: 1})
	}
	return out
}

// Left returns how many partitions have not been read to their end.
func (f *Folds) Left() int { return f.left }

// Step applies one event and returns what to do, in order.
func (f *Folds) Step(e FoldsEvent) []FoldsAction {
	if f.over {
		if o, ok := e.(FoldOpened); ok {
			return []FoldsAction{CloseFold{Partition: o.Partition, Attempt: o.Attempt, Source: o.Source}}
		}
		return nil
	}
	switch e := e.(type) {
	case FoldOpened:
		return f.opened(e)
	case FoldDone:
		return f.done(e)
	case FoldFailed:
		return f.failed(e)
	case SourceLost:
		return f.lost(e)
	case Tick:
		return f.tick()
	}
	return nil
}

func (f *Folds) at(p ring.Partition) *fold {
	if int(p) >= len(f.parts) {
		return nil
	}
	return &f.parts[p]
}

func (f *Folds) opened(e FoldOpened) []FoldsAction {
	x := f.at(e.Partition)
	if x == nil {
		return nil
	}
	if x.state != foldOpening || e.Attempt != x.attempt {
		if x.state == foldStarted && x.source == e.Source {
			return nil
		}
		return []FoldsAction{CloseFold{Partition: e.Partition, Attempt: e.Attempt, Source: e.Source}}
	}
	x.state, x.source = foldStarted, e.Source
	return []FoldsAction{StartFold{Partition: e.Partition, Attempt: x.attempt, Source: x.source}}
}

func (f *Folds) done(e FoldDone) []FoldsAction {
	x := f.at(e.Partition)
	if x == nil || x.attempt != e.Attempt || x.state == foldOpening {
		return nil
	}
	out := []FoldsAction{CloseFold{Partition: e.Partition, Attempt: e.Attempt, Source: x.source}}
	if x.state == foldDone {
		return out
	}
	x.state = foldDone
	f.left--
	done := &SenderDone{Pipe: f.pipe, From: uint64(e.Partition)}
	if e.Items > 0 {
		done.Sent = []Sent{{Partition: e.Partition, Items: e.Items}}
	}
	out = append(out, done)
	if f.left == 0 {
		f.over = true
		out = append(out, EndOfInputs{Senders: len(f.parts)})
	}
	return out
}

func (f *Folds) failed(e FoldFailed) []FoldsAction {
	x := f.at(e.Partition)
	if x == nil || x.attempt != e.Attempt || x.state == foldDone {
		return nil
	}
	return f.giveUp(&FoldError{Partition: e.Partition, Err: e.Err})
}

// lost opens anew what was not started at the lost node. What was started there
// has put some of its items into the pipe, and nobody knows which: the pipe
// can't complete.
func (f *Folds) lost(e SourceLost) []FoldsAction {
	for p := range f.parts {
		x := &f.parts[p]
		if x.state == foldStarted && x.source.Node == e.Node && x.source.Incarnation <= e.Incarnation {
			return f.giveUp(&FoldError{Partition: ring.Partition(p), Err: fmt.Errorf("at %s: %w", e.Node, ErrLost)})
		}
	}
	return nil
}

func (f *Folds) giveUp(err error) []FoldsAction {
	f.over = true
	var out []FoldsAction
	for p := range f.parts {
		x := &f.parts[p]
		if x.state != foldDone { // what is being opened has no source yet
			out = append(out, CloseFold{Partition: ring.Partition(p), Attempt: x.attempt, Source: x.source})
		}
	}
	return append(out, Cancel{Cause: err})
}

// tick asks again for what was not answered.
func (f *Folds) tick() []FoldsAction {
	var out []FoldsAction
	for p := range f.parts {
		x := &f.parts[p]
		switch x.state {
		case foldOpening:
			out = append(out, OpenFold{Partition: ring.Partition(p), Attempt: x.attempt})
		case foldStarted:
			out = append(out, StartFold{Partition: ring.Partition(p), Attempt: x.attempt, Source: x.source})
		}
	}
	return slices.Clip(out)
}

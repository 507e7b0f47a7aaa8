package actors

import (
	"context"
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/vnode"
)

// pipeKind makes the vnodes that hold the queues and workers of pipes.
type pipeKind struct{ host *Host }

func (pipeKind) Name() string   { return PipeKind }
func (pipeKind) Volatile() bool { return true }

func (k pipeKind) Open(p vnode.Partition) (vnode.Vnode, error) {
	v := &pipeVnode{
		host: k.host, partition: p.ID, workers: make(map[pipe.Key]*runningWorker),
		queues: pipe.NewQueues(pipe.QueuesOptions{Partition: p.ID, Node: k.host.opts.Self.Node, MaxWorkers: k.host.opts.PipeWorkers}),
	}
	return v, nil
}

// pipeVnode is the shell of a partition's queues: the machine decides, this
// starts workers and carries messages.
type pipeVnode struct {
	host      *Host
	partition ring.Partition
	self      *actor.PID
	queues    *pipe.Queues
	workers   map[pipe.Key]*runningWorker
	dirty     func(key []byte)
	holds     bool // queues has something of a pipe
}

type runningWorker struct {
	id     pipe.WorkerID
	pid    *actor.PID
	cancel context.CancelFunc // makes a call of the worker's code that takes long return
}

var (
	_             vnode.StateExporter   = (*pipeVnode)(nil)
	_             vnode.InfoHandler     = (*pipeVnode)(nil)
	_             vnode.EmptyChecker    = (*pipeVnode)(nil)
	_             vnode.HandoffCanceler = (*pipeVnode)(nil)
	_             vnode.Terminator      = (*pipeVnode)(nil)
	errNotForPipe                       = errors.New("not a message of the pipe")
	_             vnode.Properties      = pipeKind{}
)

// HandleCommand takes the messages of other nodes' pipe vnodes, senders and
// coordinators. They are answered by messages of their own.
func (v *pipeVnode) HandleCommand(cx *vnode.Context, cmd vnode.Command) vnode.Disposition {
	a := cx.Runtime().(*vnodeActor)
	v.self = a.pid
	body, err := a.frame.open()
	if err != nil {
		return vnode.Fail{Err: err}
	}
	switch m := body.(type) {
	case *pipe.Ack:
		v.toWorker(pipe.Key{Pipe: m.Pipe, Fitting: m.Stream.Fitting}, m)
	case *pipe.Refuse:
		v.toWorker(pipe.Key{Pipe: m.Pipe, Fitting: m.Stream.Fitting}, m)
	case *messages.GetWork:
		v.host.toEndpoint(addressIn(m.ReplyTo), v.partition, workReply(v.queues.Status()))
	case pipe.QueuesEvent:
		v.step(m)
	default:
		return vnode.Fail{Err: fmt.Errorf("%T: %w", body, errNotForPipe)}
	}
	return vnode.NoReply{}
}

// HandleInfo takes what workers and the runtime say.
func (v *pipeVnode) HandleInfo(cx *vnode.Context, msg any) {
	v.self = cx.Runtime().(*vnodeActor).pid
	if e, ok := msg.(pipe.QueuesEvent); ok {
		v.step(e)
	}
}

// IsEmpty reports whether no pipe has anything here.
func (v *pipeVnode) IsEmpty(*vnode.Context) bool { return v.queues.Empty() }

// Opened lets the queues begin, after the last imported item.
func (v *pipeVnode) Opened(cx *vnode.Context, epoch uint64) {
	v.self = cx.Runtime().(*vnodeActor).pid
	v.host.pipes.opened(v.partition, v.self)
	v.step(pipe.Opened{Epoch: epoch})
}

// ImportItem takes one item of the former owner's queues.
func (v *pipeVnode) ImportItem(key, value []byte) error {
	return v.queues.Import(key, value)
}

// FoldRequested is FOLD_REQ; until it comes the queues know nothing of a move.
func (v *pipeVnode) FoldRequested(h vnode.Handoff, dirty func(key []byte)) {
	v.dirty = dirty
	v.step(pipe.FoldReq{Session: h.Session})
}

// ExportReady reports whether every worker is archived.
func (v *pipeVnode) ExportReady() bool { return v.queues.ExportReady() }

// Seal names everything dirty that was not exported in its final form.
func (v *pipeVnode) Seal() { v.step(pipe.Seal{}) }

// ExportItem returns one item of the queues as it is now.
func (v *pipeVnode) ExportItem(key []byte) ([]byte, bool) { return v.queues.ExportItem(key) }

// HandoffCancelled takes up work again.
func (v *pipeVnode) HandoffCancelled(vnode.Handoff) {
	v.dirty = nil
	v.step(pipe.HandoffCancelled{})
}

// Terminate stops the workers that are left.
func (v *pipeVnode) Terminate(error) {
	v.host.pipes.closed(v.partition)
	for _, w := range v.workers {
		v.host.stopWorker(w)
	}
	clear(v.workers)
}

func (v *pipeVnode) step(e pipe.QueuesEvent) {
	for _, action := range v.queues.Step(e) {
		v.do(action)
	}
	if holds := !v.queues.Empty(); holds != v.holds {
		v.holds = holds
		v.host.pipes.holds(v.partition, holds)
	}
}

func (v *pipeVnode) do(action pipe.QueuesAction) {
	switch x := action.(type) {
	case *pipe.Ack:
		v.host.reply(x.To, x.Stream, v.partition, x)
	case *pipe.Refuse:
		v.host.reply(x.To, x.Stream, v.partition, x)
	case *pipe.SpecRequest:
		v.host.toEndpoint(x.To, v.partition, x)
	case *pipe.Done:
		v.host.toEndpoint(x.To, v.partition, x)
	case *pipe.Failed:
		v.host.toEndpoint(x.To, v.partition, x)
	case *pipe.Destroyed:
		v.host.toEndpoint(x.To, v.partition, x)
	case *pipe.StartWorker:
		v.startWorker(x)
	case *pipe.Give:
		v.toWorker(x.Worker.Key, x)
	case *pipe.GiveArchives:
		v.toWorker(x.Worker.Key, x)
	case pipe.Traced:
		v.host.toEndpoint(x.To, v.partition, &messages.Trace{
			Pipe: x.Pipe[:], Fitting: int32(x.Fitting), Tag: x.Tag, N: uint64(x.N), Items: x.Items, Cause: x.Cause,
		})
	case pipe.GiveProbe:
		v.toWorker(x.Worker.Key, x)
	case pipe.Park:
		v.toWorker(x.Worker.Key, x)
	case pipe.GiveDone:
		v.toWorker(x.Worker.Key, x)
	case pipe.OrderArchive:
		v.toWorker(x.Worker.Key, x)
	case pipe.StopWorker:
		v.stopWorker(x.Worker)
	case pipe.Dirty:
		if v.dirty != nil {
			v.dirty(x.Key)
		}
	}
}

func (v *pipeVnode) startWorker(x *pipe.StartWorker) {
	w, err := v.host.spawnWorker(v.self, x)
	if err != nil {
		v.host.system.Root.Send(v.self, info{&pipe.WorkerExited{Worker: x.Worker, Err: &pipe.WorkerError{
			Pipe: x.Worker.Pipe, Fitting: x.Spec.Fittings[x.Worker.Fitting].Name, Partition: v.partition, Cause: err,
		}}})
		return
	}
	v.workers[x.Worker.Key] = w
}

func (v *pipeVnode) stopWorker(id pipe.WorkerID) {
	if w, ok := v.workers[id.Key]; ok && w.id == id {
		v.host.stopWorker(w)
		delete(v.workers, id.Key)
	}
}

func (v *pipeVnode) toWorker(k pipe.Key, m any) {
	if w, ok := v.workers[k]; ok {
		v.host.system.Root.Send(w.pid, m)
	}
}

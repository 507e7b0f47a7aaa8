package actors

import (
	"context"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/pipe"
)

// workerActor is the shell of one pipe worker. User code runs in its Receive,
// guarded by the runner.
type workerActor struct {
	host    *Host
	vnode   *actor.PID
	start   *pipe.StartWorker
	runner  *pipe.Runner
	pending progress // not yet told to the coordinator
	ended   bool     // the runner said so
	ctx     context.Context
	cancel  context.CancelFunc
}

// progressBytes is how much input a worker takes between two notes of progress.
const progressBytes = 256 << 10

func (h *Host) spawnWorker(vnode *actor.PID, x *pipe.StartWorker) (*runningWorker, error) {
	w := &workerActor{host: h, vnode: vnode, start: x}
	w.ctx, w.cancel = context.WithCancel(h.ctx)
	props := actor.PropsFromProducer(func() actor.Actor { return w }, actor.WithSupervisor(stopOnPanic), actor.WithDispatcher(h.dispatch))
	name := fmt.Sprintf("worker/%v/%d/%d/%d", x.Worker.Pipe, x.Worker.Fitting, x.Partition, h.pipes.instance())
	pid, err := h.system.Root.SpawnNamed(props, name)
	if err != nil {
		w.cancel()
		return nil, err
	}
	h.pipes.addWorker(pid)
	return &runningWorker{id: x.Worker, pid: pid, cancel: w.cancel}, nil
}

// stopWorker ends a worker at once; what it still says does not count.
func (h *Host) stopWorker(w *runningWorker) {
	w.cancel()
	h.system.Root.Stop(w.pid)
}

// Receive turns messages into the runner's events.
func (w *workerActor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		runner, actions := pipe.NewRunner(w.start, w.host.opts.Workers, pipe.RunnerOptions{Context: w.ctx})
		w.runner = runner
		w.do(ctx, actions)
	case *pipe.Give:
		w.note(m)
		w.do(ctx, w.runner.Step(m))
	case pipe.RunnerEvent:
		w.do(ctx, w.runner.Step(m))
	case *actor.Stopped:
		w.stopped(ctx)
	case *actor.Stopping, *actor.Restarting:
	default:
		w.host.log.Warn("unexpected message to a worker", "type", fmt.Sprintf("%T", m))
	}
}

// stopped tells the vnode of a worker whose actor died outside of the runner's
// guard; of one that was stopped by the vnode it changes nothing.
func (w *workerActor) stopped(ctx actor.Context) {
	w.cancel()
	w.host.pipes.removeWorker(ctx.Self())
	if !w.ended {
		w.host.system.Root.Send(w.vnode, info{&pipe.WorkerExited{Worker: w.start.Worker, Err: &pipe.WorkerError{
			Pipe: w.start.Worker.Pipe, Fitting: w.start.Spec.Fittings[w.start.Worker.Fitting].Name,
			Partition: w.start.Partition, Cause: errWorkerStopped,
		}}})
	}
}

func (w *workerActor) do(ctx actor.Context, actions []pipe.RunnerAction) {
	for _, action := range actions {
		switch x := action.(type) {
		case pipe.Transmit:
			w.host.transmit(x, w.start.Spec.Sink)
		case *pipe.WorkerQuiet:
			w.host.system.Root.Send(w.vnode, info{x})
		case *pipe.WorkerFault:
			w.host.system.Root.Send(w.vnode, info{x})
		case pipe.NextInput:
			w.tell(false)
			w.host.system.Root.Send(w.vnode, info{x})
		default:
			if _, ok := x.(*pipe.Archived); ok {
				if e := w.host.opts.Events.WorkerArchived; e != nil {
					e(w.start.Worker.Pipe, w.start.Partition)
				}
			}
			w.ended = true
			w.tell(true)
			w.host.system.Root.Send(w.vnode, info{x})
			ctx.Stop(ctx.Self())
		}
	}
}

// progress counts what a worker took.
type progress struct{ items, bytes uint64 }

// note counts a batch; it is told once the worker asks for the next.
func (w *workerActor) note(g *pipe.Give) {
	for _, b := range g.Batches {
		w.pending.items += uint64(b.Len())
		w.pending.bytes += uint64(b.Size())
	}
}

// tell sends the coordinator a note of progress, for people only.
func (w *workerActor) tell(all bool) {
	if w.pending.items == 0 || !all && w.pending.bytes < progressBytes {
		return
	}
	w.host.toEndpoint(w.start.Spec.Coordinator, w.start.Partition, &messages.Progress{
		Pipe: w.start.Worker.Pipe[:], Fitting: int32(w.start.Worker.Fitting), Partition: uint32(w.start.Partition),
		In: w.pending.items, Bytes: w.pending.bytes,
	})
	w.pending = progress{}
}

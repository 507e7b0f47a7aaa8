package actors

import (
	"context"
	"runtime"
	"sync/atomic"
)

// dispatcher runs mailboxes on goroutines that are kept. The library's own
// dispatcher starts a goroutine for each run of a mailbox, whose stack then has
// to grow through the same calls again and again: a sixth of the CPU time of a
// loaded node.
type dispatcher struct {
	ctx  context.Context
	work chan func()
	idle atomic.Int32
	max  int32
}

// dispatchThroughput is how many messages a mailbox may serve in a row before
// others get their turn.
const dispatchThroughput = 300

func newDispatcher(ctx context.Context) *dispatcher {
	return &dispatcher{ctx: ctx, work: make(chan func()), max: int32(8 * runtime.GOMAXPROCS(0))}
}

// Schedule runs f soon, on an idle goroutine or a new one. It never blocks.
func (d *dispatcher) Schedule(f func()) {
	select {
	case d.work <- f:
	default:
		go d.run(f)
	}
}

// Throughput is what the library asks.
func (d *dispatcher) Throughput() int { return dispatchThroughput }

func (d *dispatcher) run(f func()) {
	for {
		f()
		if d.idle.Add(1) > d.max {
			d.idle.Add(-1)
			return
		}
		select {
		case f = <-d.work:
			d.idle.Add(-1)
		case <-d.ctx.Done():
			return
		}
	}
}

package js

import (
	"context"
	"fmt"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/dop251/goja"
)

// guard interrupts calls of one interpreter that go beyond a bound.
type guard struct {
	vm  *goja.Runtime
	opt Options

	mu      sync.Mutex
	running bool
	started time.Time
	heap    uint64 // when the call was first looked at
	timer   *time.Timer

	ctx  context.Context // of the calls so far
	stop func() bool
}

// guardEvery is how often a call is looked at that takes long.
const guardEvery = 20 * time.Millisecond

func newGuard(vm *goja.Runtime, o Options) *guard {
	g := &guard{vm: vm, opt: o}
	g.timer = time.AfterFunc(time.Hour, g.look)
	g.timer.Stop()
	return g
}

// call runs f, which calls the interpreter.
func (g *guard) call(ctx context.Context, f func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	g.follow(ctx)
	g.mu.Lock()
	g.running, g.started, g.heap = true, time.Now(), 0
	g.timer.Reset(guardEvery)
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.running = false
		g.timer.Stop()
		g.vm.ClearInterrupt() // one that came too late is not the next call's
	}()
	return f()
}

// follow interrupts what runs when ctx ends. All calls of a worker have the same.
func (g *guard) follow(ctx context.Context) {
	if g.ctx == ctx {
		return
	}
	if g.stop != nil {
		g.stop()
	}
	g.ctx = ctx
	g.stop = context.AfterFunc(ctx, func() { g.interrupt(context.Cause(ctx)) })
}

func (g *guard) interrupt(cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running {
		g.vm.Interrupt(cause)
	}
}

// look is called while a call takes long.
func (g *guard) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.running {
		return
	}
	heap := heapBytes()
	if g.heap == 0 {
		g.heap = heap
	}
	switch {
	case time.Since(g.started) > g.opt.CallTime:
		g.vm.Interrupt(fmt.Errorf("a call of more than %v: %w", g.opt.CallTime, ErrTime))
	case heap > g.heap+uint64(g.opt.CallMemory):
		g.vm.Interrupt(fmt.Errorf("memory grew by %d bytes: %w", heap-g.heap, ErrMemory))
	default:
		g.timer.Reset(guardEvery)
	}
}

// heapBytes returns the bytes of all objects in memory, dead ones not yet swept
// included.
func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

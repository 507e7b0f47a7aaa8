package actors

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
)

// pipes knows what runs on this node for pipes: the actors that must hear when
// a partition's owner changed, and that time passes. Time matters only where
// something sent may be lost.
type pipes struct {
	host      *Host
	instances atomic.Uint64

	mu      sync.Mutex
	vnodes  map[ring.Partition]*actor.PID
	workers map[string]*actor.PID   // by id
	others  map[string]*actor.PID   // coordinators and sinks
	holding map[ring.Partition]bool // vnodes that have something of a pipe
	wake    chan struct{}
}

func newPipes(h *Host) *pipes {
	p := &pipes{
		host: h, vnodes: make(map[ring.Partition]*actor.PID), workers: make(map[string]*actor.PID),
		others: make(map[string]*actor.PID), holding: make(map[ring.Partition]bool), wake: make(chan struct{}, 1),
	}
	h.own(p.tick)
	return p
}

// instance returns a number that no other worker of this life has.
func (p *pipes) instance() uint64 { return p.instances.Add(1) }

func (p *pipes) opened(partition ring.Partition, pid *actor.PID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vnodes[partition] = pid
}

func (p *pipes) closed(partition ring.Partition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.vnodes, partition)
	delete(p.holding, partition)
}

// holds notes whether a vnode has something of a pipe, for which time passes.
func (p *pipes) holds(partition ring.Partition, some bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if some {
		p.holding[partition] = true
		p.kick()
	} else {
		delete(p.holding, partition)
	}
}

// Holding returns at how many partitions of this node something of a pipe is
// held.
func (h *Host) Holding() int {
	h.pipes.mu.Lock()
	defer h.pipes.mu.Unlock()
	return len(h.pipes.holding)
}

func (p *pipes) addWorker(pid *actor.PID)    { p.add(p.workers, pid) }
func (p *pipes) removeWorker(pid *actor.PID) { p.remove(p.workers, pid) }

func (p *pipes) add(m map[string]*actor.PID, pid *actor.PID) {
	p.mu.Lock()
	m[pid.Id] = pid
	p.mu.Unlock()
	p.kick()
}

func (p *pipes) remove(m map[string]*actor.PID, pid *actor.PID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(m, pid.Id)
}

// kick starts the passing of time: a sender is at work.
func (p *pipes) kick() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Workers returns how many pipe workers run on this node.
func (h *Host) Workers() int {
	h.pipes.mu.Lock()
	defer h.pipes.mu.Unlock()
	return len(h.pipes.workers)
}

// viewed tells whoever has something under way which partitions have a new
// owner, and the queues which processes are gone.
func (p *pipes) viewed(old, v *View) {
	if old == nil {
		return
	}
	var moved []pipe.Retry
	for partition, part := range v.Parts(PipeKind) {
		if before, _ := old.Owner(PipeKind, partition); before != part.Owner {
			moved = append(moved, pipe.Retry{Partition: partition})
		}
	}
	gone := goneNodes(old, v)
	if len(moved) == 0 && len(gone) == 0 {
		return
	}
	workers, vnodes, others := p.all()
	for _, r := range moved {
		for _, pid := range workers {
			p.host.system.Root.Send(pid, r)
		}
	}
	for _, g := range gone {
		for _, pid := range vnodes {
			p.host.system.Root.Send(pid, info{g})
		}
		for _, pid := range others {
			p.host.system.Root.Send(pid, pipe.SourceLost{Node: g.Node, Incarnation: g.Incarnation - 1})
		}
	}
	p.host.ends.each(func(d endpoint) {
		if s, ok := d.(*Sender); ok {
			s.moved(moved)
		}
	})
}

// goneNodes returns the nodes that restarted or left between two views, with
// the lowest incarnation that is alive.
func goneNodes(old, v *View) []pipe.NodeGone {
	var gone []pipe.NodeGone
	for n, before := range old.peers {
		now, ok := v.peers[n]
		switch {
		case !ok:
			gone = append(gone, pipe.NodeGone{Node: n, Incarnation: before.Incarnation + 1})
		case now.Incarnation > before.Incarnation:
			gone = append(gone, pipe.NodeGone{Node: n, Incarnation: now.Incarnation})
		}
	}
	return gone
}

func (p *pipes) all() (workers, vnodes, others []*actor.PID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pid := range p.workers {
		workers = append(workers, pid)
	}
	for _, pid := range p.vnodes {
		vnodes = append(vnodes, pid)
	}
	for _, pid := range p.others {
		others = append(others, pid)
	}
	return workers, vnodes, others
}

func (p *pipes) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.workers) == 0 && len(p.others) == 0 && len(p.holding) == 0 && p.host.ends.len() == 0
}

// tick passes time to the machines while any pipe is at work here, so that what
// was lost on the way is sent again.
func (p *pipes) tick() {
	for {
		if p.idle() {
			select {
			case <-p.wake:
			case <-p.host.ctx.Done():
				return
			}
		}
		select {
		case <-time.After(p.host.opts.RetryAfter):
		case <-p.host.ctx.Done():
			return
		}
		workers, vnodes, others := p.all()
		for _, pid := range append(workers, others...) {
			p.host.system.Root.Send(pid, pipe.Tick{})
		}
		for _, pid := range vnodes {
			p.host.system.Root.Send(pid, info{pipe.Tick{}})
		}
		p.host.ends.each(func(d endpoint) {
			if s, ok := d.(*Sender); ok {
				s.tick()
			}
		})
	}
}

// close stops the coordinators and sinks that are left.
func (p *pipes) close() {
	_, _, others := p.all()
	for _, pid := range others {
		_ = p.host.system.Root.StopFuture(pid).Wait()
	}
}

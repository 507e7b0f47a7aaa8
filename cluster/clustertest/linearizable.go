package clustertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

// callers is the number of concurrent callers in Linearizable.
const callers = 8

// Linearizable lets concurrent callers propose and read at all handles of a store while the fixture's
// faults happen, and checks that all answers are those of one sequence of calls, each within the time it
// took. A proposal whose outcome is unknown is repeated with the same ids, at once or
// at the end, at any handle: it is one operation from its first try to its answer. One that never gets
// an answer stays open.
func Linearizable(t *testing.T, o Options, factory Factory) {
	t.Helper()
	o = o.withDefaults()
	ctx, cancel := context.WithTimeout(context.Background(), 2*Timeout)
	defer cancel()
	report, err := checkLinearizable(ctx, o, factory(t, nodes))
	t.Logf("seed %d: %s", o.Seed, report)
	if err != nil {
		t.Fatalf("seed %d: %v", o.Seed, err)
	}
}

// bench is a store under load and faults.
type bench struct {
	ctx   context.Context
	opts  Options
	stamp stamps

	mu      sync.Mutex
	handles []Handle
	history []operation
	doubts  []*proposal // given up; to be asked for at the end
	started int
	repeats int
	nemesis *nemesis
	entry   atomic.Uint64 // the version of the swapped entry that was read last
}

// A proposal is one operation on its way to an answer.
type proposal struct {
	began int64
	in    input
	cmds  []topology.Command
}

func checkLinearizable(ctx context.Context, o Options, f Fixture) (string, error) {
	b := &bench{ctx: ctx, opts: o, handles: f.Handles, nemesis: newNemesis(o.Seed, f)}
	founding := topology.Command{ID: topology.CommandID{Proposer: "founder", Seq: 1}, Op: create(nodes[0])}
	if out, _, err := insist(ctx, f.Handles[0], []topology.Command{founding}); err != nil || out[0].Err != nil {
		return "", fmt.Errorf("create the cluster: %v %w", out, err)
	}
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { b.call(i) })
	}
	wg.Wait()
	b.nemesis.heal(b.replace)
	open := b.resolve()
	for i, h := range b.handles {
		if err := b.read(h); err != nil {
			return "", fmt.Errorf("the last read at handle %d: %w", i, err)
		}
	}
	report := fmt.Sprintf("%d operations of %d callers, faults %v, %d repeated proposals, %d without an answer",
		len(b.history), callers, b.nemesis.done, b.repeats, open)
	return report, explain(b.history)
}

// call is one caller: proposals and reads, until enough operations were started.
func (b *bench) call(client int) {
	rnd := rand.New(rand.NewPCG(b.opts.Seed, uint64(client)+100))
	life, seq := 0, uint64(0)
	for b.next() && b.ctx.Err() == nil {
		i := rnd.IntN(len(nodes))
		if rnd.IntN(3) == 0 {
			// A read without an answer says nothing.
			_ = b.read(b.handle(i))
			continue
		}
		p := &proposal{in: drawInput(rnd, b.entry.Load())}
		for _, op := range p.in.ops() {
			seq++
			p.cmds = append(p.cmds, topology.Command{ID: topology.CommandID{Proposer: fmt.Sprintf("caller-%d.%d", client, life), Seq: seq}, Op: op})
		}
		if !b.propose(p, rnd) {
			// Its id must not be forgotten before it is asked for.
			life, seq = life+1, 0
		}
	}
}

// next counts an operation, and makes a fault when its turn has come.
func (b *bench) next() bool {
	b.mu.Lock()
	b.started++
	n := b.started
	b.mu.Unlock()
	if every := max(1, b.opts.Operations/(2*b.opts.Faults+1)); n%every == 0 && n < b.opts.Operations {
		b.nemesis.act(b.replace)
	}
	return n <= b.opts.Operations
}

func (b *bench) handle(i int) Handle {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.handles[i]
}

func (b *bench) replace(i int, h Handle) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handles[i] = h
}

func (b *bench) record(in input, out output, began int64) {
	ended := b.stamp.next()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.history = append(b.history, operation{in: in, out: out, begun: began, ended: ended})
}

// propose proposes until it knows the outcome, or that there is none; sometimes it gives up in doubt,
// and reports false.
func (b *bench) propose(p *proposal, rnd *rand.Rand) bool {
	p.began = b.stamp.next()
	doubted := false
	for b.ctx.Err() == nil {
		out, maybe, err := b.try(b.handle(rnd.IntN(len(nodes))), p)
		switch {
		case err == nil:
			b.record(p.in, answer(out), p.began)
			return true
		case !maybe && !doubted:
			return true // refused without effect
		}
		doubted = true
		b.mu.Lock()
		b.repeats++
		giveUp := rnd.IntN(3) == 0 && len(b.doubts) < topology.MaxProposers/4
		if giveUp {
			b.doubts = append(b.doubts, p)
		}
		b.mu.Unlock()
		if giveUp {
			return false
		}
		pause(b.ctx)
	}
	return false
}

// try proposes once; maybe says that it may take effect in spite of the error.
func (b *bench) try(h Handle, p *proposal) (out []topology.Outcome, maybe bool, err error) {
	ctx, cancel := context.WithTimeout(b.ctx, b.opts.Patience)
	defer cancel()
	out, err = h.Propose(ctx, p.cmds...)
	if err == nil && len(out) != len(p.cmds) {
		err = fmt.Errorf("%d outcomes for %d commands", len(out), len(p.cmds))
	}
	return out, errors.Is(err, cluster.ErrUnknown) || ctx.Err() != nil && !errors.Is(err, cluster.ErrUnavailable), err
}

// resolve asks for the outcomes in doubt, and returns how many stay open.
func (b *bench) resolve() int {
	open := 0
	for i, p := range b.doubts {
		out, _, err := insist(b.ctx, b.handles[i%len(b.handles)], p.cmds)
		if err == nil {
			b.record(p.in, answer(out), p.began)
			continue
		}
		open++
		b.record(p.in, output{unknown: true}, p.began)
	}
	return open
}

func (b *bench) read(h Handle) error {
	ctx, cancel := context.WithTimeout(b.ctx, b.opts.Patience)
	defer cancel()
	began := b.stamp.next()
	state, err := h.Read(ctx)
	if err != nil {
		return err
	}
	v := reduce(state)
	b.entry.Store(v.entry)
	b.record(input{what: reading}, output{seen: v}, began)
	return nil
}

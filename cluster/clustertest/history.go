package clustertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

// Options sizes the long cases for a store. The zero Options are the defaults.
type Options struct {
	// Seed is that of the generated histories. Default 1. It is printed.
	Seed uint64
	// Commands is the length of the random history. Default 10,000, with -short 1,000.
	Commands int
	// Batch is the greatest number of commands of one proposal: sizes are random up to it. Default
	// 16. A store whose every proposal is dear takes up to topology.Window.
	Batch int
	// Operations is the number of operations whose order is checked. Default 800, with -short 200.
	Operations int
	// Faults is the number of faults made meanwhile. Default 8, with -short 4.
	Faults int
	// Patience bounds one call under faults; a call that takes longer is given up, and its outcome
	// is unknown. Default 2 s.
	Patience time.Duration
}

func (o Options) withDefaults() Options {
	long := func(n *int, full, short int) {
		if *n == 0 {
			*n = full
			if testing.Short() {
				*n = short
			}
		}
	}
	long(&o.Commands, 10_000, 1_000)
	long(&o.Operations, 800, 200)
	long(&o.Faults, 8, 4)
	long(&o.Batch, 16, 16)
	o.Batch = min(o.Batch, topology.Window)
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Patience == 0 {
		o.Patience = 2 * time.Second
	}
	return o
}

// History runs the random history of a Generator through all handles of a store in batches of random
// size. Every outcome, and the encoded record at the end, must be those of topology.State.Apply; so
// all stores that pass have the same ones.
func History(t *testing.T, o Options, factory Factory) {
	t.Helper()
	o = o.withDefaults()
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	begun := time.Now()
	stats, err := checkHistory(ctx, o, factory(t, nodes))
	t.Logf("seed %d: %v; %d batches, %v", o.Seed, stats.Statistics, stats.batches, time.Since(begun).Round(time.Millisecond))
	if err != nil {
		t.Fatalf("seed %d: %v", o.Seed, err)
	}
}

type historyStats struct {
	Statistics
	batches int
}

func checkHistory(ctx context.Context, o Options, f Fixture) (stats historyStats, err error) {
	g := NewGenerator(o.Seed)
	rnd := rand.New(rand.NewPCG(o.Seed, 2))
	for done := 0; done < o.Commands; stats.batches++ {
		size := min(1+rnd.IntN(o.Batch), o.Commands-done)
		cmds, want := make([]topology.Command, size), make([]topology.Outcome, size)
		for i := range cmds {
			cmds[i], want[i] = g.Next()
		}
		stats.Statistics = g.Statistics()
		got, doubted, err := insist(ctx, f.Handles[rnd.IntN(len(f.Handles))], cmds)
		if err != nil {
			return stats, fmt.Errorf("commands %d to %d: %w", done, done+size, err)
		}
		for i := range got {
			// A refusal that is not recorded tells the version of the record at the repetition.
			volatile := want[i].Code == topology.CodeForgotten || want[i].Code == topology.CodeInvalid
			if doubted && volatile && got[i].Code == want[i].Code {
				continue
			}
			if !sameOutcome(want[i], got[i]) {
				return stats, fmt.Errorf("command %d, %v %s %+v: got %+v, Apply gives %+v",
					done+i, cmds[i].ID, topology.OpName(cmds[i].Op), cmds[i].Op, got[i], want[i])
			}
		}
		done += size
	}
	return stats, sameRecord(ctx, f.Handles, g.State())
}

// insist proposes until the outcome is known, and reports whether it ever was in doubt.
func insist(ctx context.Context, h cluster.Store, cmds []topology.Command) (out []topology.Outcome, doubted bool, err error) {
	for {
		out, err = h.Propose(ctx, cmds...)
		doubted = doubted || errors.Is(err, cluster.ErrUnknown)
		again := errors.Is(err, cluster.ErrUnknown) || errors.Is(err, cluster.ErrUnavailable)
		if !again || !pause(ctx) {
			break
		}
	}
	if err == nil && len(out) != len(cmds) {
		err = fmt.Errorf("%d outcomes for %d commands", len(out), len(cmds))
	}
	return out, doubted, err
}

// pause lets a store that has no leader find one; it reports false when ctx ended.
func pause(ctx context.Context) bool {
	select {
	case <-time.After(5 * time.Millisecond):
		return true
	case <-ctx.Done():
		return false
	}
}

func sameOutcome(a, b topology.Outcome) bool {
	if (a.Err == nil) != (b.Err == nil) || a.Err != nil && a.Err.Error() != b.Err.Error() {
		return false
	}
	a.Err, b.Err = nil, nil
	return a == b
}

// sameRecord compares the encoded record of every handle.
func sameRecord(ctx context.Context, handles []Handle, want topology.State) error {
	expected, err := want.MarshalBinary()
	if err != nil {
		return err
	}
	for i, h := range handles {
		state, err := h.Read(ctx)
		if err != nil {
			return fmt.Errorf("handle %d: %w", i, err)
		}
		b, err := state.MarshalBinary()
		if err != nil {
			return fmt.Errorf("handle %d: %w", i, err)
		}
		if string(b) != string(expected) {
			return fmt.Errorf("handle %d has another record than Apply: version %d with %d bytes, not %d with %d",
				i, state.Version(), len(b), want.Version(), len(expected))
		}
	}
	return nil
}

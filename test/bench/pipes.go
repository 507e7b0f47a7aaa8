package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/pipe"
)

// riak_pipe's figures on such a machine, inputs/s.
const (
	riakOneFitting    = 73_096
	riakThreeFittings = 27_084
)

// pipeBenches measure the pipe on one node with 64 vnodes: 8 senders, results
// counted at the sink, from the first input to the end at the sink.
func pipeBenches() []Bench {
	return []Bench{
		{
			ID: "B1", Floor: 700_000, Limit: &limitTell, Peer: riakOneFitting, PeerName: "riak_pipe",
			Case: Case{Name: "pipe/1-fitting/unbatched", Unit: "inputs/s", Run: benchPipe(1, 1, 2_000_000)},
		},
		{
			ID: "B2", Floor: 4_000_000, Limit: &limitLoop, Peer: riakOneFitting, PeerName: "riak_pipe",
			Case: Case{Name: "pipe/1-fitting/batched", Unit: "inputs/s", Run: benchPipe(1, 1000, 16_000_000)},
		},
		{
			ID: "B3", Floor: 400_000, Limit: &limitChain, Peer: riakThreeFittings, PeerName: "riak_pipe",
			Case: Case{Name: "pipe/3-fittings/rehashed", Unit: "inputs/s", Run: benchPipe(3, 1, 1_000_000)},
		},
	}
}

// increment adds one to a 64-bit number.
func increment(item []byte, out pipe.Output) error {
	var next [8]byte
	binary.BigEndian.PutUint64(next[:], binary.BigEndian.Uint64(item)+1)
	out.Emit(next[:])
	return nil
}

const pipeSenders = 8

// benchPipe sends n numbers through a pipe of fittings that each add one and
// hash anew, batch of them in one call.
func benchPipe(fittings, batch, n int) func(*Meter) error {
	return func(m *Meter) error {
		ctx := context.Background()
		node, err := baton.Start(ctx, baton.Options{
			Name: "bench", Bootstrap: true,
			Fittings: map[string]pipe.Factory{"increment": pipe.Transform(increment)},
		})
		if err != nil {
			return err
		}
		defer node.Stop(ctx)
		var stages []pipe.Fitting
		for i := range fittings {
			stages = append(stages, pipe.Fitting{Name: fmt.Sprintf("add%d", i), Worker: "increment", Route: pipe.ByHash(pipe.HashXXH3)})
		}
		n := max(m.Count(n), pipeSenders) / pipeSenders * pipeSenders
		m.Start()
		run, err := node.StartPipe(stages)
		if err != nil {
			return err
		}
		var senders sync.WaitGroup
		errs := make(chan error, pipeSenders)
		for s := range pipeSenders {
			senders.Go(func() { errs <- sendNumbers(ctx, run, s*n/pipeSenders, n/pipeSenders, batch) })
		}
		go func() {
			senders.Wait()
			run.EndInputs()
		}()
		count, sum, err := drain(run)
		m.Stop(float64(n))
		for range pipeSenders {
			if e := <-errs; e != nil && err == nil {
				err = e
			}
		}
		if want := uint64(n)*uint64(n-1)/2 + uint64(n*fittings); err == nil && (count != n || sum != want) {
			err = fmt.Errorf("%d results with sum %d, want %d with %d", count, sum, n, want)
		}
		return err
	}
}

func sendNumbers(ctx context.Context, run *baton.Pipe, first, n, batch int) error {
	s, err := run.Sender()
	if err != nil {
		return err
	}
	buf := make([]byte, 8*batch)
	items := make([][]byte, batch)
	for i := range items {
		items[i] = buf[8*i : 8*i+8]
	}
	for i := 0; i < n; i += batch {
		k := min(batch, n-i)
		for j := range k {
			binary.BigEndian.PutUint64(items[j], uint64(first+i+j))
		}
		if batch == 1 {
			err = s.Send(ctx, items[0])
		} else {
			err = s.SendBatch(ctx, items[:k])
		}
		if err != nil {
			return err
		}
	}
	return run.CloseSender(ctx, s)
}

func drain(run *baton.Pipe) (count int, sum uint64, err error) {
	for {
		b, ok, err := run.Next()
		if err != nil || !ok {
			return count, sum, err
		}
		for item := range b.All() {
			count++
			sum += binary.BigEndian.Uint64(item)
		}
	}
}

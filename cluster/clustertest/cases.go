package clustertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/go-cmp/cmp"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
)

func (s *suite) readAfterPropose() {
	if v := s.read(0).Version(); v != 0 {
		s.Fatalf("a fresh record has version %d", v)
	}
	s.accept(0, create(s.nodes[0]))
	for i := range 30 {
		from, to := i%len(s.Handles), (i+1)%len(s.Handles)
		out := s.accept(from, topology.BeginTerm{Node: s.nodes[0]})
		if term, _ := s.read(to).Term(); term < out[0].Term {
			s.Fatalf("read of term %d at %s after %d was answered at %s", term, s.nodes[to], out[0].Term, s.nodes[from])
		}
	}
}

func (s *suite) dedupe() {
	s.accept(0, create(s.nodes[0]))
	cmds := s.commands(topology.BeginTerm{Node: s.nodes[0]}, join("n1", 9), join("n9", 9))
	first := s.propose(0, cmds...)
	before := s.encode(s.read(0))
	for i := range s.Handles {
		again := s.propose(i, cmds...)
		if diff := cmp.Diff(first, again, cmp.Comparer(sameError)); diff != "" {
			s.Fatalf("repeated at %s (-first +again):\n%s", s.nodes[i], diff)
		}
		if s.encode(s.read(i)) != before {
			s.Fatalf("the repetition at %s changed the record", s.nodes[i])
		}
	}
}

func sameError(a, b *topology.Error) bool {
	return a == b || a != nil && b != nil && *a == *b
}

func (s *suite) batches() {
	s.accept(0, create(s.nodes[0]))
	var wg sync.WaitGroup
	results := make([][]topology.Outcome, 12)
	errs := make([]error, len(results))
	for i := range results {
		wg.Go(func() {
			var cmds []topology.Command
			for j := range 10 {
				cmds = append(cmds, topology.Command{
					ID: topology.CommandID{Proposer: fmt.Sprintf("batch-%d", i), Seq: uint64(j + 1)},
					Op: topology.BeginTerm{Node: s.nodes[0]},
				})
			}
			results[i], errs[i] = s.Handles[i%len(s.Handles)].Propose(s.ctx, cmds...)
		})
	}
	wg.Wait()
	for i, out := range results {
		if errs[i] != nil {
			s.Fatal(errs[i])
		}
		for j := 1; j < len(out); j++ {
			if out[j].Version != out[j-1].Version+1 || out[j].Term != out[j-1].Term+1 {
				s.Fatalf("batch %d: version %d term %d follows version %d term %d",
					i, out[j].Version, out[j].Term, out[j-1].Version, out[j-1].Term)
			}
		}
	}
}

func (s *suite) refusedInBatch() {
	out := s.propose(0, s.commands(
		topology.BeginTerm{Node: s.nodes[0]}, create(s.nodes[0]), create(s.nodes[1]), topology.BeginTerm{Node: s.nodes[0]},
	)...)
	for i, want := range []error{topology.ErrNoCluster, nil, topology.ErrClusterExists, nil} {
		if !errors.Is(out[i].Err, want) {
			s.Errorf("command %d: %v, want %v", i, out[i].Err, want)
		}
	}
	if v := s.read(1).Version(); v != 2 {
		s.Errorf("version %d, want 2", v)
	}
}

func (s *suite) batchLimit() {
	s.accept(0, create(s.nodes[0]))
	ops := slices.Repeat([]topology.Op{topology.BeginTerm{Node: s.nodes[0]}}, topology.Window+1)
	cmds := s.commands(ops...)
	if _, err := s.Handles[0].Propose(s.ctx, cmds...); !errors.Is(err, cluster.ErrBatch) {
		s.Errorf("%d commands: %v, want %v", len(cmds), err, cluster.ErrBatch)
	}
	s.propose(0, cmds[:topology.Window]...)
	if out, err := s.Handles[0].Propose(s.ctx); err != nil || len(out) != 0 {
		s.Errorf("no commands: %v, %v", out, err)
	}
}

func (s *suite) watch() {
	early := s.Handles[1].Watch(s.ctx)
	s.accept(0, create(s.nodes[0]))
	var last topology.Outcome
	for range 50 {
		last = s.accept(0, topology.BeginTerm{Node: s.nodes[0]})[0]
	}
	// Nothing was received so far: what is missed is replaced, the newest is there.
	if u := s.await(early, last.Version); u.State.Version() != last.Version {
		s.Errorf("version %d, want %d", u.State.Version(), last.Version)
	}
	for i := range s.Handles {
		s.await(s.Handles[i].Watch(s.ctx), last.Version)
	}
}

func (s *suite) watchEnds() {
	ctx, cancel := context.WithCancel(s.ctx)
	byContext, byClose := s.Handles[0].Watch(ctx), s.Handles[0].Watch(s.ctx)
	cancel()
	s.drain(byContext)
	if err := s.Handles[0].Close(); err != nil {
		s.Fatal(err)
	}
	s.drain(byClose)
	s.drain(s.Handles[0].Watch(s.ctx))
}

// drain receives until the channel is closed.
func (s *suite) drain(ch <-chan cluster.Update) {
	s.Helper()
	for {
		select {
		case _, ok := <-ch:
			if !ok {
				return
			}
		case <-s.ctx.Done():
			s.Fatal("the watch was not closed")
		}
	}
}

func (s *suite) lostAnswer() {
	s.accept(0, create(s.nodes[0]))
	cmds := s.commands(topology.BeginTerm{Node: s.nodes[0]}, join("n9", 9))
	if s.LoseAnswer != nil {
		s.LoseAnswer(0)
		if _, err := s.Handles[0].Propose(s.ctx, cmds...); !errors.Is(err, cluster.ErrUnknown) {
			s.Fatalf("lost answer: %v, want %v", err, cluster.ErrUnknown)
		}
	} else {
		s.propose(0, cmds...)
	}
	out := s.propose(1, cmds...)
	state := s.read(0)
	if term, _ := state.Term(); term != 1 || out[0].Term != 1 || !out[1].Changed() {
		s.Errorf("after the repetition: term %d, outcomes %v", term, out)
	}
}

func (s *suite) lostProposal() {
	if s.LoseProposal == nil {
		return
	}
	s.accept(0, create(s.nodes[0]))
	s.LoseProposal(0)
	p := cluster.NewProposer(s.Handles[0], "retrying")
	out, err := p.Propose(s.ctx, 0, topology.BeginTerm{Node: s.nodes[0]})
	if err != nil || out[0].Term != 1 {
		s.Errorf("outcome %v, %v", out, err)
	}
}

// concurrent uses BeginTerm as a fetch-and-increment counter: that its values are distinct, without
// gaps, and in the order of calls that do not overlap is all there is to its linearizability.
func (s *suite) concurrent() {
	const proposers, each = 8, 25
	s.accept(0, create(s.nodes[0]))
	clock := &stamps{}
	var wg sync.WaitGroup
	calls := make([][]call, proposers)
	for i := range proposers {
		wg.Go(func() {
			h := s.Handles[i%len(s.Handles)]
			p := cluster.NewProposer(h, fmt.Sprintf("p%d", i))
			for range each {
				c := call{began: clock.next()}
				out, err := p.Propose(s.ctx, 0, topology.BeginTerm{Node: s.nodes[0]})
				if err != nil {
					s.Error(err)
					return
				}
				c.term, c.version, c.ended = out[0].Term, out[0].Version, clock.next()
				calls[i] = append(calls[i], c)
				state, err := h.Read(s.ctx)
				if term, _ := state.Term(); err != nil || term < c.term {
					s.Errorf("read term %d after %d was answered: %v", term, c.term, err)
					return
				}
			}
		})
	}
	wg.Wait()
	all := slices.Concat(calls...)
	slices.SortFunc(all, func(a, b call) int { return int(a.term) - int(b.term) })
	newest := int64(0)
	for i, c := range all {
		if c.term != uint64(i+1) || i > 0 && c.version != all[i-1].version+1 {
			s.Fatalf("call %d: term %d version %d, before it term %d version %d", i, c.term, c.version, all[max(i-1, 0)].term, all[max(i-1, 0)].version)
		}
		if c.ended < newest {
			s.Fatalf("term %d was answered before the call that got an earlier one began", c.term)
		}
		newest = max(newest, c.began)
	}
}

type call struct {
	began, ended  int64
	term, version uint64
}

// stamps orders events of several goroutines.
type stamps struct {
	mu sync.Mutex
	n  int64
}

func (c *stamps) next() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n
}

func (s *suite) closed() {
	s.accept(0, create(s.nodes[0]))
	h := s.Handles[1]
	for range 2 {
		if err := h.Close(); err != nil {
			s.Fatalf("close: %v", err)
		}
	}
	if _, err := h.Read(s.ctx); !errors.Is(err, cluster.ErrClosed) {
		s.Errorf("read: %v, want %v", err, cluster.ErrClosed)
	}
	if _, err := h.Propose(s.ctx, s.commands(topology.BeginTerm{Node: s.nodes[0]})...); !errors.Is(err, cluster.ErrClosed) {
		s.Errorf("propose: %v, want %v", err, cluster.ErrClosed)
	}
	if term, _ := s.read(0).Term(); term != 0 {
		s.Errorf("the closed handle's proposal took effect: term %d", term)
	}
}

func (s *suite) endedContext() {
	s.accept(0, create(s.nodes[0]))
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := s.Handles[0].Read(ctx); !errors.Is(err, context.Canceled) {
		s.Errorf("read: %v, want %v", err, context.Canceled)
	}
	if _, err := s.Handles[0].Propose(ctx, s.commands(topology.BeginTerm{Node: s.nodes[0]})...); !errors.Is(err, context.Canceled) {
		s.Errorf("propose: %v, want %v", err, context.Canceled)
	}
	s.accept(0, topology.BeginTerm{Node: s.nodes[0]})
}

// oneLeader waits until a handle leads, closes it, and waits for another.
func (s *suite) oneLeader() {
	s.accept(0, create(s.nodes[0]), join(s.nodes[1], 1), join(s.nodes[2], 1))
	first := s.leader(s.Handles)
	if err := s.Handles[first].Close(); err != nil {
		s.Fatal(err)
	}
	s.leader(slices.Delete(slices.Clone(s.Handles), first, first+1))
}

// leader waits for the first handle that says it leads.
func (s *suite) leader(handles []Handle) int {
	s.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	found := make(chan int, len(handles))
	var wg sync.WaitGroup
	for i, h := range handles {
		wg.Go(func() {
			for u := range h.Watch(ctx) {
				if u.Leader {
					found <- i
					return
				}
			}
		})
	}
	defer wg.Wait()
	defer cancel()
	select {
	case i := <-found:
		return i
	case <-s.ctx.Done():
		s.Fatal("nobody leads")
		return 0
	}
}

package pipe_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
)

// The scenarios about ends: of vnodes, of coordinators, of inputs and of sinks.

// TestA07_vnodeCrash: every vnode loses its state after it processed everything.
// In the original the end of inputs flows and the answer looks whole; here the
// pipe ends with what is wrong.
func TestA07_vnodeCrash(t *testing.T) {
	spec := testSpec(constant("tally", "tally"))
	w := newWorld(spec, testRegistry(t), [][]string{{"a", "b"}}, nil)
	w.clients[0].told = true
	w.rush()
	for p := range w.vnodes {
		w.vnodes[p] = w.open(ring.Partition(p), w.vnodes[p].epoch, nil)
	}
	w.clients[0].told = false
	w.calm(t)
	if err := w.outcome.Err; !errors.Is(err, pipe.ErrCounts) && !errors.Is(err, pipe.ErrLost) {
		t.Errorf("outcome %v", err)
	}
}

// TestA09_middleFittingNormal: messages that no one should have sent change
// nothing. The rest of the original can't happen: a fitting has no process that
// could end alone.
func TestA09_middleFittingNormal(t *testing.T) {
	spec := testSpec(constant("one", pipe.Pass), constant("two", pipe.Pass), constant("three", pipe.Pass))
	w := newWorld(spec, testRegistry(t), [][]string{{"a", "b"}}, nil)
	for _, e := range []pipe.CoordinatorEvent{
		&pipe.Done{Pipe: spec.ID, Fitting: 1, Partition: 3}, &pipe.Done{Fitting: 99}, &pipe.Done{Fitting: -1, Probe: true},
		&pipe.Destroyed{Partition: 5}, &pipe.SinkDone{Items: 7}, &pipe.SpecRequest{Partition: 99},
		&pipe.Done{Pipe: spec.ID, Fitting: 0, Partition: 3, Probe: true},
		&pipe.Done{Pipe: spec.ID, Fitting: 0, Partition: 3, Counts: pipe.Counts{Own: []pipe.Sent{{Partition: 1 << 20, Items: 1}}}},
	} {
		w.coord.Step(e)
	}
	w.complete(t, "a", "b")
}

// TestA10_fittingCrash: whichever fitting fails, the whole pipe is torn down.
func TestA10_fittingCrash(t *testing.T) {
	for at := range 5 {
		reg := testRegistry(t)
		var fittings []pipe.Fitting
		for i := range 5 {
			f := pipe.Fitting{Name: string(rune('a' + i)), Worker: pipe.Pass, Route: pipe.ByHash(pipe.HashXXH3)}
			if i == at {
				f.Worker = "poison"
			}
			fittings = append(fittings, f)
		}
		w := newWorld(testSpec(fittings...), reg, [][]string{{"x", "poison", "y"}}, nil)
		w.calm(t) // and nothing is left
		var we *pipe.WorkerError
		if !errors.As(w.outcome.Err, &we) || we.Fitting != fittings[at].Name {
			t.Errorf("outcome %v", w.outcome.Err)
		}
	}
}

// TestA20_sinkPace: a sink has one way to be told, with room for what the
// consumer wants. Nothing is acknowledged, and so nothing more is sent than
// windows hold, until the consumer takes it.
func TestA20_sinkPace(t *testing.T) {
	spec := testSpec(constant("pass", pipe.Pass))
	sink := pipe.NewSink(pipe.SinkOptions{Spec: spec, MaxHeld: 10})
	count := func(e pipe.SinkEvent) (delivered, acked int) {
		for _, a := range sink.Step(e) {
			switch a.(type) {
			case pipe.Deliver:
				delivered++
			case *pipe.Ack:
				acked++
			}
		}
		return delivered, acked
	}
	send := func(seq uint64) (int, int) {
		return count(&pipe.Enqueue{Pipe: spec.ID, Fitting: 1, Seq: seq, Batch: pipe.BatchOf([]byte("result"))})
	}
	if d, a := send(1); d != 0 || a != 0 {
		t.Fatalf("%d delivered, %d acknowledged before anybody wanted it", d, a)
	}
	if d, a := send(2); d != 0 || a != 0 { // no room: it comes again
		t.Fatalf("%d delivered, %d acknowledged beyond the room", d, a)
	}
	if d, a := count(pipe.Want{Batches: 5}); d != 1 || a != 1 {
		t.Fatalf("%d delivered, %d acknowledged, want the one that was held", d, a)
	}
	if d, a := send(2); d != 1 || a != 1 {
		t.Fatalf("%d delivered, %d acknowledged while there is room", d, a)
	}
}

// TestA21_handoffStarting: next_input and archive between the two steps of a
// handoff's start; the founding race.
func TestA21_handoffStarting(t *testing.T) {
	s := new(script)
	datadriven.RunTest(t, "testdata/queues/founding.txt", s.run)
}

// TestA22_endOfInputs: whatever order the reports of done come in, late, twice or
// before they are asked for, every partition that got input is told the end, and
// each fitting's end is passed on once.
func TestA22_endOfInputs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := testSpec(
			pipe.Fitting{Name: "one", Worker: pipe.Pass, Route: pipe.ByHash(pipe.HashXXH3)},
			pipe.Fitting{Name: "two", Worker: pipe.Pass, Route: pipe.ByHash(pipe.HashXXH3)},
		)
		choose := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)).IntN
		c := pipe.NewCoordinator(pipe.CoordinatorOptions{Spec: spec})
		told := make(map[[2]int]int)
		ends, finished := 0, 0
		step := func(e pipe.CoordinatorEvent) {
			for _, a := range c.Step(e) {
				switch a := a.(type) {
				case *pipe.EOI:
					told[[2]int{a.Fitting, int(a.Partition)}]++
				case *pipe.SinkEnd:
					ends++
				case *pipe.Finished:
					finished++
				}
			}
		}
		// Each partition of the first fitting sends what it got to one of the second.
		var sent []pipe.Sent
		var reports []pipe.CoordinatorEvent
		second := make(map[int]uint64)
		for p := range 1 + choose(8) {
			n := uint64(1 + choose(9))
			to := choose(8)
			second[to] += n
			sent = append(sent, pipe.Sent{Partition: ring.Partition(p), Items: n})
			reports = append(reports, &pipe.Done{Partition: ring.Partition(p), Counts: pipe.Counts{
				In: n, Sent: []pipe.Sent{{Partition: ring.Partition(to), Items: n}},
			}})
		}
		total := uint64(0)
		for to, n := range second {
			total += n
			reports = append(reports, &pipe.Done{Fitting: 1, Partition: ring.Partition(to), Counts: pipe.Counts{
				In: n, Sent: []pipe.Sent{{Items: n}},
			}})
		}
		step(reports[choose(len(reports))]) // before anybody asked
		step(&pipe.SenderDone{Sent: sent})
		step(pipe.EndOfInputs{Senders: 1})
		for range 2000 {
			step(reports[choose(len(reports))])
			if choose(10) == 0 {
				step(pipe.Tick{})
			}
		}
		if ends == 0 {
			t.Fatalf("the sink was not told: %+v", c.Progress())
		}
		step(&pipe.SinkDone{Items: total})
		step(&pipe.SinkDone{Items: total})
		if finished != 1 {
			t.Fatalf("the outcome was given %d times", finished)
		}
		for _, s := range sent {
			if told[[2]int{0, int(s.Partition)}] == 0 {
				t.Errorf("partition %d was not told", s.Partition)
			}
		}
		if len(told) != len(sent)+len(second) {
			t.Errorf("told %v, want %d and %d partitions", told, len(sent), len(second))
		}
	})
}

// TestA23_noInput: a fitting that runs once without input does so on a vnode,
// not in the coordinator; a sink that goes away meanwhile, here an owner that
// gives up at any moment, leaves nothing behind.
func TestA23_noInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reg := pipe.NewRegistry()
		spec := testSpec(constant("count", pipe.Count))
		spec.Fittings[0].RunEmpty = true
		w := newWorld(spec, reg, [][]string{nil}, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)).IntN)
		w.chaos(w.choose(60))
		cancelled := w.choose(2) == 0
		if cancelled {
			w.coordinator(pipe.Cancel{})
		}
		w.calm(t)
		switch {
		case w.outcome.Err == nil && slices.Equal(w.results, []string{"0"}):
		case cancelled && errors.Is(w.outcome.Err, pipe.ErrCancelled):
		default:
			t.Fatalf("outcome %v, results %q", w.outcome.Err, w.results)
		}
	})
}

// TestA24_validate: what TestSpec_validate has not: the fields that came later.
func TestA24_validate(t *testing.T) {
	reg := testRegistry(t)
	for name, change := range map[string]func(*pipe.Spec){
		"nval":   func(s *pipe.Spec) { s.Fittings[0].NVal = -1 },
		"ring":   func(s *pipe.Spec) { s.Fittings[0].NVal = 9 },
		"policy": func(s *pipe.Spec) { s.OnFailure = 7 },
		"route":  func(s *pipe.Spec) { s.Fittings[0].Route = pipe.Route{} },
		"worker": func(s *pipe.Spec) { s.Fittings[0].Worker = "nobody" },
	} {
		spec := testSpec(constant("one", pipe.Pass))
		if err := spec.Validate(reg); err != nil {
			t.Fatal(err)
		}
		change(spec)
		var se *pipe.SpecError
		if err := spec.Validate(reg); !errors.As(err, &se) || !errors.Is(err, pipe.ErrBadSpec) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestQueues_lease: a pipe whose coordinator does not answer is dropped after a
// while, with its workers; one whose coordinator answers is not.
func TestQueues_lease(t *testing.T) {
	spec := testSpec(constant("one", pipe.Pass))
	for _, answers := range []bool{true, false} {
		q := pipe.NewQueues(pipe.QueuesOptions{Partition: 3, LeaseTicks: 16})
		q.Step(pipe.Opened{Epoch: 1})
		q.Step(&pipe.Enqueue{Pipe: spec.ID, Seq: 1, Coordinator: spec.Coordinator, Batch: pipe.BatchOf([]byte("x"))})
		q.Step(&pipe.SpecKnown{Spec: spec})
		stopped := false
		for range 40 {
			asked := false
			for _, a := range q.Step(pipe.Tick{}) {
				switch a.(type) {
				case *pipe.SpecRequest:
					asked = true
				case pipe.StopWorker:
					stopped = true
				}
			}
			if asked && answers {
				q.Step(&pipe.SpecKnown{Spec: spec})
			}
		}
		if stopped == answers || q.Empty() == answers {
			t.Errorf("answers=%v: worker stopped %v, empty %v", answers, stopped, q.Empty())
		}
	}
}

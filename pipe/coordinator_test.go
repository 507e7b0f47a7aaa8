package pipe_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
)

// TestCoordinator_transcripts runs the transcripts of testdata/coordinator: a
// pipe of the fittings one and two, and none that must run on empty input
// unless new says run-empty.
//
//	new [run-empty] [linger=N]
//	sender FROM [P:ITEMS...] | inputs SENDERS | cancel | tick | spec P
//	done FITTING P in=N [P:ITEMS...] | failed FITTING P | destroyed P... | sink-done ITEMS
func TestCoordinator_transcripts(t *testing.T) {
	datadriven.Walk(t, "testdata/coordinator", func(t *testing.T, path string) {
		var c *pipe.Coordinator
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "new" {
				two := pipe.Fitting{Name: "two", Worker: pipe.Pass, Route: pipe.Constant(6), RunEmpty: d.HasArg("run-empty")}
				opt := pipe.CoordinatorOptions{Spec: testSpec(pipe.Fitting{Name: "one", Worker: pipe.Pass, Route: pipe.Direct()}, two)}
				d.MaybeScanArgs(t, "linger", &opt.LingerTicks)
				c = pipe.NewCoordinator(opt)
				return ""
			}
			var b strings.Builder
			for _, e := range coordinatorEvents(t, d) {
				for _, a := range c.Step(e) {
					fmt.Fprintln(&b, describeCoordination(a))
				}
			}
			if b.Len() == 0 {
				return "nothing\n"
			}
			return b.String()
		})
	})
}

func coordinatorEvents(t *testing.T, d *datadriven.TestData) []pipe.CoordinatorEvent {
	t.Helper()
	num := func(i int) int {
		var n int
		if _, err := fmt.Sscan(d.CmdArgs[i].Key, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	sent := func(from int) []pipe.Sent {
		var all []pipe.Sent
		for _, a := range d.CmdArgs[from:] {
			var s pipe.Sent
			if _, err := fmt.Sscanf(a.Key, "%d:%d", &s.Partition, &s.Items); err != nil {
				t.Fatalf("%q: %v", a.Key, err)
			}
			all = append(all, s)
		}
		return all
	}
	switch d.Cmd {
	case "sender":
		return []pipe.CoordinatorEvent{&pipe.SenderDone{From: uint64(num(0)), Sent: sent(1)}}
	case "inputs":
		return []pipe.CoordinatorEvent{pipe.EndOfInputs{Senders: num(0)}}
	case "cancel":
		return []pipe.CoordinatorEvent{pipe.Cancel{}}
	case "tick":
		return []pipe.CoordinatorEvent{pipe.Tick{}}
	case "spec":
		return []pipe.CoordinatorEvent{&pipe.SpecRequest{Partition: ring.Partition(num(0))}}
	case "done":
		e := &pipe.Done{Fitting: num(0), Partition: ring.Partition(num(1)), Counts: pipe.Counts{Sent: sent(3)}}
		d.ScanArgs(t, "in", &e.Counts.In)
		return []pipe.CoordinatorEvent{e}
	case "failed":
		return []pipe.CoordinatorEvent{&pipe.Failed{
			Fitting: num(0), Partition: ring.Partition(num(1)), Input: []byte("bad"), Cause: "oh no",
		}}
	case "destroyed":
		var all []pipe.CoordinatorEvent
		for i := range d.CmdArgs {
			all = append(all, &pipe.Destroyed{Partition: ring.Partition(num(i))})
		}
		return all
	case "sink-done":
		return []pipe.CoordinatorEvent{&pipe.SinkDone{Items: uint64(num(0))}}
	}
	t.Fatalf("unknown command %s", d.Cmd)
	return nil
}

func describeCoordination(a pipe.CoordinatorAction) string {
	switch a := a.(type) {
	case *pipe.EOI:
		return strings.TrimSpace(fmt.Sprintf("end of inputs to fitting %d at %d %s", a.Fitting, a.Partition, map[bool]string{true: "run-empty"}[a.RunEmpty]))
	case *pipe.SinkEnd:
		return fmt.Sprintf("end to the sink, items=%d err=%v", a.Items, a.Err)
	case *pipe.Destroy:
		return fmt.Sprintf("destroy at %d", a.Partition)
	case *pipe.Finished:
		return fmt.Sprintf("finished: %v %+v", a.Err, a.Progress)
	case pipe.Ended:
		return "ended"
	case *pipe.SpecKnown:
		return fmt.Sprintf("spec to %d", a.Partition)
	case *pipe.SpecGone:
		return fmt.Sprintf("spec gone to %d", a.Partition)
	default:
		return fmt.Sprintf("%T", a)
	}
}

func TestCoordinator_errors(t *testing.T) {
	spec := testSpec(pipe.Fitting{Name: "one", Worker: pipe.Pass, Route: pipe.Direct()})
	for _, c := range []struct {
		name  string
		event pipe.CoordinatorEvent
		is    error
	}{
		{"too few", &pipe.Done{Partition: 2, Counts: pipe.Counts{In: 4}}, pipe.ErrCounts},
		{"too many", &pipe.Done{Partition: 2, Counts: pipe.Counts{In: 6}}, pipe.ErrCounts},
		{"failed", &pipe.Failed{Partition: 2}, pipe.ErrWorker},
		{"cancelled", pipe.Cancel{}, pipe.ErrCancelled},
		{"cancelled with a cause", pipe.Cancel{Cause: pipe.ErrLost}, pipe.ErrLost},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := pipe.NewCoordinator(pipe.CoordinatorOptions{Spec: spec})
			k.Step(&pipe.SenderDone{Sent: []pipe.Sent{{Partition: 2, Items: 5}}})
			k.Step(pipe.EndOfInputs{Senders: 1})
			f, ok := k.Step(c.event)[0].(*pipe.Finished)
			if !ok || !errors.Is(f.Err, c.is) {
				t.Fatalf("got %+v", f)
			}
			var ce *pipe.CountsError
			if errors.As(f.Err, &ce) && (ce.Fitting != "one" || ce.Partition != 2 || ce.Sent != 5 || ce.Processed == 5) {
				t.Errorf("got %+v", ce)
			}
		})
	}
}

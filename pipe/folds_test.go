package pipe_test

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
)

// TestFolds_eachPartitionOnce runs folds over answers that are lost, repeated
// and come from two owners of one partition: each partition is started at one
// source only, and the end comes when all are done.
func TestFolds_eachPartitionOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 8
		f := pipe.NewFolds(pipe.ID{1}, size)
		started := map[ring.Partition]pipe.Address{}
		done, ended := map[uint64]bool{}, false
		var wire []pipe.FoldsEvent
		sources := uint64(0)
		apply := func(actions []pipe.FoldsAction) {
			for _, a := range actions {
				switch a := a.(type) {
				case pipe.OpenFold:
					for range rapid.IntRange(0, 2).Draw(t, "answers") {
						sources++
						wire = append(wire, pipe.FoldOpened{Partition: a.Partition, Attempt: a.Attempt, Source: pipe.Address{Node: "n", Endpoint: sources}})
					}
				case pipe.StartFold:
					if was, ok := started[a.Partition]; ok && was != a.Source {
						t.Fatalf("partition %d started at %v and at %v", a.Partition, was, a.Source)
					}
					started[a.Partition] = a.Source
					for range rapid.IntRange(0, 2).Draw(t, "dones") {
						wire = append(wire, pipe.FoldDone{Partition: a.Partition, Attempt: a.Attempt, Items: 3})
					}
				case *pipe.SenderDone:
					if done[a.From] {
						t.Fatalf("partition %d done twice", a.From)
					}
					done[a.From] = true
				case pipe.EndOfInputs:
					if ended || len(done) != size || a.Senders != size {
						t.Fatalf("end of inputs with %d of %d done", len(done), size)
					}
					ended = true
				case pipe.Cancel:
					t.Fatalf("cancelled: %v", a.Cause)
				}
			}
		}
		apply(f.Start())
		for step := 0; !ended; step++ {
			if step > 10_000 {
				t.Fatalf("not ended: %d left", f.Left())
			}
			if len(wire) == 0 || rapid.IntRange(0, 9).Draw(t, "tick") == 0 {
				apply(f.Step(pipe.Tick{}))
				continue
			}
			i := rapid.IntRange(0, len(wire)-1).Draw(t, "next")
			e := wire[i]
			wire = append(wire[:i], wire[i+1:]...)
			apply(f.Step(e))
		}
	})
}

// TestFolds_lostSource: a started source that is lost ends the pipe, one that
// was only asked for does not.
func TestFolds_lostSource(t *testing.T) {
	f := pipe.NewFolds(pipe.ID{1}, 8)
	f.Start()
	if got := f.Step(pipe.SourceLost{Node: "a", Incarnation: 3}); len(got) != 0 {
		t.Fatalf("nothing was started at a, got %v", got)
	}
	f.Step(pipe.FoldOpened{Partition: 2, Attempt: 1, Source: pipe.Address{Node: "a", Incarnation: 4, Endpoint: 9}})
	if got := f.Step(pipe.SourceLost{Node: "a", Incarnation: 3}); len(got) != 0 {
		t.Fatalf("an earlier life of a was lost, got %v", got)
	}
	actions := f.Step(pipe.SourceLost{Node: "a", Incarnation: 4})
	cancel, ok := actions[len(actions)-1].(pipe.Cancel)
	if !ok || !errors.Is(cancel.Cause, pipe.ErrLost) {
		t.Fatalf("got %s", fmt.Sprint(actions))
	}
	late := pipe.FoldOpened{Partition: 3, Attempt: 1, Source: pipe.Address{Node: "b", Endpoint: 1}}
	if got := f.Step(late); len(got) != 1 || got[0] != (pipe.CloseFold{Partition: 3, Attempt: 1, Source: late.Source}) {
		t.Fatalf("a late source is not closed: %v", got)
	}
}

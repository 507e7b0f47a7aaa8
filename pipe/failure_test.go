package pipe_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dee2748c/baton/pipe"
)

// TestQueues_failureTravels: whatever a worker fails with, its report is text
// of a bounded size.
func TestQueues_failureTravels(t *testing.T) {
	s := script{}
	q := pipe.NewQueues(pipe.QueuesOptions{Partition: 3})
	a := scriptID("A")
	q.Step(pipe.Opened{Epoch: 1})
	q.Step(&pipe.Enqueue{Pipe: a, Seq: 1, Coordinator: scriptCoordinator, Batch: pipe.BatchOf([]byte("x"))})
	q.Step(&pipe.SpecKnown{Spec: s.spec(a)})
	cause := errors.New("bad \xff\xfe " + strings.Repeat("\u20ac", 10_000))
	actions := q.Step(&pipe.WorkerExited{
		Worker: pipe.WorkerID{Key: pipe.Key{Pipe: a}, Instance: 1}, Err: &pipe.WorkerError{Cause: cause},
	})
	f, ok := actions[0].(*pipe.Failed)
	if !ok || !utf8.ValidString(f.Cause) || len(f.Cause) > 5<<10 || !strings.HasPrefix(f.Cause, "bad ") {
		t.Errorf("reported %q", f.Cause)
	}
}

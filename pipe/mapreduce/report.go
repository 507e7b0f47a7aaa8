package mapreduce

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
)

// A Report is the account of one run of a job. What leaves one phase must enter
// the next; Check says whether it did.
type Report struct {
	Job     string
	Pipe    pipe.ID
	Inputs  uint64           // objects read and sent to the map phase
	Phases  []PhaseCounts    // in the order of the data
	Results uint64           // taken by the consumer
	Missing []ring.Partition // whose objects were not all read, ascending
}

// PhaseCounts says what went into a phase and what came out of it.
type PhaseCounts struct {
	Name       string
	Partitions int // that took part
	In, Out    uint64
}

// NewReport returns the report of a pipe that finished with this progress.
func NewReport(job string, id pipe.ID, inputs uint64, progress []pipe.Progress, results uint64) Report {
	r := Report{Job: job, Pipe: id, Inputs: inputs, Results: results}
	for _, p := range progress {
		r.Phases = append(r.Phases, PhaseCounts{Name: p.Fitting, Partitions: p.Partitions, In: p.In, Out: p.Out})
	}
	return r
}

// Check returns nil when the result is complete: every count meets its
// neighbour and no partition is missing. Otherwise it fails with ErrIncomplete
// and says everything that is wrong.
func (r Report) Check() error {
	var errs []error
	sent, from := r.Inputs, "inputs"
	for _, p := range r.Phases {
		if p.In != sent {
			errs = append(errs, fmt.Errorf("%s sent %d items, %s took %d: %w", from, sent, p.Name, p.In, ErrIncomplete))
		}
		sent, from = p.Out, p.Name
	}
	if r.Results != sent {
		errs = append(errs, fmt.Errorf("%s sent %d results, %d arrived: %w", from, sent, r.Results, ErrIncomplete))
	}
	if len(r.Missing) > 0 {
		errs = append(errs, fmt.Errorf("objects of partitions %v are missing: %w", r.Missing, ErrIncomplete))
	}
	return errors.Join(errs...)
}

// String puts the report on one line, as in
//
//	wordcount: 7700 objects -> map -> 1267757 pairs -> reduce -> 326278 results
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d objects", r.Job, r.Inputs)
	for i, p := range r.Phases {
		what := "pairs"
		if i == len(r.Phases)-1 {
			what = "results"
		}
		fmt.Fprintf(&b, " -> %s -> %d %s", p.Name, p.Out, what)
	}
	if err := r.Check(); err != nil {
		fmt.Fprintf(&b, " (%s)", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return b.String()
}

package baton

import (
	"context"
	"errors"
	"fmt"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

// Input says which objects a job reads.
type Input struct{ bucketType, bucket string }

// Bucket is every object of a bucket. A job sees every write that was
// acknowledged before it began, by as many copies as the bucket's w asks for or
// more: before it reads the first copy of a head partition's objects, that takes
// over what it lacks of n - w + 1 copies. What is written meanwhile it may see.
func Bucket(name string) Input { return Input{bucket: name} }

// JobProgress is how far a job is. Bytes and Inputs are as its workers noted
// them, phase by phase: map, then reduce.
type JobProgress = actors.Progress

// JobOptions configures a run of a job.
type JobOptions struct {
	// Progress hears about progress; optional. It must not block.
	Progress func(JobProgress)
}

// JobRun is one run of a job: its results as they stream in, and its account.
// The results are not safe for concurrent use, the rest is.
type JobRun[K comparable, R any] struct {
	*mapreduce.Results[K, R]
	name string
	run  *actors.Run
}

// RunJob runs a registered job over the input. Results must be taken (All) for
// the job to go on; when ctx ends the job is cancelled. It fails with
// cluster.ErrUnavailable when the record can't be read, and the job with
// kv.ErrCoverage when too few copies of a head answer.
func RunJob[K comparable, V, R any](ctx context.Context, n *Node, job mapreduce.Job[K, V, R], in Input, opts ...JobOptions) (*JobRun[K, R], error) {
	decoder, err := job.Decoder()
	if err != nil {
		return nil, err
	}
	run, err := n.startJob(ctx, job.Name, in, opts...)
	if err != nil {
		return nil, err
	}
	return &JobRun[K, R]{Results: mapreduce.NewResults(decoder, run.Next), name: job.Name, run: run}, nil
}

func (n *Node) startJob(ctx context.Context, name string, in Input, opts ...JobOptions) (*actors.Run, error) {
	fittings, err := n.jobs.Fittings(name)
	if err != nil {
		return nil, fmt.Errorf("run job: %w", err)
	}
	o := actors.RunOptions{Kind: kv.KindName, Query: kv.BucketQuery(in.bucketType, in.bucket)}
	for _, opt := range opts {
		o.Progress = opt.Progress
	}
	if err := n.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("run job %q: %w", name, err)
	}
	run, err := n.startRun(ctx, name, fittings, o)
	if err != nil {
		return nil, fmt.Errorf("run job %q: %w", name, err)
	}
	return run, nil
}

// catchUp returns when this node has applied the record of the present. So the
// nodes that a job asks know of every fallback that had acknowledged a write when
// it began.
func (n *Node) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, n.opts.Entropy.Patience)
	defer cancel()
	state, err := n.read(ctx)
	if err != nil {
		return err
	}
	return n.viewed(ctx, "read the record", state.Version())
}

// ID names the run's pipe.
func (r *JobRun[K, R]) ID() pipe.ID { return r.run.ID() }

// Err returns what ended the job: nil after a complete run. A worker's failure
// matches pipe.ErrWorker and names the phase, the input and the cause. Too few
// copies of a head match kv.ErrCoverage, and a *pipe.FoldError names the head.
func (r *JobRun[K, R]) Err() error {
	err := r.Results.Err()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, messages.ErrFewCopies):
		return fmt.Errorf("job %q: %w: %w", r.name, kv.ErrCoverage, err)
	}
	return fmt.Errorf("job %q: %w", r.name, err)
}

// Cancel ends the job.
func (r *JobRun[K, R]) Cancel() { r.run.Cancel(nil) }

// Progress returns how far the job is.
func (r *JobRun[K, R]) Progress() JobProgress { return r.run.Progress() }

// Report returns the account of a complete run: what left each phase entered
// the next. Call it when All has ended.
func (r *JobRun[K, R]) Report() mapreduce.Report {
	counts := r.run.Counts()
	var inputs uint64
	if len(counts) > 0 {
		inputs = r.run.Inputs()
	}
	return mapreduce.NewReport(r.name, r.run.ID(), inputs, counts, r.Count())
}

// Released is closed once nothing of the run is left in the cluster.
func (r *JobRun[K, R]) Released() <-chan struct{} { return r.run.Released() }

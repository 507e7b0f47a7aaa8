package baton

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/pipe/mapreduce/js"
	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

// jobs are a node's jobs as the admin API sees them.
type jobs struct{ *administration }

var _ admin.Jobs = jobs{}

func (j jobs) RunJob(ctx context.Context, text []byte) (admin.JobRun, error) {
	r, err := j.reached()
	if err != nil {
		return nil, err
	}
	if r.host == nil {
		return nil, fmt.Errorf("node %s: %w", j.n.self, admin.ErrUnjoined)
	}
	q, err := query.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", admin.ErrRequest, err)
	}
	run, err := j.n.RunQuery(ctx, q)
	if errors.Is(err, js.ErrSource) {
		err = fmt.Errorf("%w: %w", admin.ErrRequest, err)
	}
	if err != nil {
		return nil, jobError(err)
	}
	return &adminRun{n: j.n, run: run}, nil
}

func (j jobs) Jobs() []admin.Job {
	all := []admin.Job{}
	for _, info := range j.n.Jobs() {
		all = append(all, adminJob(info))
	}
	return all
}

func (j jobs) CancelJob(id string) error {
	parsed, err := pipe.ParseID(id)
	if err != nil {
		return fmt.Errorf("%w: %w", admin.ErrRequest, err)
	}
	return jobError(j.n.CancelJob(parsed))
}

func adminJob(info JobInfo) admin.Job {
	job := admin.Job{ID: info.ID.String(), Name: info.Name, Node: info.Node, State: string(info.State), Started: info.Started, Phases: []admin.JobPhase{}}
	if !info.Ended.IsZero() {
		job.Ended = &info.Ended
	}
	if info.Err != nil {
		job.Error = info.Err.Error()
	}
	for _, p := range info.Phases {
		job.Phases = append(job.Phases, admin.JobPhase{Name: p.Name, In: p.In, Bytes: p.Bytes, Out: p.Out, Partitions: p.Partitions})
	}
	return job
}

// jobError gives an error of a job the code that the API has for it.
func jobError(err error) error {
	phase, failed := errors.AsType[*mapreduce.PhaseError](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrJobTimeout):
		return fmt.Errorf("%w: %w", admin.ErrJobTimeout, err)
	case errors.Is(err, ErrNoJob):
		return fmt.Errorf("%w: %w", admin.ErrNoJob, err)
	case failed:
		return fmt.Errorf("%w: %s", admin.ErrJob, phase.Error())
	}
	return err
}

// adminRun is a run as the admin API sees it.
type adminRun struct {
	n   *Node
	run *QueryRun
	err error // of what JSON can't say
}

func (r *adminRun) ID() string { return r.run.ID().String() }

func (r *adminRun) Parts() iter.Seq[admin.JobPart] {
	return func(yield func(admin.JobPart) bool) {
		for p := range r.run.Parts() {
			data, err := query.AppendJSON(nil, p.Values)
			if err != nil {
				r.err = fmt.Errorf("phase %d: %w", p.Phase, err)
				r.run.Cancel(r.err)
				return
			}
			if !yield(admin.JobPart{Phase: p.Phase, Data: data}) {
				return
			}
		}
	}
}

func (r *adminRun) Err() error {
	if r.err != nil {
		return fmt.Errorf("%w: %w", admin.ErrJob, r.err)
	}
	return jobError(r.run.Err())
}

// Job returns what the book says; one that many others have followed may be
// forgotten.
func (r *adminRun) Job() admin.Job {
	info, err := r.n.Job(r.run.ID())
	if err != nil {
		info = JobInfo{ID: r.run.ID(), Node: r.n.self}
	}
	return adminJob(info)
}

package baton

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/pipe"
)

// ErrNoJob: this node knows no job of that id.
var ErrNoJob = errors.New("no such job")

// JobState is how a job stands.
type JobState string

// States of a job.
const (
	JobRunning   JobState = "running"
	JobComplete  JobState = "complete"
	JobFailed    JobState = "failed"
	JobCancelled JobState = "cancelled"
)

// JobInfo is what a node knows of a job that it coordinates.
type JobInfo struct {
	ID      pipe.ID
	Name    string // "query" for one that is not registered
	Node    ring.NodeID
	State   JobState
	Started time.Time
	Ended   time.Time // zero while it runs
	Err     error     // why it failed or was cancelled
	Phases  []JobPhase
}

// JobPhase is how far one fitting of a job is. While the job runs In and Bytes are
// as the workers noted them; Out and Partitions are known at the end.
type JobPhase struct {
	Name       string
	In, Out    uint64 // items
	Bytes      uint64 // of the items taken
	Partitions int    // that took part
}

// jobsKept is how many jobs are remembered that have ended.
const jobsKept = 100

// jobBook knows the jobs that this node coordinates. Safe for concurrent use.
type jobBook struct {
	mu      sync.Mutex
	running map[pipe.ID]*bookedJob
	ended   []JobInfo // the latest last
}

type bookedJob struct {
	info     JobInfo
	fittings []string
	run      *actors.Run
	final    func() JobInfo // once it is over
}

// startRun starts a pipe as a job of the node: it is in the book, and ends with
// ctx.
func (n *Node) startRun(ctx context.Context, name string, fittings []pipe.Fitting, o actors.RunOptions) (*actors.Run, error) {
	run, err := n.host.Start(fittings, o)
	if err != nil {
		return nil, err
	}
	j := &bookedJob{run: run, info: JobInfo{ID: run.ID(), Name: name, Node: n.self, State: JobRunning, Started: time.Now()}}
	for _, f := range fittings {
		j.fittings = append(j.fittings, f.Name)
	}
	j.final = sync.OnceValue(j.end)
	n.book.add(j)
	stop := context.AfterFunc(ctx, func() { run.Cancel(fmt.Errorf("job %q: %w", name, context.Cause(ctx))) })
	context.AfterFunc(run.Context(), func() {
		stop()
		n.book.end(j)
	})
	return run, nil
}

func (b *jobBook) add(j *bookedJob) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running == nil {
		b.running = make(map[pipe.ID]*bookedJob)
	}
	b.running[j.info.ID] = j
}

func (b *jobBook) end(j *bookedJob) {
	info := j.final()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.running, info.ID)
	b.ended = append(b.ended, info)
	b.ended = slices.Delete(b.ended, 0, max(0, len(b.ended)-jobsKept))
}

// end returns how a job ended that is over.
func (j *bookedJob) end() JobInfo {
	info := j.progress()
	info.Ended = time.Now()
	switch info.Err = j.run.Err(); {
	case info.Err == nil:
		info.State = JobComplete
	case errors.Is(info.Err, pipe.ErrCancelled), errors.Is(info.Err, context.Canceled):
		info.State = JobCancelled
	default:
		info.State = JobFailed
	}
	for i, c := range j.run.Counts() {
		info.Phases[i].In, info.Phases[i].Out, info.Phases[i].Partitions = c.In, c.Out, c.Partitions
	}
	return info
}

// now returns the job as it is.
func (j *bookedJob) now() JobInfo {
	select {
	case <-j.run.Over():
		return j.final()
	default:
		return j.progress()
	}
}

// progress returns the job as it is while it runs.
func (j *bookedJob) progress() JobInfo {
	info := j.info
	p := j.run.Progress()
	for i, name := range j.fittings {
		info.Phases = append(info.Phases, JobPhase{Name: name, In: p.Inputs[i], Bytes: p.Bytes[i]})
	}
	return info
}

// Jobs returns the jobs that this node coordinates and the latest that it has, in
// the order in which they began.
func (n *Node) Jobs() []JobInfo {
	n.book.mu.Lock()
	defer n.book.mu.Unlock()
	all := slices.Clone(n.book.ended)
	for _, j := range n.book.running {
		all = append(all, j.now())
	}
	slices.SortFunc(all, func(a, b JobInfo) int { return a.Started.Compare(b.Started) })
	return all
}

// Job returns one of the jobs that Jobs lists. It fails with ErrNoJob.
func (n *Node) Job(id pipe.ID) (JobInfo, error) {
	for _, j := range n.Jobs() {
		if j.ID == id {
			return j, nil
		}
	}
	return JobInfo{}, fmt.Errorf("job %v at node %s: %w", id, n.self, ErrNoJob)
}

// CancelJob ends a job that this node coordinates; one that has ended stays as it
// is. It fails with ErrNoJob.
func (n *Node) CancelJob(id pipe.ID) error {
	n.book.mu.Lock()
	j := n.book.running[id]
	n.book.mu.Unlock()
	if j == nil {
		_, err := n.Job(id)
		return err
	}
	j.run.Cancel(nil)
	return nil
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/pipe/mapreduce"
)

// joinAfter is the share of the inputs, as one over it, that is done when the
// further nodes join.
const joinAfter = 12

// job runs the job, lets the further nodes join on its way, and waits until
// every partition is where it shall be.
func (d *demo) job(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j := &running{
		demo: d, inputs: d.loaded.done.Inputs, track: d.track,
		progressed: make(chan struct{}, 1), results: make(chan struct{}),
		ended: make(chan error, 1), joined: make(chan error, 1), join: d.opts.Join,
	}
	began := time.Now()
	if err := j.start(ctx); err != nil {
		return err
	}
	err := j.follow(ctx)
	cancel()
	j.wait()
	if err != nil {
		return err
	}
	d.counted = j.counted
	d.summary.JobMS = j.over.Sub(began).Milliseconds()
	d.summary.Moved = j.track.moved
	d.summary.HandoffBytes = j.track.bytes
	d.summary.Archived = d.nodes.archived.Load()
	if err := d.out.Show(j.track.transfers()); err != nil {
		return err
	}
	for _, p := range j.report.Phases {
		if err := d.out.Show(Phase{Phase: p.Name, In: p.In, Out: p.Out}); err != nil {
			return err
		}
	}
	return nil
}

// running is a job under way, with the join beside it. follow is the one
// goroutine that shows events; the others signal it.
type running struct {
	*demo
	inputs int
	track  *tracker

	done       atomic.Uint64 // inputs, as last noted
	progressed chan struct{} // room for one: something was noted
	results    chan struct{} // closed at the first result: every input is done
	ended      chan error    // the job's
	joined     chan error    // the join's
	join       int           // nodes that have not begun to join
	joining    bool          // a join is under way

	over    time.Time // when the job's last result was taken
	counted Counts
	report  mapreduce.Report
}

// start starts the further nodes, whose joins are only staged, then the job, and
// a goroutine that takes its results.
func (j *running) start(ctx context.Context) error {
	at := j.nodes.running[j.opts.Seed%uint64(len(j.nodes.running))]
	for range j.join {
		if err := j.nodes.start(ctx, len(j.nodes.running)); err != nil {
			return err
		}
	}
	run, err := baton.RunJob(ctx, at, mapreduce.WordCount(), baton.Bucket(bucket), baton.JobOptions{Progress: j.note})
	if err != nil {
		return err
	}
	go func() { j.ended <- j.take(run) }()
	return nil
}

// note keeps the newest progress; it never blocks.
func (j *running) note(p baton.JobProgress) {
	j.done.Store(p.Inputs[0])
	select {
	case j.progressed <- struct{}{}:
	default:
	}
}

// take takes all results and checks the account of the job.
func (j *running) take(run *baton.JobRun[string, uint64]) error {
	counts := Counts{}
	for word, n := range run.All() {
		if len(counts) == 0 {
			close(j.results)
		}
		counts[word] = n
	}
	j.over = time.Now()
	if err := run.Err(); err != nil {
		return err
	}
	j.counted, j.report = counts, run.Report()
	if err := j.report.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrInexact, err)
	}
	return nil
}

// follow shows what happens until the job has ended, all nodes have joined, and
// nothing moves any more.
func (j *running) follow(ctx context.Context) error {
	results := j.results
	counting := true // the job has inputs left
	for jobEnded := false; ; {
		view := j.nodes.first().View()
		if err := j.show(j.track.see(view.State, counting)...); err != nil {
			return err
		}
		if jobEnded && j.join == 0 && !j.joining && j.nodes.takePart(view.State) && view.Settled() {
			return nil
		}
		select {
		case <-j.progressed:
			if err := j.progress(ctx, int(j.done.Load())); err != nil {
				return err
			}
		case <-results:
			results, counting = nil, false
			if err := j.progress(ctx, j.inputs); err != nil {
				return err
			}
		case err := <-j.ended:
			j.ended = nil
			jobEnded, counting = true, false
			if err != nil {
				return fmt.Errorf("job %s: %w", j.opts.Job, err)
			}
			if err := j.progress(ctx, j.inputs); err != nil {
				return err
			}
		case err := <-j.joined:
			j.joining = false
			if err != nil {
				return fmt.Errorf("join: %w", err)
			}
		case <-view.Changed():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// progress shows how far the job is and commits the joins of the further nodes
// when a twelfth of its inputs is done.
func (j *running) progress(ctx context.Context, done int) error {
	if err := j.show(Mapping{Done: min(done, j.inputs), Of: j.inputs}); err != nil {
		return err
	}
	if j.join == 0 || done*joinAfter < j.inputs {
		return nil
	}
	for _, node := range j.nodes.running[len(j.nodes.running)-j.join:] {
		if err := j.show(Joining{Node: node.Name(), Addr: node.Addr(), Inputs: done}); err != nil {
			return err
		}
	}
	j.join, j.joining = 0, true
	go func() { j.joined <- j.commit(ctx) }()
	return nil
}

// commit makes the ring with the joined nodes the cluster's. A plan that was
// overtaken by another change is made again, and while the nodes can't agree, on
// a machine that is too busy to hear its leader, it is tried again.
func (j *running) commit(ctx context.Context) error {
	for {
		node := j.nodes.first()
		_, err := node.Plan(ctx)
		if err == nil {
			err = node.Commit(ctx)
		}
		again := slices.ContainsFunc([]error{
			topology.ErrPlanChanged, topology.ErrNothingPlanned, topology.ErrStaleTerm, cluster.ErrUnavailable,
		}, func(e error) bool { return errors.Is(err, e) })
		if !again {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

func (j *running) show(events ...Event) error {
	for _, e := range events {
		if err := j.out.Show(e); err != nil {
			return err
		}
	}
	return nil
}

// wait returns when the goroutines of the job have ended; its context must have.
func (j *running) wait() {
	if j.ended != nil {
		<-j.ended
	}
	if j.joining {
		<-j.joined
	}
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dee2748c/baton/kv"
)

// ErrInexact says that the job's answer is not that of the recount.
var ErrInexact = errors.New("the job's counts differ from the recount")

// topWords is how many words are shown.
const topWords = 20

// Run runs a demo and tells it to out. It returns nil when the job's counts are
// exact, ErrInexact when they are not, an *OptionError or *InputError for what
// the user has to change, and any other error of the cluster. When it returns
// nothing that it started is left.
func Run(ctx context.Context, o Options, out Output) (err error) {
	if err := o.Validate(); err != nil {
		return err
	}
	in, err := o.find()
	if err != nil {
		return err
	}
	if err := checkPorts(o); err != nil {
		return err
	}
	d := &demo{opts: o, in: &in, out: out, nodes: &nodes{opts: o}, track: newTracker(), began: time.Now()}
	defer func() { err = errors.Join(err, d.nodes.stop(ctx)) }()
	if err := d.start(ctx); err != nil {
		return err
	}
	if err := d.load(ctx); err != nil {
		return err
	}
	if err := d.job(ctx); err != nil {
		return err
	}
	if err := d.nodes.stop(ctx); err != nil {
		return err
	}
	return d.compare(ctx)
}

// demo is one demo under way.
type demo struct {
	opts  Options
	in    *Input
	out   Output
	nodes *nodes
	track *tracker
	began time.Time

	loaded  loading
	counted Counts // by the job
	summary Summary
}

// start starts the first nodes and gives each its share of the ring.
func (d *demo) start(ctx context.Context) error {
	for i := range d.opts.Nodes {
		if err := d.nodes.start(ctx, i); err != nil {
			return err
		}
	}
	if d.opts.Nodes > 1 {
		if err := d.nodes.first().Rebalance(ctx); err != nil {
			return fmt.Errorf("share the ring: %w", err)
		}
	}
	state, err := d.nodes.settled(ctx)
	if err != nil {
		return err
	}
	err = d.out.Show(Started{
		Nodes: d.nodes.addresses(), Ring: d.opts.Ring, Engine: d.opts.Engine, Seed: d.opts.Seed,
		Input: d.in.Root, Files: len(d.in.Files), Bytes: d.in.Bytes,
	})
	return errors.Join(err, d.out.Show(d.track.begin(state)))
}

// load stores the input through the clients of all nodes in turn.
func (d *demo) load(ctx context.Context) error {
	var failed error
	d.loaded = loading{
		in: d.in,
		put: func(ctx context.Context, o kv.Object) error {
			return d.nodes.running[len(o.Key)%len(d.nodes.running)].KV().Put(ctx, o)
		},
		report: func(e Loading) { failed = errors.Join(failed, d.out.Show(e)) },
	}
	if err := d.loaded.run(ctx, d.opts.Seed); err != nil {
		return fmt.Errorf("load the input: %w", err)
	}
	return failed
}

// compare recounts the files, compares every word, and tells the result.
func (d *demo) compare(ctx context.Context) error {
	var failed error
	want, hashes, err := recount(ctx, d.in, func(n int64) {
		failed = errors.Join(failed, d.out.Show(Recounting{Bytes: n, Of: d.loaded.done.Bytes}))
	})
	if err != nil {
		return fmt.Errorf("recount: %w", err)
	}
	for i, hash := range hashes {
		if hash != d.loaded.hashes[i] {
			return &InputError{Path: d.in.path(d.in.Files[i].Name), What: "changed while the demo ran", Remedy: "run the demo on files that nobody writes to"}
		}
	}
	differences := compare(d.counted, want)
	s := &d.summary
	s.Exact = len(differences) == 0
	s.Words, s.Distinct = d.counted.Total(), len(d.counted)
	s.Inputs, s.Files, s.Skipped = d.loaded.done.Inputs, len(d.in.Files), d.in.Skipped
	s.Bytes = d.loaded.done.Bytes
	if d.opts.Counts != "" {
		if err := d.counted.writeFile(d.opts.Counts); err != nil {
			return err
		}
	}
	events := []Event{Frequent{Words: d.counted.Top(topWords)}}
	if !s.Exact {
		events = append(events, Differing{Words: len(differences), First: differences[:min(topWords, len(differences))]})
	}
	s.ElapsedMS = time.Since(d.began).Milliseconds()
	for _, e := range append(events, *s) {
		failed = errors.Join(failed, d.out.Show(e))
	}
	if failed == nil && !s.Exact {
		return fmt.Errorf("%d words: %w", len(differences), ErrInexact)
	}
	return failed
}

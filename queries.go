package baton

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/messages"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce"
	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

// ErrJobTimeout: a job did not come to its end in the time that it has.
var ErrJobTimeout = errors.New("job timed out")

// QueryRun is one run of a query: the parts of its result as they come in, and
// its account. The parts are not safe for concurrent use, the rest is.
type QueryRun struct {
	query  *query.Query
	plan   *mapreduce.Plan
	run    *actors.Run
	values uint64 // taken
	rest   []query.Part
	err    error // of decoding
}

// RunQuery runs a query over the cluster, coordinated by this node. Its functions
// are Riak's own, those of Options.Functions, and source text in the languages of
// Options.Engines. The time that the query has covers everything, beginning with
// this call. Parts must be taken for the query to go on; when ctx ends it is
// cancelled.
//
// It fails with mapreduce.ErrUnknownFunction or mapreduce.ErrLanguage for a query
// that can't run here, kv.ErrNotFound if an object that should hold a function's
// source does not exist, and cluster.ErrUnavailable when the record can't be read.
func (n *Node) RunQuery(ctx context.Context, q *query.Query) (*QueryRun, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, q.Timeout, fmt.Errorf("%w after %v", ErrJobTimeout, q.Timeout))
	r, err := n.startQuery(ctx, q)
	if err != nil {
		cancel()
		if errors.Is(context.Cause(ctx), ErrJobTimeout) {
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		return nil, fmt.Errorf("run query: %w", err)
	}
	context.AfterFunc(r.run.Context(), cancel)
	return r, nil
}

func (n *Node) startQuery(ctx context.Context, q *query.Query) (*QueryRun, error) {
	q, err := n.fetchSources(ctx, q)
	if err != nil {
		return nil, err
	}
	plan, err := n.queries.Compile(q, ring.Partition(rand.IntN(n.View().RingSize())))
	if err != nil {
		return nil, err
	}
	var inputs mapreduce.Function
	if q.Inputs.Kind == query.InputFunction {
		if inputs, err = n.queries.InputFunction(q.Inputs.Function.Name); err != nil {
			return nil, err
		}
	}
	o := actors.RunOptions{}
	if plan.Fold {
		o.Kind, o.Query = kv.KindName, mapreduce.FoldQuery(&q.Inputs)
	}
	if err := n.catchUp(ctx); err != nil {
		return nil, err
	}
	run, err := n.startRun(ctx, "query", plan.Fittings, o)
	if err != nil {
		return nil, err
	}
	if !plan.Fold {
		n.tasks.Go(func() { n.feed(ctx, run, plan, &q.Inputs, inputs) })
	}
	return &QueryRun{query: q, plan: plan, run: run}, nil
}

// fetchSources returns the query with the source of each function that is kept in
// an object.
func (n *Node) fetchSources(ctx context.Context, q *query.Query) (*query.Query, error) {
	var copied *query.Query
	for i := range q.Phases {
		k := q.Phases[i].Function.Stored
		if k.Key == "" {
			continue
		}
		o, err := n.KV().Read(ctx, kv.Get{Type: k.Type, Bucket: k.Bucket, Key: k.Key})
		if err != nil {
			return nil, fmt.Errorf("phase %d: source: %w", i, err)
		}
		if copied == nil {
			c := *q
			c.Phases = slices.Clone(q.Phases)
			copied = &c
		}
		f := &copied.Phases[i].Function
		f.Source, f.Stored = string(o.Value), query.Key{}
	}
	if copied != nil {
		return copied, nil
	}
	return q, nil
}

// feed puts the inputs of a query into its pipe.
func (n *Node) feed(ctx context.Context, run *actors.Run, plan *mapreduce.Plan, in *query.Inputs, f mapreduce.Function) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(n.ctx, func() { cancel(errStopping) })()
	defer context.AfterFunc(run.Context(), func() { cancel(pipe.ErrCancelled) })()
	s, err := run.Sender()
	if err != nil {
		run.Cancel(err)
		return
	}
	if err = n.send(ctx, s, plan, in, f); err != nil {
		run.Cancel(fmt.Errorf("inputs: %w", err))
	}
	// When the run is cancelled, its senders end with it.
	if closeErr := run.CloseSender(ctx, s); err == nil && closeErr == nil {
		run.EndInputs()
	} else if err == nil {
		run.Cancel(fmt.Errorf("inputs: %w", closeErr))
	}
}

var errStopping = errors.New("node is stopping")

func (n *Node) send(ctx context.Context, s *actors.Sender, plan *mapreduce.Plan, in *query.Inputs, f mapreduce.Function) error {
	emit := func(k query.Key) error {
		item, to, direct, err := plan.Feed(k)
		if err != nil {
			return err
		}
		if direct {
			return s.SendTo(ctx, to, item)
		}
		return s.Send(ctx, item)
	}
	switch in.Kind {
	case query.InputKeys:
		for _, k := range in.Keys {
			if err := emit(k); err != nil {
				return err
			}
		}
	case query.InputIndex:
		return n.sendIndex(ctx, in, emit)
	case query.InputFunction:
		return callInputs(ctx, f, in.Arg, emit)
	}
	return nil
}

func (n *Node) sendIndex(ctx context.Context, in *query.Inputs, emit func(query.Key) error) error {
	asked := kv.IndexQuery{Type: in.Type, Bucket: in.Bucket, Index: in.Index, From: in.From, To: in.To, Exact: in.Exact}
	for e, err := range n.KV().Index(ctx, asked) {
		if err == nil {
			err = emit(query.Key{Type: in.Type, Bucket: in.Bucket, Key: strings.Clone(e.Key)})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// callInputs runs a function of the user's.
func callInputs(ctx context.Context, f mapreduce.Function, arg any, emit func(query.Key) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("input function %q: %w", f.Name, &mapreduce.PanicError{Value: v})
		}
	}()
	return f.Inputs(ctx, arg, emit)
}

// ID names the run's pipe.
func (r *QueryRun) ID() pipe.ID { return r.run.ID() }

// Parts yields the result piece by piece as it comes in, each value once. It ends
// early at an error, which Err returns. Left early and called again, it goes on
// behind the last part that it yielded.
func (r *QueryRun) Parts() iter.Seq[query.Part] {
	return func(yield func(query.Part) bool) {
		for r.err == nil {
			for len(r.rest) > 0 {
				p := r.rest[0]
				r.rest = r.rest[1:]
				if !yield(p) {
					return
				}
			}
			b, ok, err := r.run.Next()
			if err != nil || !ok {
				return
			}
			r.decode(b)
		}
	}
}

// decode makes parts of a batch of results.
func (r *QueryRun) decode(b pipe.Batch) {
	for item := range b.All() {
		phase, v, err := mapreduce.DecodeResult(item)
		if err != nil {
			r.err = err
			r.run.Cancel(err)
			return
		}
		r.values++
		if last := len(r.rest) - 1; last < 0 || r.rest[last].Phase != phase {
			r.rest = append(r.rest, query.Part{Phase: phase})
		}
		p := &r.rest[len(r.rest)-1]
		p.Values = append(p.Values, v)
	}
}

// Collect takes all parts and returns the whole result, or what Err says.
func (r *QueryRun) Collect() (*query.Result, error) {
	result := r.query.NewResult()
	for p := range r.Parts() {
		result.Add(p)
	}
	return result, r.Err()
}

// Err returns what ended the query: nil after a complete run. What a function did
// wrong is a *mapreduce.PhaseError; otherwise it is ErrJobTimeout, an error of a
// cancelled context, or as for JobRun.Err.
func (r *QueryRun) Err() error {
	if r.err != nil {
		return fmt.Errorf("query: %w", r.err)
	}
	return r.explain(r.run.Err())
}

func (r *QueryRun) explain(err error) error {
	worker, ok := errors.AsType[*pipe.WorkerError](err)
	switch {
	case err == nil:
		return nil
	case ok && worker.Cause != nil:
		phase, parseErr := mapreduce.ParsePhaseError(worker.Cause.Error())
		if parseErr != nil {
			phase = &mapreduce.PhaseError{Phase: r.plan.PhaseOf(worker.Fitting), Text: worker.Cause.Error(), Type: "worker", Cause: err}
		}
		return fmt.Errorf("query: %w", phase)
	case errors.Is(err, messages.ErrFewCopies):
		return fmt.Errorf("query: %w: %w", kv.ErrCoverage, err)
	}
	return fmt.Errorf("query: %w", err)
}

// Cancel ends the query; cause nil means pipe.ErrCancelled.
func (r *QueryRun) Cancel(cause error) { r.run.Cancel(cause) }

// Progress returns how far the query is, by its fittings.
func (r *QueryRun) Progress() JobProgress { return r.run.Progress() }

// Report returns the account of a complete run. Call it when Parts has ended.
func (r *QueryRun) Report() mapreduce.Report {
	return mapreduce.NewReport("query", r.run.ID(), r.run.Inputs(), r.run.Counts(), r.values)
}

// Released is closed once nothing of the run is left in the cluster.
func (r *QueryRun) Released() <-chan struct{} { return r.run.Released() }

// queryObjects is how workers of queries reach objects.
type queryObjects struct{ n *Node }

// readWithin bounds one read by a worker, which its job's end bounds too.
const readWithin = time.Minute

func (o queryObjects) Read(ctx context.Context, k query.Key) (kv.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	return o.n.KV().Read(ctx, kv.Get{Type: k.Type, Bucket: k.Bucket, Key: k.Key})
}

func (o queryObjects) Partition(k query.Key) ring.Partition {
	size := o.n.View().RingSize()
	p, err := o.n.catalog().Lookup(k.Type, k.Bucket)
	if err != nil {
		return kv.Route(k.Type, k.Bucket, k.Key, size) // to read it will say what is wrong
	}
	return kv.Head(p, k.Type, k.Bucket, k.Key, size)
}

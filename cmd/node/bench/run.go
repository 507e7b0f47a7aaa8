package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cmd/node/ycsb"
)

// Output hears how far a run is. Its methods are called one at a time.
type Output interface {
	Begin(Setup)
	Progress(Progress)
	End(Result)
}

// slack is how long requests under way get when a run is over.
const slack = time.Minute

// phases of a run's clients.
const (
	warming int32 = iota
	measuring
	over
)

// run is one run under way.
type run struct {
	opts     Options
	workload ycsb.Workload
	target   Target
	out      Output
	space    *ycsb.Space
	values   []byte // random bytes that values are cut from

	phase atomic.Int32
	// done and failed count the requests since the phase began, left those that
	// may still be made, where they are numbered.
	done, failed atomic.Int64
	left         atomic.Int64

	mu    sync.Mutex
	began time.Time // of what is measured
}

func (r *run) begin(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began = t
}

// Run makes one run: load, count, measure. Against t, which it leaves open, or
// with a nil t against nodes that it starts and stops. The error is an
// *OptionError, ErrCount, or why the run could not be made.
func Run(ctx context.Context, o Options, t Target, out Output) (err error) {
	w, err := o.workload()
	if err != nil {
		return err
	}
	if t == nil {
		if t, err = startNodes(ctx, o); err != nil {
			return err
		}
		defer func() {
			if stopErr := t.Close(context.WithoutCancel(ctx)); err == nil {
				err = stopErr
			}
		}()
	}
	r := &run{opts: o, workload: w, target: t, out: out, space: ycsb.NewSpace(uint64(o.Records)), values: make([]byte, o.ValueSize+1<<16)}
	source := rand.NewChaCha8([32]byte{})
	_, _ = source.Read(r.values)
	out.Begin(Setup{
		Target: t.Describe(), Workload: w.Name, Distribution: w.Distribution, Mix: mix(w), Records: o.Records, ValueSize: o.ValueSize,
		Concurrency: o.Concurrency, Seed: o.Seed,
	})
	load, err := r.load(ctx)
	if err != nil {
		return err
	}
	result, err := r.measure(ctx)
	if err != nil {
		return err
	}
	result.Load = load
	out.End(result)
	return nil
}

// key is the name of a record; names are in the order of the records.
func key(record uint64) string {
	b := make([]byte, 0, 24)
	b = append(b, "user"...)
	digits := strconv.AppendUint(nil, record, 10)
	for range max(12-len(digits), 0) {
		b = append(b, '0')
	}
	return string(append(b, digits...))
}

// value returns a value that is unlike most others.
func (r *run) value(random *rand.Rand) []byte {
	at := random.IntN(len(r.values) - r.opts.ValueSize)
	return r.values[at : at+r.opts.ValueSize]
}

// clients runs f in as many goroutines as there are clients, each with random
// numbers of its own, and tells the progress meanwhile. The first error ends all.
func (r *run) clients(ctx context.Context, phase string, total int, f func(ctx context.Context, random *rand.PCG) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.done.Store(0)
	r.failed.Store(0)
	var all sync.WaitGroup
	for i := range r.opts.Concurrency {
		random := rand.NewPCG(r.opts.Seed, uint64(i))
		all.Go(func() {
			if err := f(ctx, random); err != nil {
				cancel(err)
			}
		})
	}
	finished := make(chan struct{})
	go func() {
		all.Wait()
		close(finished)
	}()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for last, n := int64(0), 1; ; n++ {
		select {
		case <-finished:
			return context.Cause(ctx)
		case <-second.C:
			name := phase
			if phase == phaseRun && r.phase.Load() == warming {
				name = phaseWarmUp
			}
			done := r.done.Load()
			r.out.Progress(Progress{Phase: name, Second: n, Done: done, Total: total, PerSecond: max(done-last, 0), Errors: r.failed.Load()})
			last = done
		}
	}
}

// load writes every record, and counts them.
func (r *run) load(ctx context.Context) (Load, error) {
	if err := r.target.Prepare(ctx); err != nil {
		return Load{}, err
	}
	began := time.Now()
	var next atomic.Int64
	err := r.clients(ctx, phaseLoad, r.opts.Records, func(ctx context.Context, random *rand.PCG) error {
		source := rand.New(random)
		for {
			record := next.Add(1) - 1
			if record >= int64(r.opts.Records) {
				return nil
			}
			if err := r.target.Put(ctx, key(uint64(record)), r.value(source), ""); err != nil {
				return fmt.Errorf("load: %w", err)
			}
			r.done.Add(1)
		}
	})
	if err != nil {
		return Load{}, err
	}
	l := Load{Records: r.opts.Records, Seconds: time.Since(began).Seconds()}
	l.PerSecond = float64(l.Records) / max(l.Seconds, 1e-9)
	if l.Counted, err = r.target.Count(ctx); err != nil {
		return l, fmt.Errorf("count what was loaded: %w", err)
	}
	if l.Counted != l.Records {
		return l, fmt.Errorf("bucket %s has %d records after a load of %d: %w: give a bucket that is empty", r.opts.Bucket, l.Counted, l.Records, ErrCount)
	}
	return l, nil
}

// tally is what one client has seen.
type tally struct {
	latency [ycsb.Ops]ycsb.Histogram
	errors  map[string]uint64
}

// measure runs the workload.
func (r *run) measure(ctx context.Context) (Result, error) {
	r.left.Store(int64(r.opts.Operations))
	r.phase.Store(warming)
	ctx, cancel := context.WithTimeout(ctx, r.opts.WarmUp+slack+r.limit())
	defer cancel()
	r.begin(time.Now())
	start := time.AfterFunc(r.opts.WarmUp, func() {
		r.begin(time.Now())
		r.done.Store(0)
		r.failed.Store(0)
		r.phase.CompareAndSwap(warming, measuring)
	})
	defer start.Stop()
	if r.opts.Operations == 0 {
		end := time.AfterFunc(r.opts.WarmUp+r.opts.Duration, func() { r.phase.Store(over) })
		defer end.Stop()
	}
	var mu sync.Mutex
	total := tally{errors: map[string]uint64{}}
	err := r.clients(ctx, phaseRun, r.opts.Operations, func(ctx context.Context, random *rand.PCG) error {
		mine := &tally{errors: map[string]uint64{}}
		err := r.client(ctx, random, mine)
		mu.Lock()
		defer mu.Unlock()
		for op := range total.latency {
			total.latency[op].Add(&mine.latency[op])
		}
		for k, n := range mine.errors {
			total.errors[k] += n
		}
		return err
	})
	if err != nil {
		return Result{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return newResult(&total, time.Since(r.began)), nil
}

// limit is how long the measured part may take.
func (r *run) limit() time.Duration {
	if r.opts.Operations > 0 {
		return 24 * time.Hour
	}
	return r.opts.Duration
}

// client makes requests until the run is over.
func (r *run) client(ctx context.Context, random *rand.PCG, t *tally) error {
	g, err := ycsb.New(r.workload, r.space, random)
	if err != nil {
		return err
	}
	source := rand.New(random)
	for {
		phase := r.phase.Load()
		if phase == over {
			return nil
		}
		if phase == measuring && r.opts.Operations > 0 && r.left.Add(-1) < 0 {
			return nil
		}
		q := g.Next()
		began := time.Now()
		err := r.request(ctx, q, source)
		took := time.Since(began)
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.done.Add(1)
		if err != nil {
			r.failed.Add(1)
		}
		switch {
		case phase != measuring:
		case err != nil:
			t.errors[q.Op.String()+" "+admin.CodeOf(err)]++
		default:
			t.latency[q.Op].Record(took)
		}
	}
}

func (r *run) request(ctx context.Context, q ycsb.Request, random *rand.Rand) error {
	k := key(q.Record)
	switch q.Op {
	case ycsb.Update:
		return r.target.Put(ctx, k, r.value(random), "")
	case ycsb.Insert:
		defer r.space.Acknowledge(q.Record)
		return r.target.Put(ctx, k, r.value(random), "")
	case ycsb.Scan:
		_, err := r.target.Scan(ctx, k, q.Length)
		return err
	case ycsb.ReadModifyWrite:
		seen, err := r.target.Get(ctx, k)
		if err != nil {
			return err
		}
		return r.target.Put(ctx, k, r.value(random), seen)
	}
	_, err := r.target.Get(ctx, k)
	return err
}

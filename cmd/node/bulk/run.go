package bulk

import (
	"context"
	"fmt"
	"iter"
	"sync"
)

// Outcome is what became of an item.
type Outcome int

// The outcomes.
const (
	Written Outcome = iota
	There           // nothing was to be done: it was there
)

// Counts are exact at the end of a run.
type Counts struct {
	// Read is the sum of the others.
	Read    int `json:"read"`
	Written int `json:"written"`
	There   int `json:"there"`
	Failed  int `json:"failed"`
	// Through is how many items, from the first on, ended well without a gap.
	Through int `json:"through"`
}

// Run takes items one by one and has workers work on them, at least one. The
// first error, of an item or of work, ends it: items under way are finished,
// none is begun, and the error is returned with the counts so far. The end of
// ctx does the same, and work should heed it. tell hears the counts after each
// item, one at a time; it may be nil.
func Run[T any](ctx context.Context, workers int, items iter.Seq2[T, error], work func(context.Context, T) (Outcome, error), tell func(Counts)) (Counts, error) {
	r := &run{tell: tell, ended: map[int]bool{}}
	stopped := context.AfterFunc(ctx, func() { r.fail(context.Cause(ctx)) })
	defer stopped()
	type numbered struct {
		n    int
		item T
	}
	queue := make(chan numbered)
	var all sync.WaitGroup
	for range max(workers, 1) {
		all.Go(func() {
			for x := range queue {
				if !r.begin() {
					continue
				}
				outcome, err := work(ctx, x.item)
				if err != nil {
					err = fmt.Errorf("item %d: %w", x.n+1, err)
				}
				r.end(x.n, outcome, err)
			}
		})
	}
	n := 0
	for item, err := range items {
		if err != nil {
			r.fail(fmt.Errorf("item %d: %w", n+1, err))
		}
		if r.failed() != nil {
			break
		}
		queue <- numbered{n, item}
		n++
	}
	close(queue)
	all.Wait()
	return r.counts, r.failed()
}

// run keeps the counts.
type run struct {
	tell func(Counts)

	mu     sync.Mutex
	counts Counts
	ended  map[int]bool // those that ended well, from counts.Through on
	err    error        // the first
}

// fail ends the run, unless it has ended.
func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

func (r *run) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// begin counts an item, unless the run has ended.
func (r *run) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.counts.Read++
	}
	return r.err == nil
}

func (r *run) end(n int, outcome Outcome, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.counts
	switch {
	case err != nil:
		c.Failed++
		if r.err == nil {
			r.err = err
		}
	case outcome == There:
		c.There++
	default:
		c.Written++
	}
	if err == nil {
		r.ended[n] = true
		for r.ended[c.Through] {
			delete(r.ended, c.Through)
			c.Through++
		}
	}
	if r.tell != nil {
		r.tell(*c)
	}
}

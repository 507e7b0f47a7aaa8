package mapreduce

import (
	"fmt"

	"github.com/dee2748c/baton/pipe"
)

// reducer is the worker of the reduce phase at one partition: all pairs of its
// keys come to it, are merged as they come, and are reduced at the end.
type reducer[K comparable, V, R any] struct {
	job   Job[K, V, R]
	keys  keys[K]
	state state[V]
	key   string // in hand
	pair  []byte // a result on its way out
}

var (
	_ pipe.BatchWorker = (*reducer[int, int, int])(nil)
	_ pipe.Archiver    = (*reducer[int, int, int])(nil)
)

func newReducer[K comparable, V, R any](j Job[K, V, R], k keys[K], s state[V]) *reducer[K, V, R] {
	return &reducer[K, V, R]{job: j, keys: k, state: s}
}

// Process merges one pair.
func (r *reducer[K, V, R]) Process(item []byte, out pipe.Output) error {
	return r.ProcessBatch(pipe.BatchOf(item), out)
}

// ProcessBatch merges a batch of pairs.
func (r *reducer[K, V, R]) ProcessBatch(b pipe.Batch, _ pipe.Output) (err error) {
	defer r.explain(&err)
	cursor := b.Cursor()
	for item, ok := cursor.Next(); ok; item, ok = cursor.Next() {
		var value []byte
		if r.key, value, err = cutPair(item); err != nil {
			return err
		}
		if err = r.state.merge(r.key, value); err != nil {
			return err
		}
	}
	return r.checkMemory()
}

// Done reduces every key and sends the results to the sink.
func (r *reducer[K, V, R]) Done(out pipe.Output) (err error) {
	defer r.explain(&err)
	for i := range r.state.len() {
		r.key = r.state.key(i)
		if err = r.reduce(i, out); err != nil {
			return err
		}
	}
	return nil
}

func (r *reducer[K, V, R]) reduce(i int, out pipe.Output) error {
	k, err := r.keys.decode(r.key)
	if err != nil {
		return err
	}
	values, err := r.state.values(i)
	if err != nil {
		return err
	}
	result, err := r.job.Reduce(k, values)
	if err != nil {
		return err
	}
	r.pair = appendFramed(r.pair[:0], r.key)
	if r.pair, err = r.job.ResultCodec.Append(r.pair, result); err != nil {
		return err
	}
	out.Emit(r.pair)
	return nil
}

// explain is deferred: it makes a panic or an error name the key in hand.
func (r *reducer[K, V, R]) explain(err *error) {
	if v := recover(); v != nil {
		*err = panicked(v)
	}
	if *err == nil {
		return
	}
	name := fmt.Sprintf("%q", r.key)
	if k, derr := r.keys.decode(r.key); derr == nil && !r.keys.text {
		name = fmt.Sprint(k)
	}
	*err = &TaskError{Job: r.job.Name, Phase: PhaseReduce, Key: name, Err: *err}
}

func (r *reducer[K, V, R]) checkMemory() error {
	if n := r.state.bytes(); n > r.job.ReduceMemory {
		return fmt.Errorf("%d bytes of %d allowed: %w", n, r.job.ReduceMemory, ErrMemory)
	}
	return nil
}

// Archive returns the pairs that are held.
func (r *reducer[K, V, R]) Archive() ([]byte, error) { return archive(r.state) }

// Restore merges the pairs that another node held.
func (r *reducer[K, V, R]) Restore(b []byte) (err error) {
	defer r.explain(&err)
	if err = restore(r.state, b); err != nil {
		return err
	}
	return r.checkMemory()
}

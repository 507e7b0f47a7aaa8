package mapreduce

import (
	"strings"

	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
)

// mapper is the worker of the map phase at one partition: it decodes objects,
// runs Map, and keeps the pairs combined by key until the input ends or the
// memory limit is reached.
type mapper[K comparable, V, R any] struct {
	job     Job[K, V, R]
	keys    keys[K]
	state   state[V]
	out     pipe.Output // of the call under way
	object  kv.Object   // in hand
	failed  error       // of an emit; ends the call
	scratch []byte      // a key
	pair    []byte      // a pair on its way out
}

var (
	_ pipe.BatchWorker = (*mapper[int, int, int])(nil)
	_ pipe.Archiver    = (*mapper[int, int, int])(nil)
)

func newMapper[K comparable, V, R any](j Job[K, V, R], k keys[K], s state[V]) *mapper[K, V, R] {
	return &mapper[K, V, R]{job: j, keys: k, state: s}
}

// Process maps one object.
func (m *mapper[K, V, R]) Process(item []byte, out pipe.Output) error {
	return m.ProcessBatch(pipe.BatchOf(item), out)
}

// ProcessBatch maps a batch of objects.
func (m *mapper[K, V, R]) ProcessBatch(b pipe.Batch, out pipe.Output) (err error) {
	m.out = out
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
		if err != nil {
			err = &TaskError{Job: m.job.Name, Phase: PhaseMap, Bucket: strings.Clone(m.object.Bucket), Key: strings.Clone(m.object.Key), Err: err}
		}
		m.out, m.object = nil, kv.Object{}
	}()
	emit := m.emit
	cursor := b.Cursor()
	for item, ok := cursor.Next(); ok; item, ok = cursor.Next() {
		if m.object, err = kv.DecodeItem(item); err != nil {
			return err
		}
		if err = m.job.Map(m.object, emit); err != nil {
			return err
		}
		if m.failed != nil {
			return m.failed
		}
	}
	return nil
}

// emit is what the map function calls.
func (m *mapper[K, V, R]) emit(k K, v V) {
	key, err := m.keys.encode(&m.scratch, k)
	if err == nil {
		err = m.state.add(key, v)
	}
	if err == nil && m.state.bytes() > m.job.MapMemory {
		err = m.flush(m.out)
	}
	if err != nil && m.failed == nil {
		m.failed = err
	}
}

// flush sends on everything that is held.
func (m *mapper[K, V, R]) flush(out pipe.Output) (err error) {
	for i := range m.state.len() {
		m.pair = appendFramed(m.pair[:0], m.state.key(i))
		if m.pair, err = m.state.appendValue(m.pair, i); err != nil {
			return err
		}
		out.Emit(m.pair)
	}
	m.state.reset()
	return nil
}

// Done sends the pairs of this partition to the reduce phase.
func (m *mapper[K, V, R]) Done(out pipe.Output) error { return m.flush(out) }

// Archive returns the pairs that are held.
func (m *mapper[K, V, R]) Archive() ([]byte, error) { return archive(m.state) }

// Restore merges the pairs that another node held.
func (m *mapper[K, V, R]) Restore(b []byte) error { return restore(m.state, b) }

package mapreduce

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/pipe"
	"github.com/dee2748c/baton/pipe/mapreduce/query"
)

// queryFactory makes the workers of one kind of fitting.
type queryFactory struct {
	queries *Queries
	make    func(*phaseWorker) (pipe.Worker, error)
}

// Init returns a worker for the phase that the argument describes.
func (f queryFactory) Init(c pipe.WorkerContext) (pipe.Worker, error) {
	s, err := decodeStep(c.Arg)
	if err != nil {
		return nil, err
	}
	return f.make(&phaseWorker{queries: f.queries, step: s, ctx: c.Context, at: c.Partition})
}

// phaseWorker is what the workers of all phases have in common.
type phaseWorker struct {
	queries *Queries
	step    step
	ctx     context.Context
	at      ring.Partition
	item    []byte // on its way out
}

// result passes on an item that is a result already.
func (w *phaseWorker) result(item []byte, out pipe.Output) bool {
	if len(item) == 0 || item[0] != itemResult {
		return false
	}
	w.send(item, w.at, out)
	return true
}

// send emits an item to wherever the next fitting is.
func (w *phaseWorker) send(item []byte, to ring.Partition, out pipe.Output) {
	if w.step.toObjects {
		out.EmitTo(to, item)
	} else {
		out.Emit(item)
	}
}

// emit sends the outputs of a call: as results if the phase is kept, and as
// inputs of the next phase if there is one.
func (w *phaseWorker) emit(values []any, out pipe.Output) (err error) {
	size := 0
	for _, v := range values {
		if w.step.phase.Keep {
			w.item = binary.AppendUvarint(append(w.item[:0], itemResult), uint64(w.step.number))
			if w.item, err = query.AppendValue(w.item, v); err != nil {
				return err
			}
			w.send(w.item, w.at, out)
			size += len(w.item)
		}
		if !w.step.last {
			n, err := w.forward(v, out)
			if err != nil {
				return err
			}
			size += n
		}
		if size > w.queries.opt.CallOutput {
			return fmt.Errorf("output of one call of more than %d bytes: %w", w.queries.opt.CallOutput, ErrMemory)
		}
	}
	return nil
}

// forward makes a value an input of the next phase.
func (w *phaseWorker) forward(v any, out pipe.Output) (size int, err error) {
	var to ring.Partition
	if w.step.toObjects {
		k, ok := keyOfOutput(v)
		if !ok {
			return 0, fmt.Errorf("an output names no object for the next phase: %w", ErrNoKey)
		}
		v, to = k.Value(), w.queries.opt.Objects.Partition(k)
	}
	if w.item, err = query.AppendValue(append(w.item[:0], itemValue), v); err != nil {
		return 0, err
	}
	w.send(w.item, to, out)
	return len(w.item), nil
}

// ErrNoKey: a map phase made something that the map or link phase behind it can't
// read.
var ErrNoKey = errors.New("not a bucket and a key")

// keyOfOutput takes what names an object, also one that was not found.
func keyOfOutput(v any) (query.Key, bool) {
	if n, ok := v.(query.NotFound); ok {
		return query.Key{Type: n.Type, Bucket: n.Bucket, Key: n.Key, Data: n.Data}, true
	}
	return query.KeyOf(v)
}

// input returns the value of an item that is no result.
func (w *phaseWorker) input(item []byte) (any, error) {
	if len(item) == 0 || item[0] != itemValue {
		return nil, fmt.Errorf("input of %d bytes: %w", len(item), ErrDamaged)
	}
	return query.DecodeValue(item[1:])
}

// keysWorker takes inputs that no phase reads.
type keysWorker struct {
	*phaseWorker
	filter query.KeyFilter
}

func newKeysWorker(w *phaseWorker) (pipe.Worker, error) {
	filter, err := w.filter()
	return &keysWorker{w, filter}, err
}

func (w *phaseWorker) filter() (query.KeyFilter, error) {
	if w.step.filters == nil {
		return nil, nil
	}
	return query.ParseKeyFilter(w.step.filters)
}

// Process passes the key of an object on, or an input as it is.
func (w *keysWorker) Process(item []byte, out pipe.Output) error {
	if !w.step.objects {
		v, err := w.input(item)
		if err != nil {
			return err
		}
		return w.emit([]any{v}, out)
	}
	o, err := kv.DecodeItem(item)
	if err != nil || !w.filter.Pass(o.Key) {
		return err
	}
	return w.emit([]any{query.Key{Type: o.Type, Bucket: o.Bucket, Key: o.Key}.Value()}, out)
}

// Done has nothing to add.
func (w *keysWorker) Done(pipe.Output) error { return nil }

// mapWorker runs a map or link phase at one partition.
type mapWorker struct {
	*phaseWorker
	filter   query.KeyFilter
	function func(ctx context.Context, o Object, arg any) ([]any, error)
}

func newMapWorker(w *phaseWorker) (pipe.Worker, error) {
	m := &mapWorker{phaseWorker: w}
	var err error
	if m.filter, err = w.filter(); err != nil {
		return nil, err
	}
	if w.step.phase.Kind == query.Link {
		m.function = m.links
		return m, nil
	}
	f, err := w.queries.function(&w.step.phase)
	m.function = f.Map
	return m, err
}

// Process calls the function with one object.
func (w *mapWorker) Process(item []byte, out pipe.Output) (err error) {
	if !w.step.objects && w.result(item, out) {
		return nil
	}
	o, pass, err := w.object(item)
	if err != nil || !pass {
		return err
	}
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
		if err != nil {
			err = w.explain(err, query.Key{Type: o.Type, Bucket: o.Bucket, Key: o.Key, Data: o.Data}.Value())
		}
	}()
	values, err := w.function(w.ctx, o, w.step.phase.Arg)
	if err != nil {
		return err
	}
	return w.emit(values, out)
}

// object returns what an item of a fold is, or reads what it names.
func (w *mapWorker) object(item []byte) (o Object, pass bool, err error) {
	if w.step.objects {
		o.Object, err = kv.DecodeItem(item)
		o.Found = true
		return o, err == nil && w.filter.Pass(o.Key), err
	}
	v, err := w.input(item)
	if err != nil {
		return o, false, err
	}
	k, ok := query.KeyOf(v)
	if !ok {
		return o, false, w.explain(ErrNoKey, v)
	}
	o.Object, err = w.queries.opt.Objects.Read(w.ctx, k)
	o.Data = k.Data
	switch {
	case err == nil:
		o.Found = true
	case errors.Is(err, kv.ErrNotFound):
		o.Object = kv.Object{Type: k.Type, Bucket: k.Bucket, Key: k.Key}
	default:
		return o, false, w.explain(err, v)
	}
	return o, true, nil
}

// links follows the links of an object.
func (w *mapWorker) links(_ context.Context, o Object, _ any) ([]any, error) {
	var out []any
	for _, l := range o.Links {
		if p := &w.step.phase; (p.Bucket == "" || p.Bucket == l.Bucket) && (p.Tag == "" || p.Tag == l.Tag) {
			out = append(out, query.Key{Type: o.Type, Bucket: l.Bucket, Key: l.Key, Data: l.Tag}.Value())
		}
	}
	return out, nil
}

// Done has nothing to add.
func (w *mapWorker) Done(pipe.Output) error { return nil }

// reduceWorker runs a reduce phase at one partition.
type reduceWorker struct {
	*phaseWorker
	function func(ctx context.Context, values []any, arg any) ([]any, error)
	last     []any // what the function returned last
	pending  []any // inputs that it has not seen
	bytes    int   // of both, about
	ran      bool
}

var _ pipe.Archiver = (*reduceWorker)(nil)

func newReduceWorker(w *phaseWorker) (pipe.Worker, error) {
	f, err := w.queries.function(&w.step.phase)
	return &reduceWorker{phaseWorker: w, function: f.Reduce}, err
}

// Process takes one value.
func (w *reduceWorker) Process(item []byte, out pipe.Output) error {
	if w.result(item, out) {
		return nil
	}
	v, err := w.input(item)
	if err != nil {
		return err
	}
	w.pending = append(w.pending, v)
	w.bytes += len(item) + valueBytes
	if !w.step.phase.OnlyOnce && len(w.pending) >= w.batch() {
		if err := w.run(); err != nil {
			return err
		}
	}
	if w.bytes > w.queries.opt.ReduceMemory {
		return w.explain(fmt.Errorf("%d values of some %d bytes, at most %d: %w", len(w.last)+len(w.pending), w.bytes, w.queries.opt.ReduceMemory, ErrMemory), nil)
	}
	return nil
}

// valueBytes is what a value takes in memory beside its bytes, about.
const valueBytes = 32

// batch is how many inputs the function is called for. Without a size of the
// job's own it grows with what the function returns, so that the work stays in
// proportion to the inputs.
func (w *reduceWorker) batch() int {
	if n := w.step.phase.BatchSize; n > 0 {
		return n
	}
	return max(query.DefaultBatchSize, len(w.last))
}

func (w *reduceWorker) run() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
		if err != nil {
			err = w.explain(err, nil)
		}
	}()
	in := append(w.last, w.pending...)
	w.last, w.pending, w.bytes, w.ran = nil, nil, 0, true
	if w.last, err = w.function(w.ctx, in, w.step.phase.Arg); err != nil {
		return err
	}
	for _, v := range w.last {
		w.bytes += sizeOf(v)
	}
	return nil
}

// sizeOf estimates the memory that a value takes.
func sizeOf(v any) int {
	n := valueBytes
	switch v := v.(type) {
	case string:
		n += len(v)
	case []any:
		for _, x := range v {
			n += sizeOf(x)
		}
	case map[string]any:
		for k, x := range v {
			n += 2*valueBytes + len(k) + sizeOf(x)
		}
	case query.NotFound:
		n += len(v.Type) + len(v.Bucket) + len(v.Key) + sizeOf(v.Data)
	}
	return n
}

// Done calls the function for what is left, at least once, and sends what it
// returned.
func (w *reduceWorker) Done(out pipe.Output) error {
	if len(w.pending) > 0 || !w.ran {
		if err := w.run(); err != nil {
			return err
		}
	}
	return w.explain(w.emit(w.last, out), nil)
}

// Archive returns what is held, as inputs.
func (w *reduceWorker) Archive() ([]byte, error) {
	return query.AppendValue([]byte{archiveVersion}, append(w.last, w.pending...))
}

// Restore takes what another worker held.
func (w *reduceWorker) Restore(b []byte) error {
	if len(b) == 0 || b[0] != archiveVersion {
		return fmt.Errorf("archive of %d bytes: %w", len(b), ErrDamaged)
	}
	v, err := query.DecodeValue(b[1:])
	if err != nil {
		return err
	}
	held, ok := v.([]any)
	if !ok {
		return fmt.Errorf("archive of %d bytes: %w", len(b), ErrDamaged)
	}
	w.pending = append(w.pending, held...)
	w.bytes += sizeOf(v)
	return nil
}

package mapreduce

import (
	"fmt"
	"iter"

	"github.com/dee2748c/baton/pipe"
)

// A Decoder turns the items that a job delivers back into keys and results. It
// is safe for concurrent use when the job's codecs are.
type Decoder[K comparable, R any] struct {
	job   string
	keys  keys[K]
	codec Codec[R]
}

// Decoder returns the decoder of the job's results. It fails with ErrInvalid
// when the job can't run.
func (j Job[K, V, R]) Decoder() (Decoder[K, R], error) {
	builtinKey := j.KeyCodec.Append == nil
	resolved, err := j.resolve()
	if err != nil {
		return Decoder[K, R]{}, err
	}
	k := keysOf(resolved.KeyCodec, builtinKey)
	k.text = false // a key that is handed out does not keep its batch alive
	return Decoder[K, R]{job: j.Name, keys: k, codec: resolved.ResultCodec}, nil
}

// Decode returns the key and the result of one item; neither aliases it.
func (d Decoder[K, R]) Decode(item []byte) (K, R, error) {
	var r R
	key, value, err := cutPair(item)
	if err != nil {
		var k K
		return k, r, fmt.Errorf("job %s: result: %w", d.job, err)
	}
	k, err := d.keys.decode(key)
	if err == nil {
		r, err = d.codec.Decode(value)
	}
	if err != nil {
		return k, r, fmt.Errorf("job %s: result of %q: %w", d.job, key, err)
	}
	return k, r, nil
}

// Results are the results of one run of a job, as they stream in. Use All, then
// Err, as with a scanner:
//
//	for word, n := range results.All() { ... }
//	if err := results.Err(); err != nil { ... }
type Results[K comparable, R any] struct {
	decoder Decoder[K, R]
	next    func() (pipe.Batch, bool, error)
	cursor  pipe.Cursor // in the batch in hand
	count   uint64
	err     error
}

// NewResults returns the results that arrive in batches through next, which
// blocks until there is one, returns false at the regular end, and an error if
// the job failed. The results are not safe for concurrent use.
func NewResults[K comparable, R any](d Decoder[K, R], next func() (b pipe.Batch, ok bool, err error)) *Results[K, R] {
	return &Results[K, R]{decoder: d, next: next}
}

// All yields every result once, in no particular order, and ends early at an
// error, which Err returns. Left early and called again, it goes on behind the
// last result that it yielded.
func (r *Results[K, R]) All() iter.Seq2[K, R] {
	return func(yield func(K, R) bool) {
		for r.err == nil {
			item, ok := r.item()
			if !ok {
				return
			}
			k, v, err := r.decoder.Decode(item)
			if err != nil {
				r.err = err
				return
			}
			r.count++
			if !yield(k, v) {
				return
			}
		}
	}
}

// item returns the next item, of the batch in hand or of a later one.
func (r *Results[K, R]) item() ([]byte, bool) {
	for {
		if item, ok := r.cursor.Next(); ok {
			return item, true
		}
		b, ok, err := r.next()
		if err != nil || !ok {
			r.err = err
			return nil, false
		}
		r.cursor = b.Cursor()
	}
}

// Count returns how many results All has yielded.
func (r *Results[K, R]) Count() uint64 { return r.count }

// Err returns the error that ended All, nil at the regular end.
func (r *Results[K, R]) Err() error { return r.err }

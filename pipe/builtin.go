package pipe

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Names of the workers that every registry knows.
const (
	Pass    = "pass"    // emits each input unchanged
	Discard = "discard" // emits nothing
	Count   = "count"   // emits the number of its inputs at the end, in decimal
)

func builtins() map[string]Factory {
	return map[string]Factory{
		Pass: Transform(func(item []byte, out Output) error {
			out.Emit(item)
			return nil
		}),
		Discard: Transform(func([]byte, Output) error { return nil }),
		Count:   FactoryFunc(func(WorkerContext) (Worker, error) { return new(counter), nil }),
	}
}

// counter is the worker of Count.
type counter struct{ n uint64 }

func (c *counter) Process([]byte, Output) error {
	c.n++
	return nil
}

func (c *counter) ProcessBatch(b Batch, _ Output) error {
	c.n += uint64(b.Len())
	return nil
}

func (c *counter) Done(out Output) error {
	out.Emit(strconv.AppendUint(nil, c.n, 10))
	return nil
}

func (c *counter) Archive() ([]byte, error) { return binary.AppendUvarint(nil, c.n), nil }

func (c *counter) Restore(archive []byte) error {
	r := reader{b: archive}
	c.n += r.uvarint()
	return r.end()
}

// AppendPair appends a key and a value as one item.
func AppendPair(b, key, value []byte) []byte {
	return append(appendBytes(b, key), value...)
}

// SplitPair is the inverse of AppendPair; both alias the item. The error is
// ErrDamaged.
func SplitPair(item []byte) (key, value []byte, err error) {
	r := reader{b: item}
	key = r.bytes()
	if r.err != nil {
		return nil, nil, fmt.Errorf("split pair of %d bytes: %w", len(item), r.err)
	}
	return key, r.b, nil
}

// Reduce makes a factory that folds the values of each key: inputs are pairs of
// AppendPair, and so are the outputs, one for each key at the end. add returns
// the new value of a key from the one so far, nil at first, and another: of an
// input, or so far elsewhere, when a worker has moved. Route the fitting by a
// hash of the key (HashPair).
func Reduce(add func(key, so, value []byte) ([]byte, error)) Factory {
	return FactoryFunc(func(WorkerContext) (Worker, error) {
		return &reducer{add: add, values: make(map[string][]byte)}, nil
	})
}

type reducer struct {
	add    func(key, so, value []byte) ([]byte, error)
	values map[string][]byte
}

func (r *reducer) Process(item []byte, _ Output) error {
	key, value, err := SplitPair(item)
	if err != nil {
		return err
	}
	next, err := r.add(key, r.values[string(key)], value)
	if err != nil {
		return fmt.Errorf("reduce key %q: %w", key, err)
	}
	r.values[string(key)] = next
	return nil
}

func (r *reducer) Done(out Output) error {
	var pair []byte
	for _, k := range slices.Sorted(maps.Keys(r.values)) {
		pair = AppendPair(pair[:0], []byte(k), r.values[k])
		out.Emit(pair)
	}
	return nil
}

func (r *reducer) Archive() ([]byte, error) {
	var b []byte
	for _, k := range slices.Sorted(maps.Keys(r.values)) {
		b = appendBytes(b, AppendPair(nil, []byte(k), r.values[k]))
	}
	return b, nil
}

func (r *reducer) Restore(archive []byte) error {
	rd := reader{b: archive}
	for len(rd.b) > 0 {
		if pair := rd.bytes(); rd.err == nil {
			if err := r.Process(pair, nil); err != nil {
				return err
			}
		}
	}
	return rd.end()
}

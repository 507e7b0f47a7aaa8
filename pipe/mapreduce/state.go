package mapreduce

import (
	"fmt"
	"reflect"
	"unsafe"
)

// state is what a worker has accumulated: by encoded key, either one combined
// value (combiner) or the list of all values (collector). Entries are numbered
// in the order in which their keys came.
type state[V any] interface {
	// add takes a value from a map function.
	add(key string, v V) error
	// merge takes the value part of a pair.
	merge(key string, value []byte) error
	// bytes estimates the memory in use.
	bytes() int
	len() int
	key(i int) string
	// appendValue appends the value part of entry i.
	appendValue(dst []byte, i int) ([]byte, error)
	// values returns the values of entry i.
	values(i int) ([]V, error)
	reset()
}

// looseGrowth is what one combined value is taken to add to a value of a type
// whose size can't be seen.
const looseGrowth = 32

// combiner keeps one value for each key.
type combiner[V any] struct {
	table   *table[V]
	combine func(a, b V) V
	codec   Codec[V]
	text    bool // V is a string or a byte slice
	loose   bool // V owns memory of unknown size
}

func newCombiner[V any](combine func(a, b V) V, codec Codec[V]) *combiner[V] {
	text := holdsText[V]()
	return &combiner[V]{
		table:   newTable[V](),
		combine: combine,
		codec:   codec,
		text:    text,
		loose:   !text && hasPointers(reflect.TypeFor[V]()),
	}
}

func (c *combiner[V]) add(key string, v V) error {
	e, isNew := c.table.find(key)
	switch {
	case c.text:
		c.addText(e, v, isNew)
	case isNew:
		e.value = v
	default:
		e.value = c.combine(e.value, v)
	}
	if c.loose {
		c.table.bytes += looseGrowth
	}
	return nil
}

// addText keeps a copy of a value that may be a piece of an object, so that the
// object's buffer is let go. A string's header begins as a slice's does.
func (c *combiner[V]) addText(e *entry[V], v V, isNew bool) {
	old := len(textOf(&e.value))
	if !isNew {
		given := unsafe.StringData(textOf(&v))
		if v = c.combine(e.value, v); unsafe.StringData(textOf(&v)) != given {
			e.value = v
			c.table.bytes += len(textOf(&v)) - old
			return
		}
	}
	own, _ := c.codec.Decode([]byte(textOf(&v)))
	e.value = own
	c.table.bytes += len(textOf(&v)) - old
}

func textOf[V any](v *V) string { return *(*string)(unsafe.Pointer(v)) }

func (c *combiner[V]) merge(key string, value []byte) error {
	v, err := c.codec.Decode(value)
	if err != nil {
		return err
	}
	return c.add(key, v)
}

func (c *combiner[V]) bytes() int       { return c.table.bytes }
func (c *combiner[V]) len() int         { return c.table.count }
func (c *combiner[V]) key(i int) string { return c.table.at(i).key }
func (c *combiner[V]) reset()           { c.table.reset() }

func (c *combiner[V]) appendValue(dst []byte, i int) ([]byte, error) {
	return c.codec.Append(dst, c.table.at(i).value)
}

func (c *combiner[V]) values(i int) ([]V, error) {
	return unsafe.Slice(&c.table.at(i).value, 1), nil
}

// collector keeps all values of each key, encoded, each behind its length.
type collector[V any] struct {
	table   *table[[]byte]
	codec   Codec[V]
	scratch []byte
}

func newCollector[V any](codec Codec[V]) *collector[V] {
	return &collector[V]{table: newTable[[]byte](), codec: codec}
}

func (c *collector[V]) add(key string, v V) (err error) {
	if c.scratch, err = c.codec.Append(c.scratch[:0], v); err != nil {
		return err
	}
	e, _ := c.table.find(key)
	before := cap(e.value)
	e.value = appendFramed(e.value, view(c.scratch))
	c.table.bytes += cap(e.value) - before
	return nil
}

func (c *collector[V]) merge(key string, list []byte) error {
	e, _ := c.table.find(key)
	before := cap(e.value)
	e.value = append(e.value, list...)
	c.table.bytes += cap(e.value) - before
	return nil
}

func (c *collector[V]) bytes() int       { return c.table.bytes }
func (c *collector[V]) len() int         { return c.table.count }
func (c *collector[V]) key(i int) string { return c.table.at(i).key }
func (c *collector[V]) reset()           { c.table.reset() }

func (c *collector[V]) appendValue(dst []byte, i int) ([]byte, error) {
	return append(dst, c.table.at(i).value...), nil
}

func (c *collector[V]) values(i int) ([]V, error) {
	var values []V
	for list := c.table.at(i).value; len(list) > 0; {
		b, rest, ok := cut(list)
		if !ok {
			return nil, fmt.Errorf("list of %d bytes: %w", len(list), ErrDamaged)
		}
		v, err := c.codec.Decode(b)
		if err != nil {
			return nil, err
		}
		values, list = append(values, v), rest
	}
	return values, nil
}

// archiveVersion is the first byte of an archive.
const archiveVersion = 1

// archive returns everything in s as an archive.
func archive[V any](s state[V]) ([]byte, error) {
	out := []byte{archiveVersion}
	var value []byte
	for i := range s.len() {
		var err error
		if value, err = s.appendValue(value[:0], i); err != nil {
			return nil, err
		}
		out = appendFramed(out, s.key(i))
		out = appendFramed(out, view(value))
	}
	return out, nil
}

// restore merges an archive into s.
func restore[V any](s state[V], b []byte) error {
	if len(b) == 0 || b[0] != archiveVersion {
		return fmt.Errorf("archive of %d bytes: %w", len(b), ErrDamaged)
	}
	for b = b[1:]; len(b) > 0; {
		key, rest, ok := cut(b)
		var value []byte
		if ok {
			value, rest, ok = cut(rest)
		}
		if !ok {
			return fmt.Errorf("archive, %d bytes before its end: %w", len(b), ErrDamaged)
		}
		if err := s.merge(view(key), value); err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// keys turns keys into the bytes that stand for them, and back.
type keys[K comparable] struct {
	codec Codec[K]
	text  bool // K is a string in its built-in encoding: nothing to do
}

func keysOf[K comparable](codec Codec[K], builtin bool) keys[K] {
	return keys[K]{codec: codec, text: builtin && reflect.TypeFor[K]().Kind() == reflect.String}
}

// encode returns the bytes of k; they are good until scratch is used again.
func (c keys[K]) encode(scratch *[]byte, k K) (string, error) {
	if c.text {
		return textOf(&k), nil
	}
	b, err := c.codec.Append((*scratch)[:0], k)
	if err != nil {
		return "", err
	}
	*scratch = b
	return view(b), nil
}

// decode returns the key of immutable bytes.
func (c keys[K]) decode(key string) (k K, err error) {
	if c.text {
		return *(*K)(unsafe.Pointer(&key)), nil
	}
	return c.codec.Decode(unsafe.Slice(unsafe.StringData(key), len(key)))
}

package topology

import (
	"iter"
	"slices"
)

// An ordered element says where it stands among others: it is less than 0 before o.
type ordered[T any] interface{ order(o T) int }

// sorted is a persistent list in ascending order, without equal elements. A change copies one chunk of
// at most chunkSize elements and the table of chunks, and shares the rest.
type sorted[T ordered[T]] struct {
	chunks [][]T // none is empty
	size   int
}

// sortedOf returns the list of elements that are in order. It keeps no reference to them.
func sortedOf[T ordered[T]](list []T) sorted[T] {
	s := sorted[T]{size: len(list)}
	for c := range slices.Chunk(slices.Clone(list), chunkSize) {
		s.chunks = append(s.chunks, c)
	}
	return s
}

// find returns the place of the element that is equal in order to x, or where it belongs.
func (s sorted[T]) find(x T) (chunk, at int, ok bool) {
	chunk, ok = slices.BinarySearchFunc(s.chunks, x, func(c []T, x T) int { return c[0].order(x) })
	if ok || chunk == 0 {
		return chunk, 0, ok
	}
	chunk--
	at, ok = slices.BinarySearchFunc(s.chunks[chunk], x, func(e, x T) int { return e.order(x) })
	return chunk, at, ok
}

// get returns the element that is equal in order to x.
func (s sorted[T]) get(x T) (e T, ok bool) {
	i, j, ok := s.find(x)
	if ok {
		e = s.chunks[i][j]
	}
	return e, ok
}

// from returns the elements from x on.
func (s sorted[T]) from(x T) iter.Seq[T] {
	return func(yield func(T) bool) {
		i, j, _ := s.find(x)
		for ; i < len(s.chunks); i, j = i+1, 0 {
			for _, e := range s.chunks[i][j:] {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// put returns the list with x, in place of the element that is equal in order.
func (s sorted[T]) put(x T) sorted[T] {
	if s.size == 0 {
		return sortedOf([]T{x})
	}
	i, j, found := s.find(x)
	rest := j
	if found {
		rest++
	} else {
		s.size++
	}
	c := slices.Concat(s.chunks[i][:j], []T{x}, s.chunks[i][rest:])
	if len(c) > chunkSize {
		half := len(c) / 2
		return s.replace(i, i+1, c[:half:half], c[half:])
	}
	return s.replace(i, i+1, c)
}

// drop returns the list without the element that is equal in order to x. A chunk that got small is joined
// with the next one.
func (s sorted[T]) drop(x T) sorted[T] {
	i, j, found := s.find(x)
	if !found {
		return s
	}
	s.size--
	c := slices.Concat(s.chunks[i][:j], s.chunks[i][j+1:])
	switch {
	case len(c) == 0:
		return s.replace(i, i+1)
	case i+1 < len(s.chunks) && len(c)+len(s.chunks[i+1]) <= chunkSize/2:
		return s.replace(i, i+2, slices.Concat(c, s.chunks[i+1]))
	}
	return s.replace(i, i+1, c)
}

// replace returns the list with other chunks in place of those from first to before last.
func (s sorted[T]) replace(first, last int, with ...[]T) sorted[T] {
	s.chunks = slices.Concat(s.chunks[:first], with, s.chunks[last:])
	return s
}

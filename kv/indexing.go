package kv

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/vnode"
)

// The entries of an object's indexes stand beside it in the partition's store,
// as keys without a value, and are written in the same batch:
//
//	20  head  esc(type) 00 01  esc(bucket) 00 01  esc(index) 00 01  term  key
//	term: 8 bytes big endian, the sign flipped      of an index name_int
//	      esc(bytes) 00 01                          of an index name_bin
//
// So the entries of one index compare as (term, key) do. What follows the
// index's name is the position of an entry, the same at every copy.

// Endings of index names, which say what the entries are.
const (
	intSuffix = "_int"
	binSuffix = "_bin"
)

// FullName returns the name under which the index is asked for: with the ending
// _int or _bin that says what its entries are, whether Name has it or not.
func (e *Index) FullName() string {
	suffix := binSuffix
	if e.Kind == IntIndex {
		suffix = intSuffix
	}
	if strings.HasSuffix(e.Name, suffix) {
		return e.Name
	}
	return e.Name + suffix
}

// appendTerm appends the term of e.
func appendTerm(dst []byte, e *Index) []byte {
	if e.Kind == IntIndex {
		return binary.BigEndian.AppendUint64(dst, uint64(e.Int)^1<<63)
	}
	return appendEscaped(dst, e.Bin)
}

// cutTerm splits the position of an entry into its term and its key.
func cutTerm(kind IndexKind, position []byte) (e Index, key string, ok bool) {
	e.Kind = kind
	if kind == IntIndex {
		if len(position) < 8 {
			return e, "", false
		}
		e.Int = int64(binary.BigEndian.Uint64(position) ^ 1<<63)
		return e, view(position[8:]), true
	}
	var rest []byte
	e.Bin, rest, ok = cutEscaped(position)
	return e, view(rest), ok
}

// text returns the term as a query names it.
func (e *Index) text() string {
	if e.Kind == IntIndex {
		return strconv.FormatInt(e.Int, 10)
	}
	return e.Bin
}

// appendIndex appends what all entries of an index begin with.
func appendIndex(dst []byte, head ring.Partition, bucketType, bucket, index string) []byte {
	dst = appendHead(dst, spaceIndex, head)
	dst = appendEscaped(appendEscaped(dst, normalType(bucketType)), bucket)
	return appendEscaped(dst, index)
}

// eachIndex yields the index entries of an encoded content. It allocates
// nothing, and ends early at what does not decode.
func eachIndex(content []byte) func(yield func(Index) bool) {
	return func(yield func(Index) bool) {
		for len(content) > 0 && content[0] <= tagIndex {
			tag := content[0]
			field, rest, ok := cutBytes(content[1:])
			if !ok {
				return
			}
			content = rest
			if tag != tagIndex {
				continue
			}
			if e, ok := cutIndex(field); !ok || !yield(e) {
				return
			}
		}
	}
}

// indexKeys returns the store keys of all index entries of a state, in order and
// each once, nil if there are none.
func indexKeys(storeKey []byte, s *State) (keys [][]byte) {
	if s == nil {
		return nil
	}
	name := -1
	for i := range s.Siblings {
		for e := range eachIndex(s.Siblings[i].Content) {
			if name < 0 {
				_, _, _, key, err := DecodeKey(storeKey)
				if err != nil {
					return nil
				}
				name = len(storeKey) - len(key)
			}
			index := e.FullName()
			k := make([]byte, 0, len(storeKey)+len(index)+len(e.Bin)+12)
			k = appendInSpace(k, spaceIndex, storeKey[:name])
			k = appendTerm(appendEscaped(k, index), &e)
			keys = append(keys, append(k, storeKey[name:]...))
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	return slices.CompactFunc(keys, bytes.Equal)
}

// changedIndexes replaces the index entries of the old state by those of the new
// one; both may be nil. A fallback keeps none: its states go to the primary,
// which makes its own.
func (p *partition) changedIndexes(cx *vnode.Context, storeKey []byte, old, now *State) {
	if p.fallback {
		return
	}
	gone, come := indexKeys(storeKey, old), indexKeys(storeKey, now)
	for len(gone) > 0 || len(come) > 0 {
		c := -1
		switch {
		case len(gone) == 0:
			c = 1
		case len(come) > 0:
			c = bytes.Compare(gone[0], come[0])
		}
		switch {
		case c < 0:
			cx.Delete(gone[0])
			gone = gone[1:]
		case c > 0:
			cx.Put(come[0], nil)
			come = come[1:]
		default:
			gone, come = gone[1:], come[1:]
		}
	}
}

// reindex writes the index entries of a range of the store again, from the
// objects that they belong to. It walks over all objects of the vnode in one
// step: ranges are lost seldom, and an index that is behind its objects
// would never be noticed.
func (p *partition) reindex(cx *vnode.Context, from, to []byte) {
	first, last := from, to
	if bytes.Compare(first, []byte{spaceIndex}) < 0 {
		first = []byte{spaceIndex}
	}
	if end := []byte{spaceIndex + 1}; last == nil || bytes.Compare(last, end) > 0 {
		last = end
	}
	if p.fallback || bytes.Compare(first, last) >= 0 {
		return
	}
	var s State
	for storeKey, stored := range cx.Scan([]byte{spaceObject}, []byte{spaceObject + 1}) {
		if s.Decode(stored) != nil {
			continue // it is repaired from another copy, with its entries
		}
		for _, key := range indexKeys(storeKey, &s) {
			if bytes.Compare(key, first) >= 0 && bytes.Compare(key, last) < 0 {
				cx.Put(key, nil)
			}
		}
	}
}

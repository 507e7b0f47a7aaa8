package hashtree

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A Range is the keys from From to To; an empty To is the end of all keys.
// KeysA and KeysB are how many keys of it the copies have.
type Range struct {
	From, To     string
	KeysA, KeysB uint64
}

// Diff compares the nodes of two copies for the keys from from to to and appends
// the ranges in which they differ, in order. Nodes count where both their ends
// are known: the last one of each list ends at to.
func Diff(dst []Range, a, b []Node, from, to string) []Range {
	for i, j := 0, 0; i < len(a) || j < len(b); {
		r := Range{From: from}
		// Take parts of both until they end at the same boundary.
		var sumA, sumB uint64
		takeA, takeB := i < len(a), j < len(b)
		for takeA || takeB {
			if takeA {
				r.KeysA, sumA = r.KeysA+a[i].Keys, sumA+a[i].Sum
				i++
			}
			if takeB {
				r.KeysB, sumB = r.KeysB+b[j].Keys, sumB+b[j].Sum
				j++
			}
			takeA = i < len(a) && (j == len(b) || a[i].Start < b[j].Start)
			takeB = j < len(b) && (i == len(a) || b[j].Start < a[i].Start)
		}
		r.To = to
		if i < len(a) {
			r.To = a[i].Start
		}
		if r.KeysA != r.KeysB || sumA != sumB {
			dst = append(dst, r)
		}
		from = r.To
	}
	return dst
}

// ErrNodes reports a list of nodes that does not decode.
var ErrNodes = errors.New("malformed list of tree nodes")

// AppendNodes appends a list of nodes: for each
//
//	uvarint bytes shared with the start before  uvarint length, the rest
//	uvarint keys  sum (8)
func AppendNodes(dst []byte, nodes []Node) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(nodes)))
	before := ""
	for i := range nodes {
		n := &nodes[i]
		shared := 0
		for shared < len(before) && shared < len(n.Start) && before[shared] == n.Start[shared] {
			shared++
		}
		dst = binary.AppendUvarint(dst, uint64(shared))
		dst = binary.AppendUvarint(dst, uint64(len(n.Start)-shared))
		dst = append(dst, n.Start[shared:]...)
		dst = binary.AppendUvarint(dst, n.Keys)
		dst = binary.BigEndian.AppendUint64(dst, n.Sum)
		before = n.Start
	}
	return dst
}

// CutNodes returns the list at the front of src and the rest. The starts ascend.
func CutNodes(src []byte) (nodes []Node, rest []byte, err error) {
	bad := func(what string) ([]Node, []byte, error) {
		return nil, nil, fmt.Errorf("node %d, %s: %w", len(nodes), what, ErrNodes)
	}
	number := func() (v uint64, ok bool) {
		v, n := binary.Uvarint(src)
		if n <= 0 {
			return 0, false
		}
		src = src[n:]
		return v, true
	}
	total, ok := number()
	const least = 1 + 1 + 1 + 8
	if !ok || total > uint64(len(src)/least) {
		return bad("number")
	}
	nodes = make([]Node, 0, total)
	before := ""
	for range total {
		shared, ok1 := number()
		length, ok2 := number()
		if !ok1 || !ok2 || shared > uint64(len(before)) || length > uint64(len(src)) {
			return bad("start")
		}
		n := Node{Start: before[:shared] + string(src[:length])}
		src = src[length:]
		if n.Keys, ok = number(); !ok || len(src) < 8 {
			return bad("sum")
		}
		n.Sum, src = binary.BigEndian.Uint64(src), src[8:]
		if len(nodes) > 0 && n.Start <= before {
			return bad("order")
		}
		nodes, before = append(nodes, n), n.Start
	}
	return nodes, src, nil
}

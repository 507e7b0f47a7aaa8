package kv

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/kv/hashtree"
	"github.com/dee2748c/baton/vnode"
)

// What a vnode is asked about its hash trees:
//
//	op  ask  uvarint head  n  signature (8)  uvarint length, from  uvarint length, to
//	    [uvarint milliseconds  { uvarint length, from  uvarint length, to }...]     treeStates
//
// and the answers, behind flags and grace:
//
//	00                              the buckets have other numbers of copies here
//	01  uvarint keys                the tree is being counted: ask again
//	02  uvarint keys  sum (8)                                   treeRoot
//	02  nodes  uvarint length, through                          treeGroups, treeLeaves
//	02  uvarint length, through  { shared  uvarint length, rest of the name  term (8) }...   treeKeys
//	02  uvarint items  uvarint range  uvarint length, from  { key  state }...                treeStates
//	02  more                                                    treeSave
const (
	treeRoot byte = iota + 1
	treeGroups
	treeLeaves
	treeKeys
	treeStates
	treeSave
	treeAsksEnd
)

const (
	treeOther byte = iota
	treeCounting
	treeCounted
)

// Sizes of the pages of an exchange.
const (
	treeNodes      = 1024
	treeKeysPage   = 1024
	treeStatesPage = 256 << 10 // bytes
	treeSavePage   = 1024      // blocks
)

// treeAsk is a question about a tree.
type treeAsk struct {
	ask      byte
	head     ring.Partition
	n        int
	copies   uint64 // signature
	from, to string
	now      uint64 // milliseconds, of treeStates
	ranges   []nameSpan
}

// nameSpan is a range of names; an empty to is the end.
type nameSpan struct{ from, to string }

func (a *treeAsk) appendBody(dst []byte) []byte {
	dst = append(binary.AppendUvarint(append(dst, opTree, a.ask), uint64(a.head)), byte(a.n))
	dst = binary.BigEndian.AppendUint64(dst, a.copies)
	dst = appendBytes(appendBytes(dst, a.from), a.to)
	if a.ask == treeStates {
		dst = binary.AppendUvarint(dst, a.now)
		for _, r := range a.ranges {
			dst = appendBytes(appendBytes(dst, r.from), r.to)
		}
	}
	return dst
}

// cutTreeAsk takes apart what is behind the operation code.
func cutTreeAsk(b []byte) (a treeAsk, err error) {
	bad := fmt.Errorf("tree: %w", ErrBadRequest)
	if len(b) == 0 || b[0] == 0 || b[0] >= treeAsksEnd {
		return a, bad
	}
	a.ask = b[0]
	head, b, ok := cutUvarint(b[1:])
	if !ok || head >= ring.MaxSize || len(b) < 1+8 {
		return a, bad
	}
	a.head, a.n, a.copies = ring.Partition(head), int(b[0]), binary.BigEndian.Uint64(b[1:])
	span, b, ok := cutSpan(b[9:])
	if !ok || a.ask != treeSave && (a.n < 1 || a.n > bucket.MaxN) {
		return a, bad
	}
	a.from, a.to = span.from, span.to
	if a.ask != treeStates {
		return a, nil
	}
	if a.now, b, ok = cutUvarint(b); !ok {
		return a, bad
	}
	for len(b) > 0 {
		if span, b, ok = cutSpan(b); !ok {
			return a, bad
		}
		a.ranges = append(a.ranges, span)
	}
	return a, nil
}

func cutSpan(b []byte) (s nameSpan, rest []byte, ok bool) {
	from, b, ok := cutBytes(b)
	if !ok {
		return s, nil, false
	}
	to, b, ok := cutBytes(b)
	return nameSpan{view(from), view(to)}, b, ok
}

// treeCommand answers a question about a tree. Each of them counts a page of what
// is not counted yet.
func (p *partition) treeCommand(cx *vnode.Context, body []byte) ([]byte, error) {
	a, err := cutTreeAsk(body)
	if err != nil {
		return nil, err
	}
	if p.fallback || int(a.head) >= p.size {
		return nil, fmt.Errorf("tree of head %d at partition %d: %w", a.head, p.id, ErrBadRequest)
	}
	p.current(cx)
	reply := appendAnswer(nil, copyFlags(cx), cx.Grace())
	if a.ask == treeSave {
		return append(reply, treeCounted, p.saveTrees(cx)), nil
	}
	if a.copies != p.trees.copies {
		return append(reply, treeOther), nil
	}
	if a.ask == treeStates {
		return p.treeStates(cx, &a, append(reply, treeCounted)), cx.Err()
	}
	tree := p.tree(cx, a.head, a.n)
	if err := p.count(cx, a.head, a.n, tree); err != nil {
		return nil, err
	}
	keys, sum := tree.Sum()
	if tree.Open() > 0 && a.ask != treeKeys {
		return binary.AppendUvarint(append(reply, treeCounting), keys), nil
	}
	reply = append(reply, treeCounted)
	switch a.ask {
	case treeRoot:
		reply = binary.BigEndian.AppendUint64(binary.AppendUvarint(reply, keys), sum)
	case treeGroups:
		nodes, through := tree.Groups(a.from, a.to, treeNodes)
		reply = appendBytes(hashtree.AppendNodes(reply, nodes), through)
	case treeLeaves:
		nodes, through := tree.Leaves(a.from, a.to, treeNodes)
		reply = appendBytes(hashtree.AppendNodes(reply, nodes), through)
	case treeKeys:
		reply = p.treeKeys(cx, &a, reply)
	}
	return reply, cx.Err()
}

// treeKeys appends the names and terms of a page of the keys in the range.
func (p *partition) treeKeys(cx *vnode.Context, a *treeAsk, reply []byte) []byte {
	t := &p.trees
	from, to := nameRange(a.head, a.from, a.to)
	through, seen := a.to, 0
	var before, list []byte
	for key, stored := range cx.Scan(from, to) {
		name := key[nameAt:]
		if seen == treeKeysPage {
			through = string(name)
			break
		}
		seen++
		if p.copiesOf(key) != a.n || decode(cx, &t.state, key, stored) != nil {
			continue
		}
		shared := 0
		for shared < len(before) && shared < len(name) && before[shared] == name[shared] {
			shared++
		}
		list = appendBytes(binary.AppendUvarint(list, uint64(shared)), name[shared:])
		list = binary.BigEndian.AppendUint64(list, t.term(hashtree.Hash(name), &t.state))
		before = append(before[:0], name...)
	}
	return append(appendBytes(reply, through), list...)
}

// treeStates appends the items of the ranges, up to a page; what has expired is
// left to be swept.
func (p *partition) treeStates(cx *vnode.Context, a *treeAsk, reply []byte) []byte {
	t := &p.trees
	now := a.now - min(a.now, uint64(SweepMargin/time.Millisecond))
	var list []byte
	items, at, next := 0, len(a.ranges), ""
	add := func(key, stored []byte) {
		if p.copiesOf(key) == a.n && decode(cx, &t.state, key, stored) == nil && !t.state.expired(now, p.timeToLive(key)) {
			items++
			list = appendBytes(appendBytes(list, key), stored)
		}
	}
scan:
	for i, r := range a.ranges {
		if len(list) >= treeStatesPage {
			at, next = i, r.from
			break
		}
		from, to := nameRange(a.head, r.from, r.to)
		if r.to == r.from+"\x00" {
			if stored := cx.Get(from); stored != nil {
				add(from, stored)
			}
			continue
		}
		for key, stored := range cx.Scan(from, to) {
			if len(list) >= treeStatesPage {
				at, next = i, string(key[nameAt:])
				break scan
			}
			add(key, stored)
		}
	}
	reply = binary.AppendUvarint(binary.AppendUvarint(reply, uint64(items)), uint64(at))
	return append(appendBytes(reply, next), list...)
}

// timeToLive returns how many milliseconds the objects of a key's bucket live.
func (p *partition) timeToLive(storeKey []byte) uint64 {
	_, bucketType, name, _, err := DecodeKey(storeKey)
	if err != nil {
		return 0
	}
	if own := p.properties(bucketType, name); own != nil {
		return uint64(own.TTL / time.Millisecond)
	}
	return 0
}

// saveTrees writes the items of a page of blocks and returns 1 if there are more.
func (p *partition) saveTrees(cx *vnode.Context) byte {
	t := &p.trees
	left := treeSavePage
	for i := range t.all {
		h := &t.all[i]
		if h.Save(t.tag(), left, func(start string, item []byte) {
			left--
			cx.Put(appendTreeKey(nil, h.head, h.n, start), slices.Clone(item))
		}) {
			return 1
		}
	}
	return 0
}

// EncodeSaveTrees returns the command by which a vnode stores a page of what it
// knows of its hash trees, so that it need not be counted after a restart.
func EncodeSaveTrees() []byte {
	a := treeAsk{ask: treeSave}
	return a.appendBody(nil)
}

// DecodeSaveTrees reports whether there is more to be stored.
func DecodeSaveTrees(body []byte) (more bool, err error) {
	a, err := cutTreeAnswer(body)
	if err == nil && len(a.rest) != 1 {
		err = ErrReply
	}
	if err != nil {
		return false, fmt.Errorf("save hash trees: %w", err)
	}
	return a.rest[0] != 0, nil
}

// treeAnswer is the answer to a treeAsk.
type treeAnswer struct {
	flags  byte
	status byte
	grace  uint64
	rest   []byte
}

func cutTreeAnswer(body []byte) (t treeAnswer, err error) {
	a, err := cutAnswer(body)
	if err != nil {
		return t, err
	}
	if len(a.rest) == 0 || a.rest[0] > treeCounted {
		return t, ErrReply
	}
	return treeAnswer{a.flags, a.rest[0], a.grace, a.rest[1:]}, nil
}

// keyTerm is a name and its term.
type keyTerm struct {
	name string
	term uint64
}

// cutKeys takes apart the list of a treeKeys.
func cutKeys(b []byte) (list []keyTerm, through string, err error) {
	t, b, ok := cutBytes(b)
	before := ""
	for ok && len(b) > 0 {
		var shared uint64
		var rest []byte
		if shared, b, ok = cutUvarint(b); !ok || shared > uint64(len(before)) {
			return nil, "", ErrReply
		}
		if rest, b, ok = cutBytes(b); !ok || len(b) < 8 {
			return nil, "", ErrReply
		}
		name := before[:shared] + string(rest)
		if len(list) > 0 && name <= before {
			return nil, "", ErrReply
		}
		list = append(list, keyTerm{name, binary.BigEndian.Uint64(b)})
		b, before = b[8:], name
	}
	if !ok {
		return nil, "", ErrReply
	}
	return list, string(t), nil
}

package kv

import (
	"encoding/binary"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/kv/hashtree"
	"github.com/dee2748c/baton/vnode"
)

// A vnode keeps a hash tree for each head and each number of copies among the
// buckets, over the names of the store keys. The term of a key is made of the
// clock and the dots of its state: they say which writes it holds, and the store
// has checksums for the bytes.
//
//	space  head  n  start of a block -> the block's item     (hashtree)
//	space  FF FF FF                  -> uvarint generation
//
// What is stored counts for one generation, and for one assignment of numbers of
// copies to buckets: when either changes, the trees are counted anew.

// trees are the hash trees of a partition, as far as they were needed.
type trees struct {
	ready      bool // generation is read
	generation uint64

	catalog *bucket.Catalog // that signature is of
	copies  uint64          // signature of the numbers of copies

	all []headTree

	prefix  []byte // of the bucket that was looked up last
	nval    int
	encoded []byte // room for a state's identity
	state   State  // room for a state
}

type headTree struct {
	head ring.Partition
	n    int
	*hashtree.Tree
}

// tag marks the items that count now.
func (t *trees) tag() uint64 {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], t.generation)
	binary.BigEndian.PutUint64(b[8:], t.copies)
	return xxh3.Hash(b[:])
}

var generationKey = []byte{spaceTree, 0xFF, 0xFF, 0xFF}

// changedTree keeps the hash tree of a key up to date.
func (p *partition) changedTree(cx *vnode.Context, head ring.Partition, storeKey []byte, old, now *State) {
	if p.fallback {
		return // it hands back all that it holds
	}
	t := &p.trees
	p.current(cx)
	n := p.copiesOf(storeKey)
	if n == 0 {
		return
	}
	tree := p.tree(cx, head, n)
	if tree.Blank() {
		return // a scan will find the key
	}
	name := storeKey[nameAt:]
	h := hashtree.Hash(name)
	m := tree.Change(name, h, t.term(h, old), t.term(h, now))
	if m.Void {
		cx.Put(appendTreeKey(nil, head, n, m.Block), hashtree.AppendVoid(nil, t.tag()))
	}
	if m.Gone {
		cx.Delete(appendTreeKey(nil, head, n, string(name)))
	}
}

func appendTreeKey(dst []byte, head ring.Partition, n int, start string) []byte {
	return append(append(appendHead(dst, spaceTree, head), byte(n)), start...)
}

// term returns what a state adds to the sums.
func (t *trees) term(hash uint64, s *State) uint64 {
	if len(s.Siblings) == 0 {
		return 0
	}
	b := t.encoded[:0]
	for _, d := range s.Clock {
		b = binary.AppendUvarint(appendBytes(b, string(d.Actor)), d.N)
	}
	for i := range s.Siblings {
		d := &s.Siblings[i].Dot
		at, _ := s.Clock.at(d.Actor)
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(at)), d.N)
	}
	t.encoded = b
	return hashtree.Term(hash, b)
}

// current makes sure that the trees are of the present generation and of the
// present numbers of copies.
func (p *partition) current(cx *vnode.Context) {
	t := &p.trees
	if !t.ready {
		t.ready = true
		t.generation, _, _ = cutUvarint(cx.Get(generationKey))
		if cx.Incomplete() {
			p.recount(cx) // what was lost may have been counted
		}
	}
	if p.catalog == nil {
		return
	}
	c := p.catalog()
	if c == t.catalog {
		return
	}
	t.catalog, t.prefix = c, nil
	if s := CopiesSignature(c); s != t.copies {
		t.copies, t.all = s, nil
	}
}

// recount forgets the trees, in memory and in the store.
func (p *partition) recount(cx *vnode.Context) {
	t := &p.trees
	t.generation++
	t.all = nil
	cx.Put(generationKey, binary.AppendUvarint(nil, t.generation))
}

// HandleInfo hears that the store is not what the trees in memory are of.
func (p *partition) HandleInfo(cx *vnode.Context, msg any) {
	switch msg := msg.(type) {
	case vnode.NotWritten:
		p.trees = trees{}
	case vnode.Excised:
		p.removeDamaged(cx, msg.From, msg.To)
		if p.fallback {
			return
		}
		p.current(cx)
		p.recount(cx)
		p.reindex(cx, msg.From, msg.To)
	}
}

// CopiesSignature stands for the numbers of copies of all buckets: vnodes that
// compare their hash trees must agree on it. What only
// repeats the number that stands above it is not in it.
func CopiesSignature(c *bucket.Catalog) uint64 {
	base := defaultCopies(c)
	b := binary.AppendUvarint(nil, uint64(base))
	for _, t := range c.Types() {
		n := base
		if t.Active && t.Err == nil && t.Properties.NVal != base {
			n = t.Properties.NVal
			b = binary.AppendUvarint(appendBytes(b, t.Name), uint64(n))
		}
		for _, name := range c.Buckets(t.Name) {
			if own, err := c.Lookup(t.Name, name); err == nil && own.NVal != n {
				b = appendBytes(appendBytes(b, t.Name), name)
				b = binary.AppendUvarint(b, uint64(own.NVal))
			}
		}
	}
	return xxh3.Hash(b)
}

func defaultCopies(c *bucket.Catalog) int {
	if t, err := c.Type(bucket.DefaultType); err == nil && t.Err == nil {
		return t.Properties.NVal
	}
	return bucket.DefaultN
}

// CopyCounts returns the numbers of copies that buckets have, ascending: for
// each of them the vnodes keep hash trees.
func CopyCounts(c *bucket.Catalog) []int {
	all := []int{defaultCopies(c)}
	for _, t := range c.Types() {
		if t.Active && t.Err == nil {
			all = append(all, t.Properties.NVal)
		}
		for _, name := range c.Buckets(t.Name) {
			if own, err := c.Lookup(t.Name, name); err == nil {
				all = append(all, own.NVal)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// copiesOf returns the number of copies of a key, 0 if it can't be told.
func (p *partition) copiesOf(storeKey []byte) int {
	t := &p.trees
	if n := len(t.prefix); n > 0 && len(storeKey) >= n && string(storeKey[nameAt:n]) == string(t.prefix[nameAt:]) {
		return t.nval
	}
	head, bucketType, name, _, err := DecodeKey(storeKey)
	if err != nil {
		return 0
	}
	t.prefix = AppendPrefix(t.prefix[:0], head, bucketType, name)
	t.nval = bucket.DefaultN
	if p.catalog != nil {
		t.nval = defaultCopies(t.catalog)
	}
	if own := p.properties(bucketType, name); own != nil {
		t.nval = own.NVal
	}
	return t.nval
}

// tree returns the tree of a head's keys with n copies.
func (p *partition) tree(cx *vnode.Context, head ring.Partition, n int) *hashtree.Tree {
	t := &p.trees
	for i := range t.all {
		if t.all[i].head == head && t.all[i].n == n {
			return t.all[i].Tree
		}
	}
	from, to := appendTreeKey(nil, head, n, ""), appendTreeKey(nil, head, n+1, "")
	loader := hashtree.NewLoader(t.tag())
	for key, item := range cx.Scan(from, to) {
		if !loader.Add(string(key[len(from):]), item) {
			cx.Delete(slices.Clone(key))
		}
	}
	tree := loader.Tree()
	t.all = append(t.all, headTree{head, n, tree})
	return tree
}

// countPage is how many items a command looks at to count keys.
const countPage = 2048

// count counts a page of the first open block.
func (p *partition) count(cx *vnode.Context, head ring.Partition, n int, tree *hashtree.Tree) error {
	for seen := 0; seen < countPage; seen++ {
		c := tree.Counter()
		if c == nil {
			return nil
		}
		more, err := p.countRange(cx, head, n, c, &seen)
		if err != nil || more {
			return err
		}
	}
	return nil
}

// countRange counts the keys of one open block as far as the page goes, and
// reports whether there are more.
func (p *partition) countRange(cx *vnode.Context, head ring.Partition, n int, c *hashtree.Counter, seen *int) (more bool, err error) {
	t := &p.trees
	from, to := nameRange(head, c.From(), c.To())
	for key, stored := range cx.Scan(from, to) {
		name := key[nameAt:]
		if *seen == countPage {
			c.Stop(name)
			return true, nil
		}
		*seen++
		if p.copiesOf(key) != n {
			continue
		}
		if decode(cx, &t.state, key, stored) == nil {
			h := hashtree.Hash(name)
			c.Add(name, h, t.term(h, &t.state))
		}
	}
	if cx.Err() != nil {
		return false, cx.Err()
	}
	c.Finish()
	return false, nil
}

// nameRange returns the store keys of a head between two names; an empty to is
// the end.
func nameRange(head ring.Partition, from, to string) (fromKey, toKey []byte) {
	fromKey, toKey = HeadRange(head)
	fromKey = append(fromKey, from...)
	if to != "" {
		toKey = append(appendHead(nil, spaceObject, head), to...)
	}
	return fromKey, toKey
}

package hashtree

import (
	"slices"
	"unsafe"

	"github.com/zeebo/xxh3"
)

// How many keys a block and a group have on average; powers of two.
const (
	BlockKeys = 1 << 8
	GroupKeys = 1 << 16
)

// Hash returns the hash of a key, which decides whether it begins a block.
func Hash(key []byte) uint64 { return xxh3.Hash(key) }

// Term returns what a key adds to sums: hash is [Hash] of the key, identity says
// what is stored under it. It is never 0, which stands for a key that is not
// there.
func Term(hash uint64, identity []byte) uint64 {
	if t := xxh3.HashSeed(identity, hash); t != 0 {
		return t
	}
	return 1
}

func beginsBlock(hash uint64) bool { return hash%BlockKeys == 0 }
func beginsGroup(hash uint64) bool { return hash%GroupKeys == 0 }

// A Tree holds the sums of one set of keys. The zero Tree is not ready: see
// [New] and [Loader]. It belongs to one goroutine.
type Tree struct {
	groups []group // at least one; the first begins at the empty key
	keys   uint64
	sum    uint64
	open   int // blocks that are open
}

type group struct {
	start     string
	keys, sum uint64
	blocks    []block // at least one; the first begins where the group does
}

type block struct {
	start string // the boundary; no key of the block is below
	mark  string // of an open block: only the keys below are counted
	sum   uint64
	keys  uint32
	open  bool
	kept  kept
}

// kept says what the store has of a block.
type kept uint8

const (
	absent kept = iota
	void        // an item that says that the block was written to
	valid       // its sum, end and number of keys
)

// New returns a tree of which nothing is counted yet.
func New() *Tree {
	return &Tree{groups: []group{{blocks: []block{{open: true}}}}, open: 1}
}

// Sum returns the number and the sum of the keys that are counted.
func (t *Tree) Sum() (keys, sum uint64) { return t.keys, t.sum }

// Open returns the number of blocks that are not counted whole.
func (t *Tree) Open() int { return t.open }

// Blank reports whether nothing is counted: a change would be without effect.
func (t *Tree) Blank() bool {
	return t.open == 1 && len(t.groups) == 1 && len(t.groups[0].blocks) == 1 &&
		t.groups[0].blocks[0].mark == "" && t.groups[0].blocks[0].kept != valid
}

// Blocks returns the number of blocks.
func (t *Tree) Blocks() (n int) {
	for i := range t.groups {
		n += len(t.groups[i].blocks)
	}
	return n
}

// Marks say what a change makes of the stored tree. What they name has to be
// written in the same batch as the change itself.
type Marks struct {
	// Void says that the item under Block is void from now on.
	Void bool
	// Gone says that the item under the key that was changed has to go.
	Gone  bool
	Block string
}

// Change takes note of a write: hash is [Hash] of the key, old and next are the
// terms of what was and of what is stored under it, 0 for nothing.
func (t *Tree) Change(key []byte, hash, old, next uint64) (m Marks) {
	g, b := t.find(key)
	bl := &t.groups[g].blocks[b]
	if beginsBlock(hash) && (old == 0) != (next == 0) {
		switch begins := bl.start == string(key); {
		case old == 0 && !begins && bl.counts(key):
			return t.cut(g, b, string(key), beginsGroup(hash))
		case next == 0 && begins && len(key) > 0:
			return t.join(g, b, old)
		}
	}
	bl.void(&m)
	if !bl.counts(key) {
		return m
	}
	t.add(g, b, next-old, count(next)-count(old))
	return m
}

// count returns how many keys a term stands for, modulo 2^64 as sums are.
func count(term uint64) uint64 {
	if term == 0 {
		return 0
	}
	return 1
}

// counts reports whether the key is below the block's mark.
func (b *block) counts(key []byte) bool { return !b.open || string(key) < b.mark }

func (t *Tree) add(g, b int, sum, keys uint64) {
	gr := &t.groups[g]
	bl := &gr.blocks[b]
	bl.sum += sum
	bl.keys += uint32(keys)
	gr.sum += sum
	gr.keys += keys
	t.sum += sum
	t.keys += keys
}

// find returns the block that the key belongs to.
func (t *Tree) find(key []byte) (g, b int) {
	lo, hi := 0, len(t.groups)
	for hi-lo > 1 {
		if mid := int(uint(lo+hi) >> 1); t.groups[mid].start <= string(key) {
			lo = mid
		} else {
			hi = mid
		}
	}
	g = lo
	blocks := t.groups[g].blocks
	lo, hi = 0, len(blocks)
	for hi-lo > 1 {
		if mid := int(uint(lo+hi) >> 1); blocks[mid].start <= string(key) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return g, lo
}

// forget takes what is counted in a block out of the sums and opens it.
func (t *Tree) forget(g, b int) {
	bl := &t.groups[g].blocks[b]
	t.add(g, b, -bl.sum, -uint64(bl.keys))
	if !bl.open {
		t.open++
	}
	bl.open, bl.mark = true, bl.start
}

// void makes the stored item of a block void, if it says anything.
func (b *block) void(m *Marks) {
	if b.kept == valid {
		m.Void, m.Block, b.kept = true, b.start, void
	}
}

// cut begins a block at a key within what is counted. How the sum divides is
// not known: both parts are open.
func (t *Tree) cut(g, b int, key string, newGroup bool) (m Marks) {
	t.groups[g].blocks[b].void(&m)
	t.forget(g, b)
	t.insert(g, b, key, newGroup)
	return m
}

// insert puts an open block behind block b.
func (t *Tree) insert(g, b int, start string, newGroup bool) {
	t.open++
	bl := block{start: start, mark: start, open: true}
	gr := &t.groups[g]
	if !newGroup {
		gr.blocks = slices.Insert(gr.blocks, b+1, bl)
		return
	}
	behind := group{start: start, blocks: append([]block{bl}, gr.blocks[b+1:]...)}
	for i := range behind.blocks {
		behind.keys += uint64(behind.blocks[i].keys)
		behind.sum += behind.blocks[i].sum
	}
	clear(gr.blocks[b+1:])
	gr.blocks = gr.blocks[:b+1]
	gr.keys -= behind.keys
	gr.sum -= behind.sum
	t.groups = slices.Insert(t.groups, g+1, behind)
}

// join takes away the boundary at which a block that is not the first begins:
// its key is gone, the others go to the block before.
func (t *Tree) join(g, b int, old uint64) (m Marks) {
	if b == 0 { // and so is the boundary of the group
		before := &t.groups[g-1]
		b = len(before.blocks)
		before.blocks = append(before.blocks, t.groups[g].blocks...)
		before.keys += t.groups[g].keys
		before.sum += t.groups[g].sum
		t.groups = slices.Delete(t.groups, g, g+1)
		g--
	}
	blocks := t.groups[g].blocks
	left, right := &blocks[b-1], &blocks[b]
	left.void(&m)
	m.Gone = right.kept != absent
	switch {
	case left.open: // what is counted behind the mark can't stay so
		t.forget(g, b)
		t.open--
	default:
		if right.counts([]byte(right.start)) {
			t.add(g, b, -old, -count(old))
		}
		left.sum += right.sum
		left.keys += right.keys
		left.open, left.mark = right.open, right.mark
	}
	t.groups[g].blocks = slices.Delete(blocks, b, b+1)
	return m
}

// A Node is a part of a tree: the keys from Start to the Start of the next one.
type Node struct {
	Start string
	Keys  uint64
	Sum   uint64
}

// Groups returns the nodes of the groups that hold keys of the range, at most
// limit of them, and where the list ends: through is below to when there are
// more. The first node begins at from, an empty to is the end of all keys.
func (t *Tree) Groups(from, to string, limit int) (nodes []Node, through string) {
	g, _ := t.find([]byte(from))
	for ; g < len(t.groups); g++ {
		gr := &t.groups[g]
		if to != "" && gr.start >= to {
			break
		}
		if len(nodes) == limit {
			return nodes, gr.start
		}
		nodes = append(nodes, Node{max(gr.start, from), gr.keys, gr.sum})
	}
	return nodes, to
}

// Leaves is as [Tree.Groups] for blocks.
func (t *Tree) Leaves(from, to string, limit int) (nodes []Node, through string) {
	g, b := t.find([]byte(from))
	for ; g < len(t.groups); g, b = g+1, 0 {
		blocks := t.groups[g].blocks
		for ; b < len(blocks); b++ {
			bl := &blocks[b]
			if to != "" && bl.start >= to {
				return nodes, to
			}
			if len(nodes) == limit {
				return nodes, bl.start
			}
			nodes = append(nodes, Node{max(bl.start, from), uint64(bl.keys), bl.sum})
		}
	}
	return nodes, to
}

// end returns where a block ends, empty at the last.
func (t *Tree) end(g, b int) string {
	switch {
	case b+1 < len(t.groups[g].blocks):
		return t.groups[g].blocks[b+1].start
	case g+1 < len(t.groups):
		return t.groups[g+1].start
	}
	return ""
}

// Bytes returns the memory that the tree takes, about.
func (t *Tree) Bytes() (n int) {
	for i := range t.groups {
		gr := &t.groups[i]
		n += int(unsafe.Sizeof(*gr)) + cap(gr.blocks)*int(unsafe.Sizeof(block{}))
		for j := range gr.blocks {
			n += len(gr.blocks[j].start)
		}
	}
	return n
}

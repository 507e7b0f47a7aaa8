package hashtree

import "encoding/binary"

// The item of a block is
//
//	01  tag (8)                                        written to since it was saved
//	01  tag (8)  sum (8)  hash of the next block's start (8)  uvarint keys
//
// with numbers big endian and a hash of 0 at the end of all keys. The tag is the
// caller's: an item with another tag counts nothing.
const (
	formatV1  = 1
	voidSize  = 1 + 8
	fixedSize = voidSize + 8 + 8
)

// AppendVoid appends the item of a block that [Marks] call void.
func AppendVoid(dst []byte, tag uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, formatV1), tag)
}

func endHash(end string) uint64 {
	if end == "" {
		return 0
	}
	return Hash([]byte(end)) | 1
}

// Save yields the items of at most limit blocks that are counted and whose item
// does not say so, and takes them for stored: they have to be written in one
// batch with whatever else the command writes. It reports whether there are more.
func (t *Tree) Save(tag uint64, limit int, yield func(start string, item []byte)) (more bool) {
	for g := range t.groups {
		for b := range t.groups[g].blocks {
			bl := &t.groups[g].blocks[b]
			if bl.open || bl.kept == valid {
				continue
			}
			if limit == 0 {
				return true
			}
			limit--
			item := AppendVoid(make([]byte, 0, fixedSize+5), tag)
			item = binary.BigEndian.AppendUint64(item, bl.sum)
			item = binary.BigEndian.AppendUint64(item, endHash(t.end(g, b)))
			yield(bl.start, binary.AppendUvarint(item, uint64(bl.keys)))
			bl.kept = valid
		}
	}
	return false
}

// A Loader makes a tree of its stored items. The zero Loader is not ready: see
// [NewLoader].
type Loader struct {
	tag  uint64
	tree *Tree
	end  uint64 // of the last block, as its item says
}

// NewLoader returns a loader of the items with this tag.
func NewLoader(tag uint64) *Loader { return &Loader{tag: tag, tree: New()} }

// Add adds the next item, in ascending order of the starts. It reports whether
// the item is part of the tree; one that is not has to be deleted.
func (l *Loader) Add(start string, item []byte) (ours bool) {
	h := Hash([]byte(start))
	if len(item) < voidSize || item[0] != formatV1 || binary.BigEndian.Uint64(item[1:]) != l.tag || start != "" && !beginsBlock(h) {
		return false
	}
	next := block{start: start, open: true, mark: start, kept: void}
	var end uint64
	if len(item) > voidSize {
		if len(item) <= fixedSize {
			return false
		}
		keys, n := binary.Uvarint(item[fixedSize:])
		if n <= 0 || fixedSize+n != len(item) || keys > 1<<32-1 {
			return false
		}
		next.sum, end = binary.BigEndian.Uint64(item[9:]), binary.BigEndian.Uint64(item[17:])
		next.keys, next.kept, next.open, next.mark = uint32(keys), valid, false, ""
	}
	t := l.tree
	if start == "" {
		t.groups[0].blocks[0] = next
		t.open = 0
	} else {
		l.check(start)
		g := len(t.groups) - 1
		if beginsGroup(h) {
			t.groups = append(t.groups, group{start: start})
			g++
		}
		t.groups[g].blocks = append(t.groups[g].blocks, next)
	}
	if next.open {
		t.open++
	}
	l.end = end
	return true
}

// check opens the last block if its item names another end than the one it has.
func (l *Loader) check(end string) {
	g := len(l.tree.groups) - 1
	b := len(l.tree.groups[g].blocks) - 1
	if bl := &l.tree.groups[g].blocks[b]; !bl.open && l.end != endHash(end) {
		bl.open, bl.mark, bl.sum, bl.keys, bl.kept = true, bl.start, 0, 0, void
		l.tree.open++
	}
}

// Tree returns the tree. The loader is done.
func (l *Loader) Tree() *Tree {
	l.check("")
	t := l.tree
	for g := range t.groups {
		gr := &t.groups[g]
		for b := range gr.blocks {
			gr.keys += uint64(gr.blocks[b].keys)
			gr.sum += gr.blocks[b].sum
		}
		t.keys += gr.keys
		t.sum += gr.sum
	}
	return t
}

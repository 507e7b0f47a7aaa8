package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/vnode"
)

// pageRequest asks one copy for a page of a scan, or for what stands at given
// positions of it. It begins with an operation code, opIndex for objects and
// index entries, opBuckets for buckets:
//
//	op  flags  uvarint head  type  bucket  index  uvarint limit  uvarint bytes
//	    page:   pattern  from  to
//	    lookup: { position }...
//
// Fields without a size have their length in front.
type pageRequest struct {
	op                       byte
	flags                    byte
	head                     ring.Partition
	bucketType, bucket, name string
	limit, bytes             int
	pattern                  string
	from, to                 []byte // to is the end if flagBounded is not set
	positions                []byte // encoded, of a lookup
}

// Flags of a page request.
const (
	pageStored  = 1 << iota // the entries with their states, not only what tells them apart
	pageLookup              // what stands at the positions
	pageBounded             // to is a bound
	pageInt                 // the index is of integers
	pageFlagsEnd
)

// Flags of a reply.
const (
	replyMore       = 1 << iota // the page ends before the range does
	replyIncomplete             // the copy lacks what was acknowledged
	replyFlagsEnd
)

func (r *pageRequest) append(dst []byte) []byte {
	dst = append(dst, r.op, r.flags)
	dst = binary.AppendUvarint(dst, uint64(r.head))
	dst = appendBytes(appendBytes(appendBytes(dst, r.bucketType), r.bucket), r.name)
	dst = binary.AppendUvarint(dst, uint64(r.limit))
	dst = binary.AppendUvarint(dst, uint64(r.bytes))
	if r.flags&pageLookup != 0 {
		return append(dst, r.positions...)
	}
	return appendBytes(appendBytes(appendBytes(dst, r.pattern), r.from), r.to)
}

// cutPageRequest takes apart what follows the operation code.
func cutPageRequest(op byte, rest []byte) (r pageRequest, err error) {
	bad := fmt.Errorf("page: %w", ErrBadRequest)
	if len(rest) == 0 || rest[0] >= pageFlagsEnd {
		return r, bad
	}
	r.op, r.flags = op, rest[0]
	head, rest, ok := cutUvarint(rest[1:])
	if !ok || head >= ring.MaxSize {
		return r, bad
	}
	r.head = ring.Partition(head)
	for _, field := range []*string{&r.bucketType, &r.bucket, &r.name} {
		var b []byte
		if b, rest, ok = cutBytes(rest); !ok || len(b) > MaxNameBytes {
			return r, bad
		}
		*field = view(b)
	}
	for _, field := range []*int{&r.limit, &r.bytes} {
		var n uint64
		if n, rest, ok = cutUvarint(rest); !ok || n == 0 || n > 1<<30 {
			return r, bad
		}
		*field = int(n)
	}
	if r.op == opIndex && r.bucket == "" || r.op == opBuckets && r.flags != r.flags&pageBounded {
		return r, bad
	}
	if r.flags&pageLookup != 0 {
		r.positions = rest
		return r, nil
	}
	pattern, rest, ok := cutBytes(rest)
	if !ok {
		return r, bad
	}
	r.pattern = view(pattern)
	if r.from, rest, ok = cutBytes(rest); !ok {
		return r, bad
	}
	if r.to, rest, ok = cutBytes(rest); !ok || len(rest) > 0 || len(r.to) > 0 && r.flags&pageBounded == 0 {
		return r, bad
	}
	return r, nil
}

// prefix returns what the store keys of the request's space begin with; the
// position follows.
func (r *pageRequest) prefix() []byte {
	switch {
	case r.op == opBuckets:
		return appendEscaped(appendHead(nil, spaceObject, r.head), r.bucketType)
	case r.name != "":
		return appendIndex(nil, r.head, r.bucketType, r.bucket, r.name)
	default:
		return AppendPrefix(nil, r.head, r.bucketType, r.bucket)
	}
}

// bounds returns the store keys between which the page lies.
func (r *pageRequest) bounds() (prefix int, from, to []byte) {
	start := r.prefix()
	from = append(bytes.Clone(start), r.from...)
	if r.flags&pageBounded != 0 {
		return len(start), from, append(bytes.Clone(start), r.to...)
	}
	return len(start), from, prefixEnd(bytes.Clone(start))
}

// page is the reply under construction:
//
//	ok  flags  { position  form }...  [next]
//
// where next, if there is more, is the first position that was not looked at.
type page struct {
	reply []byte
	items int
}

const (
	pageHeader = 2  // code and flags
	entryRoom  = 56 // bytes of an entry with an outline, mostly
)

// full reports whether the page takes no further entry.
func (g *page) full(r *pageRequest) bool {
	return g.items == r.limit || len(g.reply)-pageHeader >= r.bytes
}

// end ends the page before a position.
func (g *page) end(next []byte) {
	g.reply[1] |= replyMore
	g.reply = appendBytes(g.reply, next)
}

// scanBudget is how many store items a page looks at for each that it may hold,
// so that a filter which nothing passes does not keep the vnode from its work.
const scanBudget = 8

// cover serves a page or a lookup.
func (p *partition) cover(cx *vnode.Context, op byte, rest []byte) ([]byte, error) {
	r, err := cutPageRequest(op, rest)
	if err != nil {
		return nil, err
	}
	if !p.keeps(r.head) {
		return nil, fmt.Errorf("page of head %d at partition %d: %w", r.head, p.id, ErrBadRequest)
	}
	g := page{reply: make([]byte, pageHeader, pageHeader+min(r.bytes, r.limit*entryRoom))}
	if cx.Incomplete() || cx.Hints(cx.Partition().ID) {
		g.reply[1] |= replyIncomplete
	}
	defer func() { clear(p.listed.Siblings); clear(p.listed.Clock) }()
	switch {
	case r.op == opBuckets:
		err = p.bucketPage(cx, &r, &g)
	case r.flags&pageLookup != 0:
		err = p.lookup(cx, &r, &g)
	default:
		err = p.page(cx, &r, &g)
	}
	if err != nil {
		return nil, err
	}
	return g.reply, nil
}

func (p *partition) page(cx *vnode.Context, r *pageRequest, g *page) error {
	re, err := compile(r.pattern)
	if err != nil {
		return err
	}
	prefix, from, to := r.bounds()
	looked := 0
	for storeKey, stored := range cx.Scan(from, to) {
		position := storeKey[prefix:]
		if g.full(r) || looked == r.limit*scanBudget {
			g.end(position)
			break
		}
		looked++
		if err := p.add(cx, r, g, re, position, stored); err != nil {
			return err
		}
	}
	return nil
}

// add puts the entry at a position into the page, if it passes the filter.
// stored is the object's state; an index entry's is looked up.
func (p *partition) add(cx *vnode.Context, r *pageRequest, g *page, re *regexp.Regexp, position, stored []byte) error {
	var term Index
	text := view(position)
	key := text
	if r.name != "" {
		var ok bool
		if term, key, ok = cutTerm(r.kind(), position); !ok {
			return fmt.Errorf("index entry %x: %w", position, ErrCorrupt)
		}
		text = term.text()
		if re != nil && !re.MatchString(text) {
			return nil
		}
		stored = cx.Get(AppendKey(nil, r.head, r.bucketType, r.bucket, key))
		if stored == nil {
			return nil // the object was lost with a damaged range; the entry alone says nothing
		}
	} else if re != nil && !re.MatchString(text) {
		return nil
	}
	if cx.Err() != nil {
		return nil // the command fails with it
	}
	g.reply = appendBytes(g.reply, position)
	g.items++
	if r.flags&pageStored != 0 {
		g.reply = appendBytes(g.reply, stored)
		return nil
	}
	return p.addOutline(cx, r, g, key, &term, stored)
}

func (p *partition) addOutline(cx *vnode.Context, r *pageRequest, g *page, key string, term *Index, stored []byte) error {
	s := &p.listed
	if err := s.Decode(stored); err != nil {
		if errors.Is(err, ErrCorrupt) {
			cx.Damage(AppendKey(nil, r.head, r.bucketType, r.bucket, key))
		}
		return fmt.Errorf("%q as it is stored: %w", r.bucket, err)
	}
	at := len(g.reply)
	g.reply = append(g.reply, 0) // the length, in most cases
	if r.name == "" {
		g.reply = appendOutline(g.reply, s, nil)
	} else {
		g.reply = appendOutline(g.reply, s, func(content []byte) bool { return carries(content, r.name, term) })
	}
	n := len(g.reply) - at - 1
	if n < 0x80 {
		g.reply[at] = byte(n)
		return nil
	}
	outline := bytes.Clone(g.reply[at+1:])
	g.reply = appendBytes(g.reply[:at], outline)
	return nil
}

func (r *pageRequest) kind() IndexKind {
	if r.flags&pageInt != 0 {
		return IntIndex
	}
	return BinIndex
}

// carries reports whether a content has the index entry.
func carries(content []byte, name string, term *Index) bool {
	for e := range eachIndex(content) {
		if e.Kind == term.Kind && e.Int == term.Int && e.Bin == term.Bin && e.FullName() == name {
			return true
		}
	}
	return false
}

// lookup answers what the copy knows of the objects at the positions of index
// entries, whether it has the entries or not. An object that it has not heard of
// has an empty outline. What does not fit is left out at the end.
func (p *partition) lookup(cx *vnode.Context, r *pageRequest, g *page) error {
	for rest := r.positions; len(rest) > 0 && !g.full(r); {
		position, after, ok := cutBytes(rest)
		var term Index
		var key string
		if ok {
			term, key, ok = cutTerm(r.kind(), position)
		}
		if !ok || r.name == "" {
			return fmt.Errorf("look up: %w", ErrBadRequest)
		}
		rest = after
		stored := cx.Get(AppendKey(nil, r.head, r.bucketType, r.bucket, key))
		g.reply = appendBytes(g.reply, position)
		if stored == nil {
			g.reply = append(g.reply, 0)
			continue
		}
		if err := p.addOutline(cx, r, g, key, &term, stored); err != nil {
			return err
		}
	}
	return nil
}

// An outline is a state without its contents, which is enough to merge states
// and see what of an entry is left:
//
//	uvarint length, context
//	{ uvarint position of the dot's actor  uvarint N of the clock there - N of
//	  the dot  uvarint milliseconds * 4 + carries the entry * 2 + deleted }...
//
// Equal states have equal outlines.
func appendOutline(dst []byte, s *State, carries func(content []byte) bool) []byte {
	dst = binary.AppendUvarint(dst, uint64(contextLen(s.Clock)))
	dst = AppendContext(dst, s.Clock)
	for i := range s.Siblings {
		v := &s.Siblings[i]
		at, _ := s.Clock.at(v.Dot.Actor)
		dst = binary.AppendUvarint(dst, uint64(at))
		dst = binary.AppendUvarint(dst, s.Clock[at].N-v.Dot.N)
		stamp := v.Modified << 2
		if v.Deleted {
			stamp |= 1
		} else if carries == nil || carries(v.Content) {
			stamp |= 2
		}
		dst = binary.AppendUvarint(dst, stamp)
	}
	return dst
}

// Contents of siblings decoded from an outline.
var (
	carrying = []byte{1}
	another  = []byte{0}
)

// decodeOutline sets s from an outline: the content of a sibling says whether it
// carries the entry.
func decodeOutline(s *State, b []byte) error {
	context, rest, ok := cutBytes(b)
	var err error
	if !ok || len(context) == 0 {
		return fmt.Errorf("outline %.40x: %w", b, ErrReply)
	}
	if s.Clock, err = Context(view(context)).Clock(s.Clock[:0]); err != nil {
		return fmt.Errorf("outline %.40x: %w: %w", b, err, ErrReply)
	}
	s.Siblings = s.Siblings[:0]
	for len(rest) > 0 {
		var at, behind, stamp uint64
		if at, rest, ok = cutUvarint(rest); ok {
			behind, rest, ok = cutUvarint(rest)
		}
		if ok {
			stamp, rest, ok = cutUvarint(rest)
		}
		if !ok || at >= uint64(len(s.Clock)) || behind >= s.Clock[at].N || stamp&3 == 3 {
			return fmt.Errorf("outline %.40x, sibling %d: %w", b, len(s.Siblings), ErrReply)
		}
		v := Sibling{Dot: s.Clock[at], Modified: stamp >> 2, Deleted: stamp&1 != 0}
		v.Dot.N -= behind
		if i := len(s.Siblings); i > 0 && s.Siblings[i-1].Dot.compare(v.Dot) >= 0 {
			return fmt.Errorf("outline %.40x, order of sibling %d: %w", b, i, ErrReply)
		}
		switch {
		case stamp&2 != 0:
			v.Content = carrying
		case !v.Deleted:
			v.Content = another
		}
		s.Siblings = append(s.Siblings, v)
	}
	return nil
}

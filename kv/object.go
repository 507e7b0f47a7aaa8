package kv

import (
	"fmt"
	"slices"
	"time"
)

// An Object is a key's value under its name, as a client gives it and as a map
// function sees it. Names are byte strings; nothing requires them to be UTF-8.
//
// Most objects have one value, which the fields hold. When clients have written
// concurrently there are several: then Siblings holds them all, newest first,
// and the fields hold the newest. To settle them, write one value with the
// Context of the object, as any change of an object that was read does.
//
// The strings and slices of a decoded Object alias the buffer that it was
// decoded from: they are immutable and keep that whole buffer alive, so what
// outlives the call that received the Object should be cloned.
type Object struct {
	Type   string // bucket type; empty is DefaultType
	Bucket string // never empty in a stored object
	Key    string // never empty in a stored object

	// As in [Content].
	Value       []byte
	ContentType string
	Encoding    string
	Charset     string
	Meta        []Attribute
	Links       []Link
	Indexes     []Index
	Modified    time.Time
	Deleted     bool

	// Context says which writes the object stands for. A put with it supersedes
	// them, a put without one supersedes nothing.
	Context Context
	// Siblings are all values when there is more than one. A put ignores them.
	Siblings []Content
}

// Text returns the value as a string that shares its bytes: no copy is made,
// and substrings of it share them too.
func (o Object) Text() string { return view(o.Value) }

// ETag returns the entity tag of the version that was read.
func (o Object) ETag() string { return o.Context.ETag() }

// Attribute returns the value of the first metadata pair of that name.
func (o Object) Attribute(name string) (value string, ok bool) {
	for _, a := range o.Meta {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

// Contents returns all values: the siblings, or the only one.
func (o Object) Contents() []Content {
	if o.Siblings != nil {
		return o.Siblings
	}
	return []Content{o.content()}
}

func (o *Object) content() Content {
	return Content{
		Value: o.Value, ContentType: o.ContentType, Encoding: o.Encoding, Charset: o.Charset,
		Meta: o.Meta, Links: o.Links, Indexes: o.Indexes, Modified: o.Modified, Deleted: o.Deleted,
	}
}

func (o *Object) setContent(c *Content) {
	o.Value, o.ContentType, o.Encoding, o.Charset = c.Value, c.ContentType, c.Encoding, c.Charset
	o.Meta, o.Links, o.Indexes, o.Modified, o.Deleted = c.Meta, c.Links, c.Indexes, c.Modified, c.Deleted
}

// AppendStored appends a stored form of everything but the name of o: what a
// vnode would hold if its values had been written by an actor without a name.
// It is for items that no vnode has written; the Context is left out.
func AppendStored(dst []byte, o Object) []byte {
	contents := o.Contents()
	s := State{Clock: Clock{{N: uint64(len(contents))}}, Siblings: make([]Sibling, 0, len(contents))}
	for i := range slices.Backward(contents) { // the newest has the highest dot
		c := &contents[i]
		v := Sibling{Dot: Dot{N: uint64(len(s.Siblings) + 1)}, Modified: millis(c.Modified), Deleted: c.Deleted}
		if !c.Deleted {
			v.Content = appendContent(nil, c)
		}
		s.Siblings = append(s.Siblings, v)
	}
	return s.Append(slices.Grow(dst, s.size()))
}

// DecodeStored sets everything but the name of o from its stored form, without
// copying. Tombstones are left out, unless nothing else is there: then o is
// Deleted. It fails with [ErrCorrupt], or with [ErrFormat] when the object was
// written in a format that this build does not know.
func DecodeStored(o *Object, stored []byte) error { return decodeStored(o, stored, false) }

func decodeStored(o *Object, stored []byte, tombstones bool) error {
	context, rest, err := cutStored(stored)
	if err != nil {
		return err
	}
	v, after, ok := cutSibling(rest)
	if !ok || len(after) > 0 {
		return decodeSiblings(o, stored, tombstones)
	}
	var c Content
	if !v.Deleted {
		if err := decodeContent(&c, v.Content); err != nil {
			return err
		}
	}
	c.Modified, c.Deleted = timeOf(v.Modified), v.Deleted
	o.setContent(&c)
	o.Context, o.Siblings = context, nil
	return nil
}

// decodeSiblings is the path of objects with more than one sibling.
func decodeSiblings(o *Object, stored []byte, tombstones bool) error {
	var s State
	if err := s.Decode(stored); err != nil {
		return err
	}
	tombstones = tombstones || s.Live() == 0
	slices.SortFunc(s.Siblings, newestFirst)
	contents := make([]Content, 0, len(s.Siblings))
	for _, v := range s.Siblings {
		if v.Deleted && !tombstones {
			continue
		}
		c := Content{}
		if !v.Deleted {
			if err := decodeContent(&c, v.Content); err != nil {
				return fmt.Errorf("sibling %x/%d: %w", string(v.Dot.Actor), v.Dot.N, err)
			}
		}
		c.Modified, c.Deleted = timeOf(v.Modified), v.Deleted
		contents = append(contents, c)
	}
	context, _, err := cutStored(stored)
	if err != nil {
		return err
	}
	o.setContent(&contents[0])
	o.Context, o.Siblings = context, nil
	if len(contents) > 1 {
		o.Siblings = contents
	}
	return nil
}

// newestFirst orders siblings by their time; a value comes before a tombstone,
// so that an object which has a value shows one, and dots decide the rest.
func newestFirst(a, b Sibling) int {
	switch {
	case a.Deleted != b.Deleted:
		if b.Deleted {
			return -1
		}
		return 1
	case a.Modified != b.Modified:
		if a.Modified > b.Modified {
			return -1
		}
		return 1
	default:
		return b.Dot.compare(a.Dot)
	}
}

// DecodeObject returns the object of a store key and its stored value, without
// copying either. It fails with [ErrCorrupt] or [ErrFormat].
func DecodeObject(storeKey, stored []byte) (Object, error) {
	var o Object
	var err error
	if _, o.Type, o.Bucket, o.Key, err = DecodeKey(storeKey); err != nil {
		return Object{}, err
	}
	if err = DecodeStored(&o, stored); err != nil {
		return Object{}, fmt.Errorf("object %q/%q: %w", o.Bucket, o.Key, err)
	}
	return o, nil
}

// AppendItem appends the form in which an object travels through a pipe: its
// store key behind a length, and its stored value as the rest. No byte of
// either is looked at.
func AppendItem(dst, storeKey, stored []byte) []byte {
	return append(appendBytes(dst, storeKey), stored...)
}

// cutItem splits an item into the store key and the stored value, both aliasing
// it.
func cutItem(item []byte) (storeKey, stored []byte, err error) {
	storeKey, stored, ok := cutBytes(item)
	if !ok {
		return nil, nil, fmt.Errorf("item of %d bytes: %w", len(item), ErrCorrupt)
	}
	return storeKey, stored, nil
}

// DecodeItem returns the object of an item, without copying. It fails with
// [ErrCorrupt] or [ErrFormat].
func DecodeItem(item []byte) (Object, error) {
	storeKey, stored, err := cutItem(item)
	if err != nil {
		return Object{}, err
	}
	return DecodeObject(storeKey, stored)
}

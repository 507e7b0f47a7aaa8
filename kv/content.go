package kv

import (
	"encoding/binary"
	"fmt"
	"time"
)

// A Content is one value of an object with what is said about it.
type Content struct {
	Value       []byte      // any bytes, may be empty
	ContentType string      // media type of Value; may be empty
	Encoding    string      // content coding of Value, such as gzip; may be empty
	Charset     string      // character set of Value; may be empty
	Meta        []Attribute // user metadata in the order given; names may repeat
	Links       []Link      // in the order given
	Indexes     []Index     // in the order given; a name may have several values
	// Modified is the wall time of the write, to the millisecond, zero if
	// unknown. A copy sets it later than that of the values which it held
	// before. It informs; it decides nothing about what is kept.
	Modified time.Time
	// Deleted marks a tombstone, which has nothing but its time.
	Deleted bool
}

// An Attribute is one pair of user metadata.
type Attribute struct {
	Name, Value string
}

// A Link names another object of the same bucket type; the tag says what the
// link means.
type Link struct {
	Bucket, Key, Tag string
}

// An Index is one entry of a secondary index. It is kept with the object.
type Index struct {
	Name string
	Kind IndexKind
	Bin  string // the entry if Kind is BinIndex
	Int  int64  // the entry if Kind is IntIndex
}

// IndexKind is what the entries of an index are.
type IndexKind byte

// The kinds of indexes.
const (
	BinIndex IndexKind = iota // byte strings
	IntIndex                  // integers
)

// metaBytes is the size of everything in c but the value, with 4 bytes for each
// entry, so that empty ones count too.
func (c *Content) metaBytes() int {
	n := len(c.ContentType) + len(c.Encoding) + len(c.Charset) + 4*(len(c.Meta)+len(c.Links)+len(c.Indexes))
	for i := range c.Meta {
		n += len(c.Meta[i].Name) + len(c.Meta[i].Value)
	}
	for i := range c.Links {
		n += len(c.Links[i].Bucket) + len(c.Links[i].Key) + len(c.Links[i].Tag)
	}
	for i := range c.Indexes {
		n += len(c.Indexes[i].Name) + len(c.Indexes[i].Bin) + 8
	}
	return n
}

// A content is fields in ascending tag order:
//
//	{ tag, uvarint length, bytes }...
//
// Absent means empty, except for the value, which is always there. A reader
// that meets a tag it does not know refuses the content rather than lose the
// field when it writes the content back.
const (
	tagContentType = 1
	tagMeta        = 2 // repeats: uvarint name length, name, value
	tagEncoding    = 3
	tagCharset     = 4
	tagLink        = 5 // repeats: uvarint bucket length, bucket, uvarint key length, key, tag
	tagIndex       = 6 // repeats: kind, uvarint name length, name, and the entry: bytes, or 8 bytes big endian
	tagValue       = 15
)

func appendField(dst []byte, tag byte, s string) []byte {
	if s == "" {
		return dst
	}
	return appendBytes(append(dst, tag), s)
}

// appendContent appends the encoding of c without its time and its mark.
func appendContent(dst []byte, c *Content) []byte {
	dst = appendField(dst, tagContentType, c.ContentType)
	for i := range c.Meta {
		a := &c.Meta[i]
		dst = binary.AppendUvarint(append(dst, tagMeta), uint64(uvarintLen(uint64(len(a.Name)))+len(a.Name)+len(a.Value)))
		dst = append(appendBytes(dst, a.Name), a.Value...)
	}
	dst = appendField(dst, tagEncoding, c.Encoding)
	dst = appendField(dst, tagCharset, c.Charset)
	var field []byte
	for i := range c.Links {
		l := &c.Links[i]
		field = append(appendBytes(appendBytes(field[:0], l.Bucket), l.Key), l.Tag...)
		dst = appendBytes(append(dst, tagLink), field)
	}
	for i := range c.Indexes {
		e := &c.Indexes[i]
		field = appendBytes(append(field[:0], byte(e.Kind)), e.Name)
		if e.Kind == IntIndex {
			field = binary.BigEndian.AppendUint64(field, uint64(e.Int))
		} else {
			field = append(field, e.Bin...)
		}
		dst = appendBytes(append(dst, tagIndex), field)
	}
	return appendBytes(append(dst, tagValue), c.Value)
}

// decodeContent sets the fields of the zero c without copying. It fails with
// [ErrCorrupt] or [ErrFormat].
func decodeContent(c *Content, raw []byte) error {
	for last, rest := byte(0), raw; len(rest) > 0; {
		tag, field, after, err := cutField(last, rest)
		if err != nil {
			return err
		}
		if tag == tagValue {
			c.Value = field
			return nil
		}
		c.setField(tag, field)
		last, rest = tag, after
	}
	return errNoValue
}

// checkContent fails as decodeContent does, and costs less.
func checkContent(raw []byte) error {
	for last, rest := byte(0), raw; len(rest) > 0; {
		tag, _, after, err := cutField(last, rest)
		if err != nil || tag == tagValue {
			return err
		}
		last, rest = tag, after
	}
	return errNoValue
}

var errNoValue = fmt.Errorf("content without a value: %w", ErrCorrupt)

// cutField returns the field that follows one of tag last. The value is the last one.
func cutField(last byte, rest []byte) (tag byte, field, after []byte, err error) {
	tag = rest[0]
	field, after, ok := cutBytes(rest[1:])
	if !ok || tag < last || (tag == last && tag != tagMeta && tag != tagLink && tag != tagIndex) {
		return 0, nil, nil, fmt.Errorf("content, tag %d: %w", tag, ErrCorrupt)
	}
	ok = len(field) > 0
	switch tag {
	case tagContentType, tagEncoding, tagCharset:
	case tagMeta:
		_, _, ok = cutBytes(field)
	case tagLink:
		var rest []byte
		if _, rest, ok = cutBytes(field); ok {
			_, _, ok = cutBytes(rest)
		}
	case tagIndex:
		_, ok = cutIndex(field)
	case tagValue:
		if len(after) > 0 {
			return 0, nil, nil, fmt.Errorf("content, %d bytes after its value: %w", len(after), ErrCorrupt)
		}
		ok = true
	default:
		return 0, nil, nil, fmt.Errorf("content, tag %d: %w", tag, ErrFormat)
	}
	if !ok {
		return 0, nil, nil, fmt.Errorf("content, field of tag %d: %w", tag, ErrCorrupt)
	}
	return tag, field, after, nil
}

// setField takes over a field of cutField.
func (c *Content) setField(tag byte, field []byte) {
	switch tag {
	case tagContentType:
		c.ContentType = view(field)
	case tagEncoding:
		c.Encoding = view(field)
	case tagCharset:
		c.Charset = view(field)
	case tagMeta:
		name, value, _ := cutBytes(field)
		c.Meta = append(c.Meta, Attribute{Name: view(name), Value: view(value)})
	case tagLink:
		bucket, rest, _ := cutBytes(field)
		key, rest, _ := cutBytes(rest)
		c.Links = append(c.Links, Link{Bucket: view(bucket), Key: view(key), Tag: view(rest)})
	case tagIndex:
		e, _ := cutIndex(field)
		c.Indexes = append(c.Indexes, e)
	}
}

func cutIndex(field []byte) (e Index, ok bool) {
	if len(field) == 0 {
		return e, false
	}
	name, entry, ok := cutBytes(field[1:])
	e = Index{Name: view(name), Kind: IndexKind(field[0])}
	switch {
	case !ok:
		return e, false
	case e.Kind == BinIndex:
		e.Bin = view(entry)
		return e, true
	case e.Kind == IntIndex && len(entry) == 8:
		e.Int = int64(binary.BigEndian.Uint64(entry))
		return e, true
	default:
		return e, false
	}
}

// millis and timeOf convert between a time and its stored form.
func millis(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(min(max(t.UnixMilli(), 0), maxModified>>1))
}

func timeOf(ms uint64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}

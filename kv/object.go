package kv

import (
	"fmt"
)

// An Object is one value under its name, as a client gives it and as a map
// function sees it. Names are byte strings; nothing requires them to be UTF-8.
//
// The strings and slices of a decoded Object alias the buffer that it was
// decoded from: they are immutable and keep that whole buffer alive, so what
// outlives the call that received the Object should be cloned.
type Object struct {
	Type        string      // bucket type; empty is DefaultType
	Bucket      string      // never empty in a stored object
	Key         string      // never empty in a stored object
	Value       []byte      // any bytes, may be empty
	ContentType string      // media type of Value; may be empty
	Meta        []Attribute // user metadata in the order given; names may repeat
}

// An Attribute is one pair of user metadata.
type Attribute struct {
	Name, Value string
}

// Text returns the value as a string that shares its bytes: no copy is made,
// and substrings of it share them too.
func (o Object) Text() string { return view(o.Value) }

// Attribute returns the value of the first metadata pair of that name.
func (o Object) Attribute(name string) (value string, ok bool) {
	for _, a := range o.Meta {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

// A stored object is a version byte and then fields in ascending tag order:
//
//	01  { tag, uvarint length, bytes }...
//
// The name is not in it: the store key has that. Absent means empty, except for
// the value, which is always there. Clocks, siblings, links and index entries
// take further tags; a reader that meets a tag it does not know refuses the
// object rather than lose the field when it writes the object back.
const (
	formatV1 = 1

	tagContentType = 1
	tagMeta        = 2 // repeats: uvarint name length, name, value
	tagValue       = 15
)

// AppendStored appends the stored form of everything but the name of o.
func AppendStored(dst []byte, o Object) []byte {
	dst = append(dst, formatV1)
	if o.ContentType != "" {
		dst = append(dst, tagContentType)
		dst = appendBytes(dst, o.ContentType)
	}
	var pair []byte
	for _, a := range o.Meta {
		pair = append(appendBytes(pair[:0], a.Name), a.Value...)
		dst = append(dst, tagMeta)
		dst = appendBytes(dst, pair)
	}
	dst = append(dst, tagValue)
	return appendBytes(dst, o.Value)
}

// DecodeStored sets everything but the name of o from its stored form, without
// copying; an o.Meta with room is reused. It fails with [ErrCorrupt], or with
// [ErrFormat] when the object was written in a format that this build does not
// know.
func DecodeStored(o *Object, stored []byte) error {
	if len(stored) == 0 {
		return fmt.Errorf("stored object of no bytes: %w", ErrCorrupt)
	}
	if stored[0] != formatV1 {
		return fmt.Errorf("stored object of format %d: %w", stored[0], ErrFormat)
	}
	o.ContentType, o.Meta = "", o.Meta[:0]
	last := byte(0)
	for rest := stored[1:]; len(rest) > 0; {
		tag := rest[0]
		field, after, ok := cutBytes(rest[1:])
		if !ok || tag < last || (tag == last && tag != tagMeta) {
			return fmt.Errorf("stored object, tag %d: %w", tag, ErrCorrupt)
		}
		if tag == tagValue {
			if len(after) != 0 {
				return fmt.Errorf("stored object, %d bytes after its value: %w", len(after), ErrCorrupt)
			}
			o.Value = field
			return nil
		}
		if err := o.setField(tag, field); err != nil {
			return err
		}
		last, rest = tag, after
	}
	return fmt.Errorf("stored object without a value: %w", ErrCorrupt)
}

func (o *Object) setField(tag byte, field []byte) error {
	switch tag {
	case tagContentType:
		if len(field) == 0 {
			return fmt.Errorf("stored object, empty content type: %w", ErrCorrupt)
		}
		o.ContentType = view(field)
	case tagMeta:
		name, value, ok := cutBytes(field)
		if !ok {
			return fmt.Errorf("stored object, metadata pair: %w", ErrCorrupt)
		}
		o.Meta = append(o.Meta, Attribute{Name: view(name), Value: view(value)})
	default:
		return fmt.Errorf("stored object, tag %d: %w", tag, ErrFormat)
	}
	return nil
}

// DecodeObject returns the object of a store key and its stored value, without
// copying either. It fails with [ErrCorrupt] or [ErrFormat].
func DecodeObject(storeKey, stored []byte) (Object, error) {
	var o Object
	var err error
	if o.Type, o.Bucket, o.Key, err = DecodeKey(storeKey); err != nil {
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

package bucket

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Names of bucket types with a meaning of their own.
const (
	// DefaultType is the type of buckets that name none; the empty name is the
	// same. It is always active.
	DefaultType = "default"
	// AnyType stands for all types where a rule may name one; no type has it.
	AnyType = "any"
)

// Entries of the record: a type by its name, a bucket by the name of its type, a
// byte 0, and its own.
const (
	// Prefix is what the record's keys of types and buckets begin with.
	Prefix       = "bucket"
	typePrefix   = Prefix + "-type/"
	bucketPrefix = Prefix + "/"
)

// Limits of names that have properties, in bytes; the record's keys have limits.
const (
	// MaxTypeName bounds the name of a type.
	MaxTypeName = 255
	// MaxNames bounds a type and a bucket together.
	MaxNames = 1000
)

// normal gives the default type its one form.
func normal(bucketType string) string {
	if bucketType == "" {
		return DefaultType
	}
	return bucketType
}

// A typeEntry is what the record says of a type.
type typeEntry struct {
	Active     bool    `json:"active"`
	Properties Changes `json:"properties"`
}

// decodeType reads an entry of a type. The error is ErrEntry.
func decodeType(raw []byte) (e typeEntry, err error) {
	var wire struct {
		Active     bool            `json:"active"`
		Properties json.RawMessage `json:"properties"`
	}
	if err = json.Unmarshal(raw, &wire); err == nil {
		e.Active = wire.Active
		e.Properties, err = DecodeChanges(wire.Properties)
	}
	if err != nil {
		return e, fmt.Errorf("%w: %w", ErrEntry, err)
	}
	return e, nil
}

// decodeBucket reads an entry of a bucket. The error is ErrEntry.
func decodeBucket(raw []byte) (Changes, error) {
	own, err := DecodeChanges(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEntry, err)
	}
	return own, nil
}

// A Catalog is the properties of all types and buckets at one version of the
// record. It never changes, and is safe for concurrent use.
type Catalog struct {
	defaults Properties
	types    map[string]*catalogType
}

type catalogType struct {
	raw        []byte // its entry
	active     bool
	properties Properties
	err        error             // of the type's own entry
	buckets    map[string]*named // those with properties of their own
}

// named is a bucket with properties of its own.
type named struct {
	raw        []byte // its entry
	properties Properties
	err        error // of the bucket's own entry
}

// NewCatalog returns the catalog of the record's entries, which come in the
// order of their keys; those that are not of types and buckets are passed over.
// An entry that can't be read is an error of its own type or bucket alone.
func NewCatalog(defaults Properties, entries iter.Seq2[string, []byte]) *Catalog {
	empty := &Catalog{defaults: defaults}
	return empty.Next(entries)
}

// Next returns the catalog of a later version's entries, with the same defaults.
// It takes over what did not change, so that one change among many buckets is
// cheap.
func (c *Catalog) Next(entries iter.Seq2[string, []byte]) *Catalog {
	next := &Catalog{c.defaults, make(map[string]*catalogType, len(c.types))}
	// Types come before buckets, and default may have no entry.
	next.types[DefaultType] = c.newType(DefaultType, nil)
	for key, value := range entries {
		if name, ok := strings.CutPrefix(key, typePrefix); ok {
			next.types[name] = c.newType(name, value)
			continue
		}
		name, ok := strings.CutPrefix(key, bucketPrefix)
		if !ok {
			continue
		}
		bucketType, bucket, ok := strings.Cut(name, "\x00")
		if t := next.types[bucketType]; ok && t != nil {
			t.add(c.types[bucketType], bucket, value)
		}
	}
	return next
}

// newType returns a type, taken over from c if its entry is the same.
func (c *Catalog) newType(name string, raw []byte) *catalogType {
	if old := c.types[name]; old != nil && bytes.Equal(old.raw, raw) {
		t := *old
		t.buckets = make(map[string]*named, len(old.buckets))
		return &t
	}
	t := &catalogType{raw: raw, active: name == DefaultType, properties: c.defaults, buckets: make(map[string]*named)}
	if raw == nil {
		return t
	}
	e, err := decodeType(raw)
	t.active = t.active || e.Active
	if err == nil {
		t.properties, err = c.defaults.over(e.Properties)
	}
	t.err = err
	return t
}

// add adds a bucket, taken over from an older catalog's type if neither changed.
func (t *catalogType) add(old *catalogType, bucket string, raw []byte) {
	if old != nil && bytes.Equal(old.raw, t.raw) {
		if b := old.buckets[bucket]; b != nil && bytes.Equal(b.raw, raw) {
			t.buckets[bucket] = b
			return
		}
	}
	b := &named{raw: raw}
	own, err := decodeBucket(raw)
	if err == nil {
		b.properties, err = t.properties.over(own)
	}
	b.err = err
	t.buckets[bucket] = b
}

// Lookup returns the properties of a bucket, without allocation; they are shared
// and must not be changed. The error is ErrNoType, ErrNotActive, or ErrEntry.
// The empty type is DefaultType.
func (c *Catalog) Lookup(bucketType, bucket string) (*Properties, error) {
	t, err := c.active(bucketType)
	if err != nil {
		return nil, err
	}
	b, ok := t.buckets[bucket]
	if !ok {
		return &t.properties, nil
	}
	if b.err != nil {
		return nil, fmt.Errorf("bucket %q of type %q: %w", bucket, normal(bucketType), b.err)
	}
	return &b.properties, nil
}

func (c *Catalog) active(bucketType string) (*catalogType, error) {
	t, ok := c.types[normal(bucketType)]
	switch {
	case !ok:
		return nil, fmt.Errorf("bucket type %q: %w: create and activate it", bucketType, ErrNoType)
	case t.err != nil:
		return nil, fmt.Errorf("bucket type %q: %w", bucketType, t.err)
	case !t.active:
		return nil, fmt.Errorf("bucket type %q: %w: activate it", bucketType, ErrNotActive)
	}
	return t, nil
}

// A Type is a bucket type as a catalog shows it.
type Type struct {
	Name   string `json:"name"`
	Active bool   `json:"active"`
	// Properties are those of its buckets which say nothing else.
	Properties Properties `json:"props"`
	// Err is ErrEntry when the type's entry can't be read; then the properties
	// say nothing.
	Err error `json:"-"`
}

// Types returns all types in the order of their names.
func (c *Catalog) Types() []Type {
	all := make([]Type, 0, len(c.types))
	for name, t := range c.types {
		all = append(all, Type{name, t.active, t.properties, t.err})
	}
	slices.SortFunc(all, func(a, b Type) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Type returns one type, or ErrNoType.
func (c *Catalog) Type(name string) (Type, error) {
	name = normal(name)
	t, ok := c.types[name]
	if !ok {
		return Type{}, fmt.Errorf("bucket type %q: %w", name, ErrNoType)
	}
	return Type{name, t.active, t.properties, t.err}, nil
}

// Buckets returns the names of a type's buckets that have properties of their
// own, in order.
func (c *Catalog) Buckets(bucketType string) []string {
	t, ok := c.types[normal(bucketType)]
	if !ok {
		return nil
	}
	return slices.Sorted(maps.Keys(t.buckets))
}

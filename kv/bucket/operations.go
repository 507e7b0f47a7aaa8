package bucket

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/dee2748c/baton/cluster/topology"
)

// A Record is what operations are decided by; topology.State is one.
type Record interface {
	// Metadata returns the value of an entry and its version, 0 if there is none.
	Metadata(key string) (value []byte, version uint64)
	// MetadataWith returns the entries with a prefix, in order.
	MetadataWith(prefix string) iter.Seq2[string, []byte]
	// NVal returns the cluster's number of copies.
	NVal() int
	// RingSize returns the number of partitions.
	RingSize() int
}

// FromRecord returns the catalog of a record. See [NewCatalog].
func FromRecord(r Record) *Catalog {
	return NewCatalog(Defaults(r.NVal()), r.MetadataWith(Prefix))
}

// Create returns the operations that create a type, not yet active. A type that
// is not active is created anew, with these changes and no others. The error is
// ErrName, ErrReserved, ErrActive or a *PropertyError.
func Create(r Record, name string, c Changes) ([]topology.Op, error) {
	return create(r, name, c, false)
}

// Ensure returns the operations that create and activate a type in one step if
// there is none of that name; there are none if there is. "default" gets the
// changes if none were made to it before. Its errors are as those of Create.
func Ensure(r Record, name string, c Changes) ([]topology.Op, error) {
	if normal(name) == DefaultType {
		if raw, _ := r.Metadata(typeKey(DefaultType)); raw != nil {
			return nil, nil
		}
		return Update(r, name, c)
	}
	if raw, _ := r.Metadata(typeKey(name)); raw != nil {
		return nil, nil
	}
	return create(r, name, c, true)
}

func create(r Record, name string, c Changes, active bool) ([]topology.Op, error) {
	if err := checkType(name); err != nil {
		return nil, fmt.Errorf("create bucket type: %w", err)
	}
	if name == DefaultType || name == AnyType {
		return nil, fmt.Errorf("create bucket type %q: %w: take another name", name, ErrReserved)
	}
	raw, version := r.Metadata(typeKey(name))
	if raw != nil {
		if old, err := decodeType(raw); err == nil && old.Active {
			return nil, fmt.Errorf("create bucket type %q: %w: update it, or take another name", name, ErrActive)
		}
	}
	own, err := c.canonical()
	if err == nil {
		_, err = with(r, Defaults(r.NVal()), own)
	}
	if err != nil {
		return nil, fmt.Errorf("create bucket type %q: %w", name, err)
	}
	return put(typeKey(name), raw, version, typeEntry{active, Changes(nil).merged(own)})
}

// Activate returns the operations that make a created type active; there are
// none if it is. The error is ErrNoType or ErrEntry.
func Activate(r Record, name string) ([]topology.Op, error) {
	if normal(name) == DefaultType {
		return nil, nil
	}
	raw, version := r.Metadata(typeKey(name))
	if raw == nil {
		return nil, fmt.Errorf("activate bucket type %q: %w: create it first", name, ErrNoType)
	}
	e, err := decodeType(raw)
	if err != nil {
		return nil, fmt.Errorf("activate bucket type %q: %w", name, err)
	}
	e.Active = true
	return put(typeKey(name), raw, version, e)
}

// Update returns the operations that make changes to an active type, which
// reach each of its buckets that does not say otherwise. The error is ErrNoType,
// ErrNotActive, ErrEntry or a *PropertyError, also for a bucket of the type that
// would not be valid under the changes.
func Update(r Record, name string, c Changes) ([]topology.Op, error) {
	name = normal(name)
	fail := func(err error) ([]topology.Op, error) { return nil, fmt.Errorf("update bucket type %q: %w", name, err) }
	l, err := layersOf(r, name)
	if err != nil {
		return fail(err)
	}
	own, err := c.canonical()
	if err != nil {
		return fail(err)
	}
	e := typeEntry{true, l.own.merged(own)}
	next, err := with(r, Defaults(r.NVal()), e.Properties)
	if err == nil {
		err = fixed(&l.properties, &next)
	}
	if err != nil {
		return fail(err)
	}
	for key, value := range r.MetadataWith(bucketKey(name, "")) {
		if own, err := decodeBucket(value); err == nil {
			if _, err := next.With(own); err != nil {
				return fail(fmt.Errorf("its bucket %q, which says otherwise: %w", strings.TrimPrefix(key, bucketKey(name, "")), err))
			}
		}
	}
	return put(typeKey(name), l.raw, l.version, e)
}

// Set returns the operations that make changes to a bucket; there are none if
// it says so already. The error is ErrName, ErrNoType, ErrNotActive, ErrEntry or
// a *PropertyError.
func Set(r Record, bucketType, name string, c Changes) ([]topology.Op, error) {
	bucketType = normal(bucketType)
	fail := func(err error) ([]topology.Op, error) {
		return nil, fmt.Errorf("set properties of bucket %q of type %q: %w", name, bucketType, err)
	}
	if name == "" || len(bucketType)+len(name) > MaxNames {
		return fail(fmt.Errorf("%w: a bucket and its type have 1 to %d bytes together to have properties", ErrName, MaxNames))
	}
	l, err := layersOf(r, bucketType)
	if err != nil {
		return fail(err)
	}
	key := bucketKey(bucketType, name)
	raw, version := r.Metadata(key)
	var old Changes
	if raw != nil {
		if old, err = decodeBucket(raw); err != nil {
			return fail(err)
		}
	}
	own, err := c.canonical()
	if err != nil {
		return fail(err)
	}
	merged := old.merged(own)
	next, err := with(r, l.properties, merged)
	if err == nil {
		err = fixed(&l.properties, &next)
	}
	switch {
	case err != nil:
		return fail(err)
	case len(merged) == 0:
		return drop(key, raw, version), nil
	}
	return put(key, raw, version, merged)
}

// Reset returns the operations that take back all that a bucket says; there are
// none if it says nothing.
func Reset(r Record, bucketType, name string) []topology.Op {
	key := bucketKey(normal(bucketType), name)
	raw, version := r.Metadata(key)
	return drop(key, raw, version)
}

// with is Properties.With in the record's cluster: copies are on different
// partitions.
func with(r Record, p Properties, own Changes) (Properties, error) {
	next, err := p.With(own)
	if q := r.RingSize(); err == nil && next.NVal > q {
		err = &PropertyError{"n_val", fmt.Sprint(next.NVal), fmt.Sprintf("the ring has %d partitions: use at most as many copies", q)}
	}
	return next, err
}

// layers are a type as it is.
type layers struct {
	raw        []byte // its entry
	version    uint64
	own        Changes
	properties Properties
}

// layersOf returns an active type.
func layersOf(r Record, name string) (l layers, err error) {
	l.raw, l.version = r.Metadata(typeKey(name))
	e := typeEntry{Active: name == DefaultType}
	if l.raw != nil {
		if e, err = decodeType(l.raw); err != nil {
			return l, err
		}
	}
	switch {
	case l.raw == nil && name != DefaultType:
		return l, fmt.Errorf("%w: create and activate it first", ErrNoType)
	case !e.Active:
		return l, fmt.Errorf("%w: activate it first", ErrNotActive)
	}
	l.own = e.Properties
	l.properties, err = Defaults(r.NVal()).over(l.own)
	return l, err
}

// fixed refuses changes that would leave objects where they are not looked for,
// or written as they must not be.
func fixed(old, next *Properties) error {
	const remedy = "it can only be said when a bucket type is created: create a type with it"
	switch {
	case old.BucketOnly != next.BucketOnly:
		return &PropertyError{"chash_keyfun", text(getKeyFun(next)), remedy}
	case old.WriteOnce != next.WriteOnce:
		return &PropertyError{"write_once", text(next.WriteOnce), remedy}
	}
	return nil
}

// checkType refuses names that no type can have.
func checkType(name string) error {
	if name == "" || len(name) > MaxTypeName || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7F }) {
		return fmt.Errorf("%w: use 1 to %d bytes of UTF-8 without control characters, not %q", ErrName, MaxTypeName, short([]byte(name)))
	}
	return nil
}

// typeKey returns the record's key of a type.
func typeKey(name string) string { return typePrefix + name }

// bucketKey returns the record's key of a bucket.
func bucketKey(bucketType, name string) string { return bucketPrefix + bucketType + "\x00" + name }

// put returns the operations that make an entry what it is to be.
func put(key string, raw []byte, version uint64, entry any) ([]topology.Op, error) {
	value, err := json.Marshal(entry)
	if err != nil || bytes.Equal(value, raw) {
		return nil, err
	}
	return []topology.Op{topology.PutMetadata{Key: key, Value: value, Expect: version}}, nil
}

// drop returns the operations that delete an entry.
func drop(key string, raw []byte, version uint64) []topology.Op {
	if raw == nil {
		return nil
	}
	return []topology.Op{topology.PutMetadata{Key: key, Expect: version}}
}

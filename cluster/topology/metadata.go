package topology

import (
	"cmp"
	"fmt"
	"iter"
	"strings"
)

// Bounds of the metadata.
const (
	MaxMetadataKey   = 1024     // bytes of a key
	MaxMetadataValue = 64 << 10 // bytes of a value
	// MaxMetadata bounds all entries together, in bytes; each counts its key, its value and
	// metadataCost.
	MaxMetadata  = 16 << 20
	metadataCost = 32
)

// metadata is one entry of the record's metadata.
type metadata struct {
	key     string
	value   []byte // never nil
	version uint64 // the record's, at the last change
}

func (m metadata) order(o metadata) int { return cmp.Compare(m.key, o.key) }

func (m metadata) cost() int { return len(m.key) + len(m.value) + metadataCost }

// Metadata returns the value under a key and the version of the record at its last change: what
// PutMetadata expects. The value is shared and must not be modified; it is nil, and the version 0, when
// there is no entry. It costs O(log entries) and does not allocate.
func (s State) Metadata(key string) (value []byte, version uint64) {
	m, _ := s.rec().metadata.get(metadata{key: key})
	return m.value, m.version
}

// MetadataWith returns the entries whose keys begin with the prefix, in the order of their keys. The
// values are shared and must not be modified.
func (s State) MetadataWith(prefix string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for m := range s.rec().metadata.from(metadata{key: prefix}) {
			if !strings.HasPrefix(m.key, prefix) || !yield(m.key, m.value) {
				return
			}
		}
	}
}

// MetadataVersion returns the version of the record at the last change of any entry: what was derived
// from the metadata holds until it differs.
func (s State) MetadataVersion() uint64 { return s.rec().metadataVersion }

func (op PutMetadata) operand() string {
	return fmt.Sprintf("%q of %d bytes at version %d", op.Key[:min(len(op.Key), 100)], len(op.Value), op.Expect)
}

func (op PutMetadata) apply(c *change) {
	old, known := c.metadata.get(metadata{key: op.Key})
	next := metadata{key: op.Key, value: op.Value, version: c.version}
	bytes := c.metadataBytes
	if known {
		bytes -= old.cost()
	}
	if op.Value != nil {
		bytes += next.cost()
	}
	switch {
	case op.Key == "" || len(op.Key) > MaxMetadataKey:
		c.refuse(CodeInvalid, "a key has 1 to %d bytes", MaxMetadataKey)
	case len(op.Value) > MaxMetadataValue:
		c.refuse(CodeInvalid, "a value has at most %d bytes", MaxMetadataValue)
	case old.version != op.Expect:
		c.refuse(CodeMetadataChanged, "the entry is of version %d: read it and decide again", old.version)
	case bytes > MaxMetadata && bytes > c.metadataBytes:
		c.refuse(CodeRecordFull, "the metadata has %d bytes of at most %d: delete entries first", c.metadataBytes, MaxMetadata)
	case op.Value == nil && !known:
	default:
		if op.Value == nil {
			c.metadata = c.metadata.drop(old)
		} else {
			next.value = append([]byte{}, op.Value...)
			c.metadata = c.metadata.put(next)
		}
		c.metadataBytes, c.metadataVersion = bytes, c.version
		c.applied()
	}
}

func (w *writer) metadata(r *record) {
	w.u64(r.metadataVersion)
	w.int(r.metadata.size)
	for _, chunk := range r.metadata.chunks {
		for _, m := range chunk {
			w.str(m.key)
			w.blob(m.value)
			w.u64(m.version)
		}
	}
}

func (r *reader) metadata(c *record) {
	if c.metadataVersion = r.u64(); c.metadataVersion > c.version {
		r.fail("metadata of version %d after version %d", c.metadataVersion, c.version)
	}
	var list []metadata
	for n := r.count(); n > 0 && r.err == nil; n-- {
		m := metadata{key: r.text(), value: r.blob(), version: r.u64()}
		if m.key == "" || len(m.key) > MaxMetadataKey || m.version == 0 || m.version > c.metadataVersion ||
			len(list) > 0 && list[len(list)-1].key >= m.key {
			r.fail("metadata %.100q of version %d", m.key, m.version)
		}
		if c.metadataBytes += m.cost(); c.metadataBytes > MaxMetadata {
			r.fail("%d bytes of metadata", c.metadataBytes)
		}
		list = append(list, m)
	}
	c.metadata = sortedOf(list)
}

// blob writes a value of the metadata.
func (w *writer) blob(b []byte) {
	if len(b) > MaxMetadataValue {
		w.fail("value of %d bytes, the limit is %d", len(b), MaxMetadataValue)
		return
	}
	w.u64(uint64(len(b)))
	w.b = append(w.b, b...)
}

// blob reads a value of the metadata. It is never nil.
func (r *reader) blob() []byte {
	n := r.int()
	if n > MaxMetadataValue {
		r.fail("value of %d bytes", n)
		return nil
	}
	return append([]byte{}, r.bytes(n)...)
}

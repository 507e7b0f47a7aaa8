package kv

import "fmt"

// Limits of one object. Encoding a request checks them, so that what is too
// large fails at the client, and the vnode checks them again.
const (
	// MaxNameBytes bounds a bucket type, a bucket and a key, each.
	MaxNameBytes = 1<<16 - 1
	// MaxValueBytes bounds a value.
	MaxValueBytes = 7 << 20
	// MaxMetaBytes bounds everything but the value of one content: types,
	// metadata, links and index entries together.
	MaxMetaBytes = 64 << 10
	// MaxContextBytes bounds a context. A clock gains an entry of some 20 bytes
	// when a key is written under an owner that never wrote it before.
	MaxContextBytes = 64 << 10
	// MaxSiblings bounds the siblings of an object.
	MaxSiblings = 100
	// MaxSiblingBytes bounds the stored siblings of an object together, at a put.
	// A merge of copies that did not hear of each other keeps all that each has
	// acknowledged.
	MaxSiblingBytes = MaxValueBytes + 2*MaxMetaBytes
	// MaxMergedBytes bounds what the copies of an object may hold together, which
	// passes between nodes and can be the input of a job. Each of n copies may take
	// an nth of it from fallbacks and by puts; that is never below MaxSiblingBytes.
	MaxMergedBytes = 120 << 20

	// maxEvent bounds a number in a context from outside, so that there are
	// higher ones left.
	maxEvent = 1 << 62
)

func (o *Object) check() error {
	if err := checkName(o.Type, o.Bucket, o.Key); err != nil {
		return err
	}
	c := o.content()
	return c.check(o.Bucket, o.Key)
}

func (c *Content) check(bucket, key string) error {
	if n := len(c.Value); n > MaxValueBytes {
		return fmt.Errorf("value of %q/%q has %d bytes, the limit is %d: %w", bucket, key, n, MaxValueBytes, ErrTooLarge)
	}
	if n := c.metaBytes(); n > MaxMetaBytes {
		return fmt.Errorf("metadata of %q/%q has %d bytes, the limit is %d: %w", bucket, key, n, MaxMetaBytes, ErrTooLarge)
	}
	for i := range c.Indexes {
		if k := c.Indexes[i].Kind; k > IntIndex {
			return fmt.Errorf("index %q of %q/%q has the unknown kind %d: %w", c.Indexes[i].Name, bucket, key, k, ErrBadRequest)
		}
	}
	return nil
}

// check refuses a state that has grown beyond the limits.
func (s *State) check(bucket, key string) error {
	if n := contextLen(s.Clock); n > MaxContextBytes {
		return fmt.Errorf("clock of %q/%q would have %d bytes, the limit is %d; delete the key and write it anew: %w", bucket, key, n, MaxContextBytes, ErrTooLarge)
	}
	if n := len(s.Siblings); n > MaxSiblings {
		return fmt.Errorf("%q/%q has %d values, the limit is %d; get it and write with its context: %w", bucket, key, MaxSiblings, MaxSiblings, ErrSiblings)
	}
	if size := s.contentBytes(); size > MaxSiblingBytes {
		return fmt.Errorf("siblings of %q/%q would have %d bytes, the limit is %d; get it and write with its context: %w", bucket, key, size, MaxSiblingBytes, ErrSiblings)
	}
	return nil
}

// contentBytes returns the length of all values, without their clock.
func (s *State) contentBytes() (size int) {
	for i := range s.Siblings {
		size += len(s.Siblings[i].Content)
	}
	return size
}

func checkName(bucketType, bucket, key string) error {
	if bucket == "" || key == "" {
		return fmt.Errorf("bucket %q, key %q: %w", bucket, key, ErrEmptyName)
	}
	return checkLengths(bucketType, bucket, key)
}

func checkLengths(names ...string) error {
	for _, name := range names {
		if len(name) > MaxNameBytes {
			return fmt.Errorf("name of %d bytes, the limit is %d: %w", len(name), MaxNameBytes, ErrTooLarge)
		}
	}
	return nil
}

package kv

import "fmt"

// Limits of one object. Encoding a request checks them, so that what is too
// large fails at the client, and the vnode checks them again.
const (
	// MaxNameBytes bounds a bucket type, a bucket and a key, each.
	MaxNameBytes = 1<<16 - 1
	// MaxValueBytes bounds a value, so that every object that can be stored can
	// be the input of a job: an item of a pipe has at most 8 MiB, names and
	// metadata included.
	MaxValueBytes = 7 << 20
	// MaxMetaBytes bounds the content type and the metadata of one object
	// together.
	MaxMetaBytes = 64 << 10
)

func (o Object) check() error {
	if err := checkName(o.Type, o.Bucket, o.Key); err != nil {
		return err
	}
	if n := len(o.Value); n > MaxValueBytes {
		return fmt.Errorf("value of %q/%q has %d bytes, the limit is %d: %w", o.Bucket, o.Key, n, MaxValueBytes, ErrTooLarge)
	}
	n := len(o.ContentType)
	for _, a := range o.Meta {
		n += len(a.Name) + len(a.Value)
	}
	if n > MaxMetaBytes {
		return fmt.Errorf("metadata of %q/%q has %d bytes, the limit is %d: %w", o.Bucket, o.Key, n, MaxMetaBytes, ErrTooLarge)
	}
	return nil
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

package kv

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/store"
)

// A Scanner reads the objects of one bucket and head from a snapshot of a
// partition, in key order, in the form in which they travel. It passes over
// objects that are deleted and looks at no other one: what it yields decodes with [DecodeItem].
//
//	s := NewScanner(snapshot, head, "", "corpus", cursor)
//	for s.Next() {
//		batch = s.AppendItem(batch)
//	}
//	if err := s.Close(); err != nil ...
//
// A scanner belongs to one goroutine. It does not close the snapshot.
type Scanner struct {
	it   store.Iterator
	item store.Item
}

// NewScanner returns a scanner over the bucket's objects of the head behind the store key
// cursor; an empty cursor means all of them. It fails with [ErrCorrupt] when the
// cursor is not a store key of the bucket.
func NewScanner(s store.Snapshot, head ring.Partition, bucketType, bucket string, cursor []byte) (*Scanner, error) {
	after := ""
	if len(cursor) > 0 {
		h, t, b, k, err := DecodeKey(cursor)
		if err != nil {
			return nil, err
		}
		if h != head || t != normalType(bucketType) || b != bucket {
			return nil, fmt.Errorf("cursor in bucket %q/%q of head %d, scan of %q/%q of head %d: %w", t, b, h, bucketType, bucket, head, ErrCorrupt)
		}
		after = k
	}
	from, to := BucketRange(head, bucketType, bucket, after)
	return &Scanner{it: s.Scan(from, to)}, nil
}

// Next moves to the next object; it returns false at the end and on an error,
// which Close returns.
func (s *Scanner) Next() bool {
	for s.it.Next() {
		if s.item = s.it.Item(); !storedDeleted(s.item.Value) {
			return true
		}
	}
	s.item = store.Item{}
	return false
}

// Key returns the store key of the current object: the cursor from which
// another scanner goes on behind it. It is valid until Next.
func (s *Scanner) Key() []byte { return s.item.Key }

// AppendItem appends the current object as [AppendItem] does.
func (s *Scanner) AppendItem(dst []byte) []byte { return AppendItem(dst, s.item.Key, s.item.Value) }

// Close releases the scanner and returns the error that ended it, if any.
func (s *Scanner) Close() error {
	err := s.it.Err()
	if cerr := s.it.Close(); err == nil {
		err = cerr
	}
	return err
}

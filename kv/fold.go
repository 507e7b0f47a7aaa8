package kv

import (
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

var _ vnode.Folder = kind{}

// BucketQuery returns the query by which [Kind] feeds a bucket's objects to a
// pipe; each item decodes with [DecodeItem].
func BucketQuery(bucketType, bucket string) []byte { return AppendPrefix(nil, bucketType, bucket) }

// Fold returns the objects of the bucket that the query names. It fails with
// [ErrBadRequest] when the query is not a bucket's.
func (kind) Fold(snapshot store.Snapshot, query []byte) (vnode.Fold, error) {
	bucketType, bucket, err := decodePrefix(query)
	if err != nil {
		return nil, err
	}
	return NewScanner(snapshot, bucketType, bucket, nil)
}

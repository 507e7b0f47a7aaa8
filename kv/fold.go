package kv

import (
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

var _ vnode.Folder = kind{}

// BucketQuery returns the query by which [Kind] feeds a bucket's objects to a
// pipe; each item decodes with [DecodeItem].
func BucketQuery(bucketType, bucket string) []byte { return AppendPrefix(nil, 0, bucketType, bucket) }

// DecodeBucketQuery returns the bucket of a query. It fails with [ErrBadRequest].
func DecodeBucketQuery(query []byte) (bucketType, bucket string, err error) {
	_, bucketType, bucket, err = decodePrefix(query)
	return bucketType, bucket, err
}

// Fold returns the objects of the bucket that the query names whose head is p:
// so each object counts once, whatever the number of its copies. It fails with
// [ErrBadRequest] when the query is not a bucket's.
func (kind) Fold(p ring.Partition, snapshot store.Snapshot, query []byte) (vnode.Fold, error) {
	bucketType, bucket, err := DecodeBucketQuery(query)
	if err != nil {
		return nil, err
	}
	return NewScanner(snapshot, p, bucketType, bucket, nil)
}

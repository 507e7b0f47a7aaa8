package kv

import (
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv/bucket"
)

// Point returns where a name lies in the key space: the hash that its copies
// are placed by. Names of the default type hash as Riak's (bucket, key) do,
// names of another type as ((type, bucket), key).
func Point(bucketType, bucket, key string) ring.Hash {
	if normalType(bucketType) == "" {
		return ring.HashKey(bytesOf(bucket), bytesOf(key))
	}
	return ring.HashTypedKey(bytesOf(bucketType), bytesOf(bucket), bytesOf(key))
}

// Route returns the partition that holds a name on a ring of the given size.
func Route(bucketType, bucket, key string, ringSize int) ring.Partition {
	return Point(bucketType, bucket, key).Partition(ringSize)
}

// Head is Route for a bucket with the properties p, which may place all objects
// of the bucket by its name alone.
func Head(p *bucket.Properties, bucketType, bucketName, key string, ringSize int) ring.Partition {
	if p.BucketOnly {
		key = ""
	}
	return Route(bucketType, bucketName, key, ringSize)
}

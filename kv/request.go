package kv

import (
	"fmt"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv/bucket"
)

// A Choice is yes, no, or what the bucket says.
type Choice int8

// The choices.
const (
	Unset Choice = iota // as the bucket's properties say
	Yes
	No
)

func (c Choice) or(bucket bool) bool { return c == Yes || c == Unset && bucket }

type (
	// Put writes the value in the fields of Object. It supersedes what the
	// object's Context has seen, and stands beside the rest as a sibling; its
	// Siblings and its Deleted are not written.
	//
	// The conditions are decided by the vnode that coordinates the write, in the
	// same step as the write, after it has been given what a quorum of copies
	// holds. A put whose condition does not hold changes nothing. Of two
	// conditional puts at once, coordinated by different vnodes, both may succeed,
	// and are siblings then.
	Put struct {
		Object Object
		// IfNoneMatch writes only if there is no object, else [ErrExists].
		IfNoneMatch bool
		// IfNotModified writes only if the object is still the version that the
		// Context came with, else [ErrModified], or [ErrNotFound] if it is gone.
		IfNotModified bool
		// IfMatch, unless empty, writes only if this is the object's entity tag,
		// else [ErrModified], or [ErrNotFound] if there is no object.
		IfMatch string
		// KeepModified keeps the Modified of the Object, unless it is later than
		// now; it is for imports. A bucket with last_write_wins takes the value for
		// as old as that, one with a ttl lets it expire as soon. The time is still
		// put behind those of the values that a copy holds already.
		KeepModified bool
		Options      WriteOptions
	}
	// Get reads one object, with all its siblings.
	Get struct {
		Type, Bucket, Key string
		// Tombstones shows the tombstones among the siblings, and alone: then the
		// object is Deleted.
		Tombstones bool
		Options    ReadOptions
	}
	// Delete writes a tombstone in the place of what Context has seen; what it
	// has not seen stays. Without a Context it takes everything that a quorum of
	// copies holds. Deleting what is not there succeeds and says so.
	Delete struct {
		Type, Bucket, Key string
		Context           Context
		Modified          time.Time // wall time of the delete, as of a [Content]
		Options           WriteOptions
	}
	// WriteOptions override the properties of the bucket; zero values do not.
	WriteOptions struct {
		// W is how many copies acknowledge the write, DW how many of them durably,
		// PW how many of them have to be primaries.
		W, DW, PW bucket.Quorum
		// NodeConfirms is how many nodes have to be among them.
		NodeConfirms int
		// Sloppy lets fallbacks stand in for primaries.
		Sloppy Choice
		// R and PR are those of the read that comes before a conditional put and a
		// delete without a context.
		R, PR bucket.Quorum
	}
	// ReadOptions override the properties of the bucket; zero values do not.
	ReadOptions struct {
		// R is how many copies answer, PR how many of them have to be primaries.
		R, PR bucket.Quorum
		// NodeConfirms is how many nodes have to be among them.
		NodeConfirms int
		// NotFoundOK counts a copy that has not got the key as an answer.
		NotFoundOK Choice
		// BasicQuorum ends the read as soon as a majority has not got the key.
		BasicQuorum Choice
		// Sloppy lets fallbacks stand in for primaries.
		Sloppy Choice
	}
)

// DefaultPageItems is how many entries a page of an [IndexQuery] without a limit
// has.
const DefaultPageItems = 1000

// Operation codes: the first byte of a command body. The encodings of put, get,
// delete, merge and digest are in command.go.
const (
	opPut byte = iota + 1
	opGet
	opDelete
	_ // was a listing of one copy
	opMerge
	opDigest
	opReap
	opReapable
	opTree
	opIndex
	opBuckets
	opSweep
)

func decodeName(storeKey []byte) (head ring.Partition, bucketType, bucket, key string, err error) {
	head, bucketType, bucket, key, err = DecodeKey(storeKey)
	if err != nil {
		return 0, "", "", "", fmt.Errorf("name %x: %w", storeKey, ErrBadRequest)
	}
	return head, bucketType, bucket, key, nil
}

func decodePrefix(prefix []byte) (head ring.Partition, bucketType, bucket string, err error) {
	head, bucketType, bucket, key, err := decodeName(prefix)
	if err == nil && key != "" {
		err = fmt.Errorf("prefix %x: %w", prefix, ErrBadRequest)
	}
	return head, bucketType, bucket, err
}

package kv

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/kv/bucket"
)

// A Request is an operation that one partition serves by itself. Its encoding is
// the body of a vnode command. [Put], [Get] and [Delete] concern all copies of a
// key: [NewWrite] and [NewRead] make the machines that ask them.
type Request interface {
	// appendBody appends the encoding of the request.
	appendBody(dst []byte, head ring.Partition) []byte
	// check reports a name or value that no vnode would accept.
	check() error
}

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
		Options WriteOptions
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
	// List reads one page of the bucket's objects that this partition holds for
	// a head, in key order; the reply is a [Page].
	List struct {
		Type, Bucket string
		// After is the key that the page begins behind; empty means from the start.
		After string
		// Limit is how many objects the page holds at most. Default 1000.
		Limit int
		// Bytes is the size from which on the page takes no further object.
		// Default 1 MiB.
		Bytes int
		// KeysOnly leaves the values out: the objects of the page have a name only.
		KeysOnly bool
	}
)

// Page limits of a [List] that names none.
const (
	DefaultPageItems = 1000
	DefaultPageBytes = 1 << 20
)

// Operation codes: the first byte of a command body. The encodings of put, get,
// delete, merge and digest are in command.go.
const (
	opPut byte = iota + 1
	opGet
	opDelete
	opList
	opMerge
	opDigest
	opReap
	opReapable
	opTree
	opIndex
	opBuckets
	opSweep
)

// EncodeRequest returns the command body of r for the objects of a head. It
// fails with [ErrEmptyName] or [ErrTooLarge], before anything is sent.
//
//	op  flags  uvarint limit  uvarint bytes             List
//	    uvarint length, store prefix  after
func EncodeRequest(r Request, head ring.Partition) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	return r.appendBody(nil, head), nil
}

// rawList is a List as the vnode works on it.
type rawList struct {
	prefix, after []byte
	limit, bytes  int
	keysOnly      bool
}

const listKeysOnly = 1 // the only flag of a List

// cutList takes apart what is behind the operation code of a List.
func cutList(b []byte) (raw rawList, err error) {
	bad := fmt.Errorf("list: %w", ErrBadRequest)
	if len(b) == 0 || b[0] > listKeysOnly {
		return raw, bad
	}
	raw.keysOnly = b[0] == listKeysOnly
	limit, b, ok := cutUvarint(b[1:])
	if !ok || limit == 0 || limit > 1<<30 {
		return raw, bad
	}
	size, b, ok := cutUvarint(b)
	if !ok || size == 0 || size > 1<<30 {
		return raw, bad
	}
	raw.limit, raw.bytes = int(limit), int(size)
	if raw.prefix, raw.after, ok = cutBytes(b); !ok {
		return raw, bad
	}
	return raw, nil
}

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

func (r List) appendBody(dst []byte, head ring.Partition) []byte {
	if r.Limit <= 0 {
		r.Limit = DefaultPageItems
	}
	if r.Bytes <= 0 {
		r.Bytes = DefaultPageBytes
	}
	flags := byte(0)
	if r.KeysOnly {
		flags = listKeysOnly
	}
	dst = append(dst, opList, flags)
	dst = binary.AppendUvarint(dst, uint64(r.Limit))
	dst = binary.AppendUvarint(dst, uint64(r.Bytes))
	dst = appendBytes(dst, AppendPrefix(nil, head, r.Type, r.Bucket))
	return append(dst, r.After...)
}

func (r List) check() error {
	if r.Bucket == "" {
		return fmt.Errorf("list: %w", ErrEmptyName)
	}
	return checkLengths(r.Type, r.Bucket, r.After)
}

package kv

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/dee2748c/baton/cluster/ring"
)

// A Request is one operation that a partition serves: [Put], [Get], [Delete] or
// [List]. Its encoding is the body of a vnode command.
type Request interface {
	// appendBody appends the encoding of the request.
	appendBody(dst []byte, head ring.Partition) []byte
	// check reports a name or value that no vnode would accept.
	check() error
}

type (
	// Put writes the value in the fields of Object. It supersedes what the
	// object's Context has seen, and stands beside the rest as a sibling; its
	// Siblings and its Deleted are not written. The reply is a [Written].
	//
	// The conditions are decided by the vnode in the same step as the write. A
	// put whose condition does not hold changes nothing.
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
		// Bucket says how the bucket treats concurrent writes.
		Bucket BucketOptions
	}
	// Get reads one object; the reply is the object with all its siblings.
	Get struct {
		Type, Bucket, Key string
		// Tombstones shows the tombstones among the siblings.
		Tombstones bool
	}
	// Delete writes a tombstone in the place of what Context has seen; what it
	// has not seen stays. Without a Context it takes everything that is there.
	// Deleting what is not there succeeds and says so; the reply is a [Deleted].
	Delete struct {
		Type, Bucket, Key string
		Context           Context
		Modified          time.Time // wall time of the delete, as of a [Content]
	}
	// List reads one page of the bucket's objects that this partition holds, in
	// key order; the reply is a [Page].
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

// BucketOptions are the properties of a bucket that decide about its writes.
// The zero value keeps siblings, as allow_mult does.
type BucketOptions struct {
	// LastWriteWins makes each write supersede all that its copy holds, seen or
	// not: there are no siblings, and of concurrent writes all but one are lost
	// although each was acknowledged.
	LastWriteWins bool
}

// Page limits of a [List] that names none.
const (
	DefaultPageItems = 1000
	DefaultPageBytes = 1 << 20
)

// Operation codes: the first byte of a command body.
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
)

// EncodeRequest returns the command body of r. It fails with [ErrEmptyName] or
// [ErrTooLarge], before anything is sent.
//
//	op  flags  write  [16 bytes of entity tag]          Put
//	    uvarint length, store key  content
//	op  store key                                       Get
//	op  write  store key                                Delete
//	op  flags  uvarint limit  uvarint bytes             List
//	    uvarint length, store prefix  after
//	write: uvarint length, context  uvarint milliseconds
func EncodeRequest(r Request, head ring.Partition) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	return r.appendBody(nil, head), nil
}

// DecodeRequest is the inverse of [EncodeRequest]; the strings and slices of
// the request alias body, and what is not sent is left out: Tombstones of a Get,
// the Siblings of a Put. It fails with [ErrBadRequest], or with [ErrFormat] for
// a put of an object in a format unknown here.
func DecodeRequest(body []byte) (Request, error) {
	raw, err := cutRequest(body)
	if err != nil {
		return nil, err
	}
	if err := raw.context.Check(); err != nil {
		return nil, err
	}
	if raw.op == opList {
		_, t, b, err := decodePrefix(raw.prefix)
		if err != nil {
			return nil, err
		}
		return List{Type: t, Bucket: b, After: view(raw.after), Limit: raw.limit, Bytes: raw.bytes, KeysOnly: raw.keysOnly}, nil
	}
	_, t, b, k, err := decodeName(raw.key)
	if err != nil {
		return nil, err
	}
	switch raw.op {
	case opPut:
		var c Content
		if err := decodeContent(&c, raw.content); err != nil {
			return nil, fmt.Errorf("put %q/%q: %w", b, k, err)
		}
		c.Modified = timeOf(raw.modified)
		put := Put{
			Object:      Object{Type: t, Bucket: b, Key: k, Context: raw.context},
			IfNoneMatch: raw.flags&putIfNoneMatch != 0, IfNotModified: raw.flags&putIfNotModified != 0,
			Bucket: BucketOptions{LastWriteWins: raw.flags&putLastWriteWins != 0},
		}
		if raw.flags&putIfMatch != 0 {
			put.IfMatch = hex.EncodeToString(raw.etag)
		}
		put.Object.setContent(&c)
		return put, nil
	case opGet:
		return Get{Type: t, Bucket: b, Key: k}, nil
	default:
		return Delete{Type: t, Bucket: b, Key: k, Context: raw.context, Modified: timeOf(raw.modified)}, nil
	}
}

// rawRequest is a request whose names are left in store form: what the vnode
// works on.
type rawRequest struct {
	op  byte
	key []byte // Put, Get, Delete: the store key

	context  Context // Put, Delete
	modified uint64

	flags   byte   // Put
	etag    []byte // of putIfMatch
	content []byte

	prefix, after []byte // List
	limit, bytes  int
	keysOnly      bool
}

func cutRequest(body []byte) (rawRequest, error) {
	bad := func(what string) (rawRequest, error) {
		return rawRequest{}, fmt.Errorf("%s: %w", what, ErrBadRequest)
	}
	if len(body) == 0 {
		return bad("empty body")
	}
	raw, rest := rawRequest{op: body[0]}, body[1:]
	var ok bool
	switch raw.op {
	case opPut:
		if !raw.cutPut(rest) {
			return bad("put")
		}
	case opGet:
		raw.key = rest
	case opDelete:
		if raw.key, ok = raw.cutWrite(rest); !ok {
			return bad("delete")
		}
	case opList:
		if !raw.cutList(rest) {
			return bad("list")
		}
	default:
		return bad(fmt.Sprintf("operation %d", raw.op))
	}
	return raw, nil
}

// Flags of a Put.
const (
	putIfNoneMatch = 1 << iota
	putIfNotModified
	putIfMatch
	putLastWriteWins
	putFlagsEnd

	etagBytes = 16
)

func (raw *rawRequest) cutPut(b []byte) (ok bool) {
	if len(b) == 0 || b[0] >= putFlagsEnd {
		return false
	}
	raw.flags = b[0]
	if b, ok = raw.cutWrite(b[1:]); !ok {
		return false
	}
	if raw.flags&putIfMatch != 0 {
		if len(b) < etagBytes {
			return false
		}
		raw.etag, b = b[:etagBytes], b[etagBytes:]
	}
	raw.key, raw.content, ok = cutBytes(b)
	return ok
}

func (raw *rawRequest) cutWrite(b []byte) (rest []byte, ok bool) {
	context, b, ok := cutBytes(b)
	if !ok {
		return nil, false
	}
	raw.context = Context(view(context))
	raw.modified, rest, ok = cutUvarint(b)
	return rest, ok && raw.modified <= maxModified>>1
}

func appendWrite(dst []byte, c Context, modified time.Time) []byte {
	return binary.AppendUvarint(appendBytes(dst, string(c)), millis(modified))
}

const listKeysOnly = 1 // the only flag of a List

func (raw *rawRequest) cutList(b []byte) bool {
	if len(b) == 0 || b[0] > listKeysOnly {
		return false
	}
	raw.keysOnly = b[0] == listKeysOnly
	limit, b, ok := cutUvarint(b[1:])
	if !ok || limit == 0 || limit > 1<<30 {
		return false
	}
	size, b, ok := cutUvarint(b)
	if !ok || size == 0 || size > 1<<30 {
		return false
	}
	raw.limit, raw.bytes = int(limit), int(size)
	raw.prefix, raw.after, ok = cutBytes(b)
	return ok
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

func (r Put) appendBody(dst []byte, head ring.Partition) []byte {
	flags := byte(0)
	if r.IfNoneMatch {
		flags |= putIfNoneMatch
	}
	if r.IfNotModified {
		flags |= putIfNotModified
	}
	if r.IfMatch != "" {
		flags |= putIfMatch
	}
	if r.Bucket.LastWriteWins {
		flags |= putLastWriteWins
	}
	o := &r.Object
	c := o.content()
	n := keyLen(o.Type, o.Bucket, o.Key)
	dst = slices.Grow(dst, requestRoom+len(o.Context)+n+len(c.Value)+len(c.ContentType))
	dst = appendWrite(append(dst, opPut, flags), o.Context, o.Modified)
	if flags&putIfMatch != 0 {
		dst, _ = hex.AppendDecode(dst, bytesOf(r.IfMatch)) // checked
	}
	dst = AppendKey(binary.AppendUvarint(dst, uint64(n)), head, o.Type, o.Bucket, o.Key)
	return appendContent(dst, &c)
}

// requestRoom is room for what a put adds to its parts.
const requestRoom = 48

func (r Get) appendBody(dst []byte, head ring.Partition) []byte {
	dst = slices.Grow(dst, 1+keyLen(r.Type, r.Bucket, r.Key))
	return AppendKey(append(dst, opGet), head, r.Type, r.Bucket, r.Key)
}

func (r Delete) appendBody(dst []byte, head ring.Partition) []byte {
	dst = appendWrite(append(dst, opDelete), r.Context, r.Modified)
	return AppendKey(dst, head, r.Type, r.Bucket, r.Key)
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

func (r Put) check() error {
	if err := r.Object.check(); err != nil {
		return err
	}
	if r.IfNotModified && r.Object.Context == "" {
		return fmt.Errorf("put %q/%q if not modified, without the context to compare with: %w", r.Object.Bucket, r.Object.Key, ErrBadRequest)
	}
	if tag, err := hex.DecodeString(r.IfMatch); err != nil || r.IfMatch != "" && len(tag) != etagBytes {
		return fmt.Errorf("put %q/%q if match %.40q, which is no entity tag: %w", r.Object.Bucket, r.Object.Key, r.IfMatch, ErrBadRequest)
	}
	return r.Object.Context.Check()
}

func (r Get) check() error { return checkName(r.Type, r.Bucket, r.Key) }

func (r Delete) check() error {
	if err := checkName(r.Type, r.Bucket, r.Key); err != nil {
		return err
	}
	return r.Context.Check()
}

func (r List) check() error {
	if r.Bucket == "" {
		return fmt.Errorf("list: %w", ErrEmptyName)
	}
	return checkLengths(r.Type, r.Bucket, r.After)
}

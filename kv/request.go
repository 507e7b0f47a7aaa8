package kv

import (
	"encoding/binary"
	"fmt"
)

// A Request is one operation that a partition serves: [Put], [Get], [Delete] or
// [List]. Its encoding is the body of a vnode command.
type Request interface {
	// appendBody appends the encoding of the request.
	appendBody(dst []byte) []byte
	// check reports a name or value that no vnode would accept.
	check() error
}

type (
	// Put stores Object, replacing what was there.
	Put struct{ Object Object }
	// Get reads one object; the reply is the object.
	Get struct{ Type, Bucket, Key string }
	// Delete removes one object. Deleting what is not there succeeds and says so.
	Delete struct{ Type, Bucket, Key string }
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
)

// EncodeRequest returns the command body of r. It fails with [ErrEmptyName] or
// [ErrTooLarge], before anything is sent.
//
//	op  uvarint length, store key  stored object        Put
//	op  store key                                       Get, Delete
//	op  flags  uvarint limit  uvarint bytes             List
//	    uvarint length, store prefix  after
func EncodeRequest(r Request) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	return r.appendBody(nil), nil
}

// DecodeRequest is the inverse of [EncodeRequest]; the strings and slices of
// the request alias body. It fails with [ErrBadRequest], or with [ErrFormat] for
// a put of an object in a format unknown here.
func DecodeRequest(body []byte) (Request, error) {
	raw, err := cutRequest(body)
	if err != nil {
		return nil, err
	}
	if raw.op == opList {
		t, b, err := decodePrefix(raw.prefix)
		if err != nil {
			return nil, err
		}
		return List{Type: t, Bucket: b, After: view(raw.after), Limit: raw.limit, Bytes: raw.bytes, KeysOnly: raw.keysOnly}, nil
	}
	t, b, k, err := decodeName(raw.key)
	if err != nil {
		return nil, err
	}
	switch raw.op {
	case opPut:
		o := Object{Type: t, Bucket: b, Key: k}
		if err := DecodeStored(&o, raw.stored); err != nil {
			return nil, fmt.Errorf("put %q/%q: %w", b, k, err)
		}
		return Put{Object: o}, nil
	case opGet:
		return Get{Type: t, Bucket: b, Key: k}, nil
	default:
		return Delete{Type: t, Bucket: b, Key: k}, nil
	}
}

// rawRequest is a request whose names are left in store form: what the vnode
// works on.
type rawRequest struct {
	op     byte
	key    []byte // Put, Get, Delete: the store key
	stored []byte // Put: the stored object

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
		if raw.key, raw.stored, ok = cutBytes(rest); !ok {
			return bad("put")
		}
	case opGet, opDelete:
		raw.key = rest
	case opList:
		if !raw.cutList(rest) {
			return bad("list")
		}
	default:
		return bad(fmt.Sprintf("operation %d", raw.op))
	}
	return raw, nil
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

func decodeName(storeKey []byte) (bucketType, bucket, key string, err error) {
	bucketType, bucket, key, err = DecodeKey(storeKey)
	if err != nil {
		return "", "", "", fmt.Errorf("name %x: %w", storeKey, ErrBadRequest)
	}
	return bucketType, bucket, key, nil
}

func decodePrefix(prefix []byte) (bucketType, bucket string, err error) {
	bucketType, bucket, key, err := decodeName(prefix)
	if err == nil && key != "" {
		err = fmt.Errorf("prefix %x: %w", prefix, ErrBadRequest)
	}
	return bucketType, bucket, err
}

func (r Put) appendBody(dst []byte) []byte {
	key := AppendKey(nil, r.Object.Type, r.Object.Bucket, r.Object.Key)
	dst = append(dst, opPut)
	dst = appendBytes(dst, key)
	return AppendStored(dst, r.Object)
}

func (r Get) appendBody(dst []byte) []byte {
	return AppendKey(append(dst, opGet), r.Type, r.Bucket, r.Key)
}

func (r Delete) appendBody(dst []byte) []byte {
	return AppendKey(append(dst, opDelete), r.Type, r.Bucket, r.Key)
}

func (r List) appendBody(dst []byte) []byte {
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
	dst = appendBytes(dst, AppendPrefix(nil, r.Type, r.Bucket))
	return append(dst, r.After...)
}

func (r Put) check() error    { return r.Object.check() }
func (r Get) check() error    { return checkName(r.Type, r.Bucket, r.Key) }
func (r Delete) check() error { return checkName(r.Type, r.Bucket, r.Key) }

func (r List) check() error {
	if r.Bucket == "" {
		return fmt.Errorf("list: %w", ErrEmptyName)
	}
	return checkLengths(r.Type, r.Bucket, r.After)
}

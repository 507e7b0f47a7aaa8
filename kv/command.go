package kv

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/dee2748c/baton/cluster/ring"
)

// What machines and copies say to each other:
//
//	op  flags  uvarint length, context  uvarint milliseconds        put, delete
//	    [16 bytes of entity tag]  [uvarint milliseconds to live]
//	    [uvarint grace  uvarint length, stored state]
//	    uvarint length, store key  content
//	op  store key                                                   get, digest
//	op  flags  uvarint grace  { uvarint length, store key           merge
//	                            uvarint length, stored state }...
//
// and the answers, behind codeOK:
//
//	flags  uvarint grace  uvarint live  stored state                put, delete
//	flags  uvarint grace  [stored state]                            get
//	flags  uvarint grace  [16 bytes]                                digest
//	flags  uvarint grace  { [uvarint length, stored state] }...     merge, with what is held
//	flags  uvarint grace  { uvarint length, store key  why }...     merge, with what was not taken
//
// The state that a put answers ends before the content of its sibling if that is
// the only one: the asker has it. One that asks within the node gets the body of
// the merge in the place of the state, in the memory that the copy keeps: so
// copies on one node share it.

// Flags of a put and a delete.
const (
	putIfNoneMatch = 1 << iota
	putIfNotModified
	putIfMatch
	putLastWriteWins // supersede all that the copy holds
	putSettle        // keep one sibling
	putTTL           // says how long objects of the bucket live
	putState         // brings a state that is merged before
	putVolatile      // acknowledged before it is durable

	etagBytes = 16
)

// Flags of a merge.
const (
	mergeSettle  = 1 << iota // the bucket keeps one sibling
	mergeLookup              // the buckets' properties say which
	mergeAnswer              // answer what the copy holds in the end
	mergeBounded             // take nothing that makes an object too large; answer what that is
	mergeFlagsEnd
)

// Flags of an answer.
const (
	hasNone       = 1 << iota // the copy has no state of the key
	hasTombstones             // nothing but tombstones is left
	isIncomplete              // the copy lacks data that was acknowledged
	isBare                    // the only sibling: its content is left out, but for isWhole
	hadValue                  // there was a value before
	isWhole                   // the rest is the body of a merge
)

// A Digest stands for a state: copies with equal digests hold the same.
type Digest [16]byte

// DigestOf returns the digest of a stored state, which has one encoding.
func DigestOf(stored []byte) Digest { return xxh3.Hash128(stored).Bytes() }

// rawWrite is a put or a delete whose names are left in store form: what the
// vnode works on.
type rawWrite struct {
	op, flags byte
	context   Context
	modified  uint64
	etag      []byte // of putIfMatch
	ttl       uint64 // milliseconds, 0 is for ever
	grace     uint64 // of state
	state     []byte // of putState
	key       []byte
	content   []byte
}

// cutWrite takes a put or a delete apart.
func cutWrite(body []byte) (w rawWrite, ok bool) {
	if len(body) < 2 {
		return w, false
	}
	w.op, w.flags = body[0], body[1]
	context, b, ok := cutBytes(body[2:])
	if !ok {
		return w, false
	}
	w.context = Context(view(context))
	if w.modified, b, ok = cutUvarint(b); !ok || w.modified > maxModified>>1 {
		return w, false
	}
	if w.flags&putIfMatch != 0 {
		if len(b) < etagBytes {
			return w, false
		}
		w.etag, b = b[:etagBytes], b[etagBytes:]
	}
	if w.flags&putTTL != 0 {
		if w.ttl, b, ok = cutUvarint(b); !ok {
			return w, false
		}
	}
	if w.flags&putState != 0 {
		if w.grace, b, ok = cutUvarint(b); !ok {
			return w, false
		}
		if w.state, b, ok = cutBytes(b); !ok {
			return w, false
		}
	}
	w.key, w.content, ok = cutBytes(b)
	return w, ok && (w.op == opPut || len(w.content) == 0)
}

// appendBody is the inverse of cutWrite but for the content, which the caller
// appends; grow is the room for it.
func (w *rawWrite) appendBody(dst []byte) []byte {
	dst = append(dst, w.op, w.flags)
	dst = appendBytes(dst, string(w.context))
	dst = binary.AppendUvarint(dst, w.modified)
	dst = append(dst, w.etag...)
	if w.flags&putTTL != 0 {
		dst = binary.AppendUvarint(dst, w.ttl)
	}
	if w.flags&putState != 0 {
		dst = binary.AppendUvarint(dst, w.grace)
		dst = appendBytes(dst, w.state)
	}
	dst = appendBytes(dst, w.key)
	return append(dst, w.content...)
}

// mergeHead begins the body of a merge; items follow, each a store key and a
// stored state behind their lengths.
func appendMergeHead(dst []byte, flags byte, grace uint64) []byte {
	return binary.AppendUvarint(append(dst, opMerge, flags), grace)
}

// EncodeMerge returns a command by which a copy takes over states: pairs of a
// store key and a stored state. grace is the grace period that was the lowest of
// the record of whoever asks and of the copies that the states are from, before
// they were read. With answer set the reply says what the copy holds then.
func EncodeMerge(grace uint64, answer bool, items ...[2][]byte) []byte {
	flags := byte(mergeLookup)
	if answer {
		flags |= mergeAnswer
	}
	dst := appendMergeHead(nil, flags, grace)
	for _, item := range items {
		dst = appendBytes(appendBytes(dst, item[0]), item[1])
	}
	return dst
}

// DecodeMergeReply returns what a copy holds of each item that was merged, nil
// where it is what was sent; none at all if it was not asked. It fails with
// [ErrStaleGrace], [ErrReply] and the errors of a damaged copy.
func DecodeMergeReply(body []byte) (held [][]byte, err error) {
	a, err := cutAnswer(body)
	if err != nil {
		return nil, err
	}
	for rest := a.rest; len(rest) > 0; {
		state, after, ok := cutBytes(rest)
		if !ok {
			return nil, fmt.Errorf("merge: %w", ErrReply)
		}
		if len(state) == 0 {
			state = nil
		}
		held, rest = append(held, state), after
	}
	return held, nil
}

// An answer is the reply of a copy without its code.
type replyHead struct {
	flags byte
	grace uint64
	rest  []byte
}

// cutAnswer takes the reply of a copy apart. The error is the copy's.
func cutAnswer(body []byte) (a replyHead, err error) {
	rest, err := answer(body)
	if err != nil {
		return a, err
	}
	if len(rest) == 0 {
		return a, ErrReply
	}
	a.flags = rest[0]
	var ok bool
	if a.grace, a.rest, ok = cutUvarint(rest[1:]); !ok {
		return a, ErrReply
	}
	return a, nil
}

// appendAnswer begins a reply.
func appendAnswer(dst []byte, flags byte, grace uint64) []byte {
	return binary.AppendUvarint(append(dst, codeOK, flags), grace)
}

// newRawWrite returns the put as it is sent, without its content and its key.
func newRawPut(r *Put) rawWrite {
	w := rawWrite{op: opPut, context: r.Object.Context, modified: millis(r.Object.Modified)}
	if r.IfNoneMatch {
		w.flags |= putIfNoneMatch
	}
	if r.IfNotModified {
		w.flags |= putIfNotModified
	}
	if r.IfMatch != "" {
		w.flags |= putIfMatch
		w.etag, _ = hex.DecodeString(r.IfMatch) // checked
	}
	return w
}

func (r *Put) check() error {
	if err := r.Object.check(); err != nil {
		return err
	}
	if r.IfNotModified && r.Object.Context == "" {
		return fmt.Errorf("put %q/%q if not modified, without the context to compare with: %w", r.Object.Bucket, r.Object.Key, ErrBadRequest)
	}
	if r.IfMatch != "" {
		if tag, err := hex.DecodeString(r.IfMatch); err != nil || len(tag) != etagBytes {
			return fmt.Errorf("put %q/%q if match %.40q, which is no entity tag: %w", r.Object.Bucket, r.Object.Key, r.IfMatch, ErrBadRequest)
		}
	}
	return r.Object.Context.Check()
}

func (r *Get) check() error { return checkName(r.Type, r.Bucket, r.Key) }

func (r *Delete) check() error {
	if err := checkName(r.Type, r.Bucket, r.Key); err != nil {
		return err
	}
	return r.Context.Check()
}

// appendKeyed appends a get or a digest.
func appendKeyed(dst []byte, op byte, head ring.Partition, bucketType, bucket, key string) []byte {
	return AppendKey(append(dst, op), head, bucketType, bucket, key)
}

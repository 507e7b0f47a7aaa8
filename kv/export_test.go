package kv

import (
	"bytes"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/vnode"
)

// MergeInto merges a state into what the partition v holds of a key, on the way
// on which every change goes.
func MergeInto(v vnode.Vnode, cx *vnode.Context, head ring.Partition, bucketType, bucket, key string, s State) error {
	p := v.(*partition)
	storeKey := AppendKey(nil, head, bucketType, bucket, key)
	var old, now State
	if stored := cx.Get(storeKey); stored != nil {
		if err := old.Decode(stored); err != nil {
			return err
		}
		if err := now.Decode(bytes.Clone(stored)); err != nil {
			return err
		}
	}
	now.Merge(s)
	cx.Put(storeKey, now.Append(nil))
	p.changed(cx, head, storeKey, &old, &now)
	return nil
}

// EncodeContent returns the stored form of a content.
func EncodeContent(c Content) []byte { return appendContent(nil, &c) }

// AppendTerm and CutTerm give the tests of the order of terms their way in.
func AppendTerm(e Index, key string) []byte { return append(appendTerm(nil, &e), key...) }

// CutTerm is the inverse of AppendTerm.
func CutTerm(kind IndexKind, position []byte) (Index, string, bool) { return cutTerm(kind, position) }

// CheckPage and CheckOutline decode what comes from outside.
func CheckPage(body []byte) error {
	if len(body) == 0 {
		return ErrBadRequest
	}
	_, err := cutPageRequest(body[0], body[1:])
	return err
}

// CheckOutline decodes an outline and encodes it again.
func CheckOutline(b []byte) ([]byte, error) {
	var s State
	if err := decodeOutline(&s, b); err != nil {
		return nil, err
	}
	return appendOutline(nil, &s, func(content []byte) bool { return content[0] == carrying[0] }), nil
}

// Answer strips the code from a reply, or returns the error that it stands for.
func Answer(body []byte) ([]byte, error) { return answer(body) }

package kv

import (
	"bytes"
	"slices"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/vnode"
)

// KindName is the name under which the kind is registered on every node.
const KindName topology.Kind = "kv"

// Kind returns the vnode kind that serves this package's requests. Its state is
// the partition's store and nothing else: store keys to stored objects.
func Kind() vnode.Kind { return kind{} }

type kind struct{}

// Name returns [KindName].
func (kind) Name() topology.Kind { return KindName }

// Open returns the vnode of one partition.
func (kind) Open(p vnode.Partition) (vnode.Vnode, error) { return &partition{size: p.Size}, nil }

// partition serves one partition. It holds no state, so that what moves with a
// handoff is the store.
type partition struct{ size int }

var _ vnode.Coverer = (*partition)(nil)

// HandleCommand serves one request. Refusals are replies, so that the sender
// gets the error by its code.
func (p *partition) HandleCommand(cx *vnode.Context, cmd vnode.Command) vnode.Disposition {
	return p.serve(cx, cmd, nil)
}

// HandleCoverage serves a [List] for the objects whose head partition is in
// keyspaces.
func (p *partition) HandleCoverage(cx *vnode.Context, cmd vnode.Command, keyspaces []ring.Partition) vnode.Disposition {
	return p.serve(cx, cmd, keyspaces)
}

func (p *partition) serve(cx *vnode.Context, cmd vnode.Command, keyspaces []ring.Partition) vnode.Disposition {
	raw, err := cutRequest(cmd.Body)
	if err != nil {
		return vnode.Reply{Body: failure(err)}
	}
	var reply []byte
	switch raw.op {
	case opPut:
		reply, err = put(cx, raw)
	case opGet:
		reply, err = get(cx, raw)
	case opDelete:
		reply, err = remove(cx, raw)
	case opList:
		reply, err = p.list(cx, raw, keyspaces)
	}
	if err != nil {
		return vnode.Reply{Body: failure(err)}
	}
	return vnode.Reply{Body: reply}
}

func put(cx *vnode.Context, raw rawRequest) ([]byte, error) {
	t, b, k, err := decodeName(raw.key)
	if err != nil {
		return nil, err
	}
	o := Object{Type: t, Bucket: b, Key: k}
	if err := DecodeStored(&o, raw.stored); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	// One copy of our own: the body may be a piece of a frame many times its
	// size, which the store would keep alive with it.
	own := slices.Concat(raw.key, raw.stored)
	n := len(raw.key)
	cx.Put(own[:n:n], own[n:])
	return []byte{codeOK}, nil
}

func get(cx *vnode.Context, raw rawRequest) ([]byte, error) {
	if _, _, _, err := decodeName(raw.key); err != nil {
		return nil, err
	}
	stored := cx.Get(raw.key)
	if stored == nil {
		return []byte{codeNotFound}, nil
	}
	reply := make([]byte, 0, 1+len(stored))
	return append(append(reply, codeOK), stored...), nil
}

func remove(cx *vnode.Context, raw rawRequest) ([]byte, error) {
	if _, _, _, err := decodeName(raw.key); err != nil {
		return nil, err
	}
	if cx.Get(raw.key) == nil {
		return []byte{codeOK, 0}, nil
	}
	cx.Delete(bytes.Clone(raw.key))
	return []byte{codeOK, 1}, nil
}

func (p *partition) list(cx *vnode.Context, raw rawRequest, keyspaces []ring.Partition) ([]byte, error) {
	t, b, err := decodePrefix(raw.prefix)
	if err != nil {
		return nil, err
	}
	from, to := BucketRange(t, b, view(raw.after))
	reply := []byte{codeOK, 0}
	items, more := 0, false
	var entry []byte
	for key, stored := range cx.Scan(from, to) {
		if keyspaces != nil && !p.within(key, keyspaces) {
			continue
		}
		if more = items == raw.limit || items > 0 && len(reply) >= raw.bytes; more {
			break
		}
		if raw.keysOnly {
			reply = appendBytes(reply, key)
		} else {
			entry = AppendItem(entry[:0], key, stored)
			reply = appendBytes(reply, entry)
		}
		items++
	}
	if more {
		reply[1] = 1
	}
	return reply, nil
}

// within reports whether the head partition of a store key is in keyspaces.
func (p *partition) within(storeKey []byte, keyspaces []ring.Partition) bool {
	t, b, k, err := DecodeKey(storeKey)
	return err == nil && slices.Contains(keyspaces, Route(t, b, k, p.size))
}

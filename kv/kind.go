package kv

import (
	"fmt"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv/bucket"
	"github.com/dee2748c/baton/vnode"
)

// KindName is the name under which the kind is registered on every node.
const KindName topology.Kind = "kv"

// Kind returns the vnode kind that serves this package's requests. Its state is
// the partition's store and nothing else. catalog returns the properties of the
// buckets at present and is safe for concurrent use; nil stands for defaults.
func Kind(catalog func() *bucket.Catalog) vnode.Kind { return kind{catalog} }

type kind struct{ catalog func() *bucket.Catalog }

// Name returns [KindName].
func (kind) Name() topology.Kind { return KindName }

// Open returns the vnode of one partition.
func (k kind) Open(p vnode.Partition) (vnode.Vnode, error) {
	return &partition{catalog: k.catalog, id: p.ID, size: p.Size, fallback: p.Fallback, at: p}, nil
}

// CheckItem implements vnode.ItemChecker: an object has a name and a state that can be decoded.
func (kind) CheckItem(key, value []byte) error {
	if len(key) == 0 || key[0] != spaceObject {
		return nil // what stands beside the objects is made from them
	}
	if _, _, _, _, err := DecodeKey(key); err != nil {
		return err
	}
	var s State
	return s.decodeWhole(value)
}

// partition serves one partition. What it holds beside the store follows from
// the store, so that what moves with a handoff is the store.
type partition struct {
	catalog  func() *bucket.Catalog
	id       ring.Partition
	size     int
	fallback bool
	at       vnode.Partition
	actors   [2]Actor // of the writes served here, and of the volatile ones
	lost     uint64   // that they are for

	last   command // its room, for the next one
	other  State   // room for the state that a request brings
	listed State   // room of the last state that a page looked at
	trees  trees
	alive  bool // the own head has no note of a tombstone
}

// HandleCommand serves one request. Refusals are replies, so that the sender
// gets the error by its code.
func (p *partition) HandleCommand(cx *vnode.Context, cmd vnode.Command) vnode.Disposition {
	reply, err := p.serve(cx, cmd)
	if err != nil {
		return vnode.Reply{Body: failure(err)}
	}
	return vnode.Reply{Body: reply}
}

func (p *partition) serve(cx *vnode.Context, cmd vnode.Command) ([]byte, error) {
	body := cmd.Body
	if len(body) == 0 {
		return nil, fmt.Errorf("empty body: %w", ErrBadRequest)
	}
	switch op, rest := body[0], body[1:]; op {
	case opPut, opDelete:
		return p.write(cx, body, cmd.Own)
	case opGet, opDigest:
		return p.read(cx, op, rest)
	case opMerge:
		return p.merge(cx, rest, cmd.Own)
	case opReap:
		return p.reap(cx, rest)
	case opReapable:
		return p.reapable(cx, rest)
	case opIndex, opBuckets:
		return p.cover(cx, op, rest)
	case opSweep:
		return p.sweep(cx, rest)
	case opTree:
		return p.treeCommand(cx, rest)
	default:
		return nil, fmt.Errorf("operation %d: %w", op, ErrBadRequest)
	}
}

// actor returns who gives the dots of writes now.
func (p *partition) actor(cx *vnode.Context, volatile bool) Actor {
	if lost := cx.Lost(); lost != p.lost {
		p.lost, p.actors = lost, [2]Actor{}
	}
	a := &p.actors[0]
	if volatile {
		a = &p.actors[1]
	}
	if *a == "" {
		*a = ActorOf(p.at, p.lost, volatile)
	}
	return *a
}

// properties returns what the catalog says about a bucket, nil if nothing.
func (p *partition) properties(bucketType, bucketName string) *bucket.Properties {
	if p.catalog == nil {
		return nil
	}
	properties, err := p.catalog().Lookup(bucketType, bucketName)
	if err != nil {
		return nil
	}
	return properties
}

// name takes a store key apart and refuses one of a head whose copies are
// elsewhere.
func (p *partition) name(storeKey []byte) (head ring.Partition, bucketType, bucketName, key string, err error) {
	return nameIn(p.id, p.size, storeKey)
}

// nameIn is name for a partition that is read beside its vnode.
func nameIn(p ring.Partition, ringSize int, storeKey []byte) (head ring.Partition, bucketType, bucketName, key string, err error) {
	head, bucketType, bucketName, key, err = decodeName(storeKey)
	if err == nil && !keeps(p, ringSize, head) {
		err = fmt.Errorf("key of head %d at partition %d: %w", head, p, ErrBadRequest)
	}
	return head, bucketType, bucketName, key, err
}

// keeps reports whether a bucket may have a copy of the head's keys here.
func (p *partition) keeps(head ring.Partition) bool { return keeps(p.id, p.size, head) }

func keeps(p ring.Partition, ringSize int, head ring.Partition) bool {
	return int(head) < ringSize && (int(p)-int(head)+ringSize)%ringSize < bucket.MaxN
}

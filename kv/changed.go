package kv

import (
	"bytes"
	"errors"

	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/vnode"
)

// undo drops what a command has written so far, and what depends on it.
func (p *partition) undo(cx *vnode.Context) {
	cx.Reset()
	p.trees = trees{}
}

// changed is the end of every way on which a state changes in a partition: what
// depends on the state of a key is changed with it, in the same batch. The
// states are what the copy held and what it holds now; the empty one stands for
// no object. storeKey, old and now are valid during the call only.
func (p *partition) changed(cx *vnode.Context, head ring.Partition, storeKey []byte, old, now *State) {
	if p.fallback {
		return // what it keeps goes to the primary, which makes all this
	}
	p.changedTombstones(cx, storeKey, old, now)
	p.changedIndexes(cx, storeKey, old, now)
	p.changedTree(cx, head, storeKey, old, now)
}

// decode is State.decodeWhole of what is stored under a store key. Damaged bytes are
// not repaired in their place: the copy has lost what it acknowledged for the key,
// as it has when the store gives up what it can't read. Another copy alone does
// not know what that was, so this one may not pass for whole before it has been
// compared with all others, and gives no more dots as who it was.
func decode(cx *vnode.Context, s *State, storeKey, stored []byte) error {
	err := s.decodeWhole(stored)
	if errors.Is(err, ErrCorrupt) {
		cx.Damage(storeKey)
	}
	return err
}

// damaged reports whether an object is under a name that none of this partition's
// has, or can't be decoded.
func (p *partition) damaged(storeKey, stored []byte) bool {
	_, bucketType, bucketName, key, err := p.name(storeKey)
	return err != nil || checkName(bucketType, bucketName, key) != nil || damaged(stored)
}

// removeDamaged removes what does not decode of a range that was given up.
func (p *partition) removeDamaged(cx *vnode.Context, from, to []byte) {
	if end := []byte{spaceObject + 1}; to == nil || bytes.Compare(to, end) > 0 {
		to = end
	}
	if objects := []byte{spaceObject}; bytes.Compare(from, objects) < 0 {
		from = objects
	}
	if bytes.Compare(from, to) >= 0 {
		return
	}
	for storeKey, stored := range cx.Scan(from, to) {
		if p.damaged(storeKey, stored) {
			cx.Delete(bytes.Clone(storeKey))
			cx.Delete(appendInSpace(nil, spaceTombstone, storeKey))
		}
	}
}

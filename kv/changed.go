package kv

import (
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

// damaged forgets what depended on a state that can't be read, before another one
// takes its place.
func (p *partition) damaged(cx *vnode.Context, storeKey []byte) {
	if p.fallback {
		return
	}
	cx.Delete(appendInSpace(nil, spaceTombstone, storeKey))
	p.current(cx)
	p.recount(cx)
}

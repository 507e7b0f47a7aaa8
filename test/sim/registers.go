package sim

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/dee2748c/baton/cluster/topology"
	"github.com/dee2748c/baton/kv"
	"github.com/dee2748c/baton/store"
	"github.com/dee2748c/baton/vnode"
)

// registers is a vnode kind whose commands cost next to nothing. Each client has registers of its own in a
// partition. A command is a run of operations that each set one to a number, unless it has a greater one;
// the answer says what the registers were before the run.
//
//	command: client (8)  { register (1) number (8) }...
//	answer:  the registers, 8 bytes each
type registers struct{ name topology.Kind }

// width is the number of registers of a client.
const width = 16

const opBytes = 9

// module returns what serves a kind.
func module(kind topology.Kind) vnode.Kind {
	if kind == kv.KindName {
		return kv.Kind(nil)
	}
	return registers{kind}
}

// Name returns the kind's name in the record.
func (k registers) Name() topology.Kind { return k.name }

// Open returns the vnode of a partition: all it has is in the store.
func (registers) Open(vnode.Partition) (vnode.Vnode, error) { return registerVnode{}, nil }

type registerVnode struct{}

// HandleCommand serves a run of operations.
func (registerVnode) HandleCommand(cx *vnode.Context, cmd vnode.Command) vnode.Disposition {
	key, ops := cmd.Body[:8], cmd.Body[8:]
	before := cx.Get(key)
	if before == nil {
		before = make([]byte, 8*width)
	}
	if len(ops) == 0 {
		return vnode.Reply{Body: before}
	}
	after := slices.Clone(before)
	for ; len(ops) >= opBytes; ops = ops[opBytes:] {
		at := after[8*int(ops[0]):]
		if number := binary.LittleEndian.Uint64(ops[1:]); number > binary.LittleEndian.Uint64(at) {
			binary.LittleEndian.PutUint64(at, number)
		}
	}
	cx.Put(slices.Clone(key), after)
	return vnode.Reply{Body: before}
}

// fixed is what a founder's partition holds from the beginning on.
func fixed(kind, p, count int) *store.Batch {
	b := new(store.Batch)
	for i := range count {
		b.Put(fixedKey(kind, p, i), []byte("fixed"), 1)
	}
	return b
}

func (c *Cluster) items(p int) int {
	if c.opts.Items > 0 {
		return c.opts.Items
	}
	return 3 + p%3
}

func fixedKey(kind, p, i int) []byte { return fmt.Appendf(nil, "fixed %d/%d/%d", kind, p, i) }

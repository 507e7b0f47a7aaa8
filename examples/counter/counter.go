package counter

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/dee2748c/baton"
	"github.com/dee2748c/baton/vnode"
)

// Name is the kind's name in the cluster.
const Name = "counter"

// Kind is registered on every node, in baton.Options.Kinds.
type Kind struct{}

// Name returns the kind's name.
func (Kind) Name() string { return Name }

// Open returns the counters of one partition; they are in its store.
func (Kind) Open(vnode.Partition) (vnode.Vnode, error) { return counters{}, nil }

type counters struct{}

// HandleCommand adds the varint at the front of the body to the counter that
// the rest names, and answers with its new value.
func (counters) HandleCommand(cx *vnode.Context, cmd vnode.Command) vnode.Disposition {
	delta, n := binary.Varint(cmd.Body)
	if n <= 0 {
		return vnode.Fail{Err: fmt.Errorf("counter: command of %d bytes has no number", len(cmd.Body))}
	}
	name := cmd.Body[n:]
	value, _ := binary.Varint(cx.Get(name)) // a counter that is not there is 0
	next := binary.AppendVarint(nil, value+delta)
	if delta != 0 {
		cx.Put(name, next)
	}
	return vnode.Reply{Body: next}
}

// Add adds delta to a counter and returns its new value; adding 0 reads it.
func Add(ctx context.Context, node *baton.Node, name string, delta int64) (int64, error) {
	body := append(binary.AppendVarint(nil, delta), name...)
	reply, err := node.Command(ctx, Name, name, body)
	if err != nil {
		return 0, fmt.Errorf("add %d to counter %q: %w", delta, name, err)
	}
	value, _ := binary.Varint(reply)
	return value, nil
}

package baton

import (
	"context"
	"testing"
)

// TestUndo_joinedWithoutRecord: a join on request that was accepted, whose answer
// did not come, has closed its record; giving up the start then has nobody to
// take the join back from.
func TestUndo_joinedWithoutRecord(t *testing.T) {
	n := &Node{done: make(chan struct{})}
	n.ctx, n.stop = context.WithCancel(context.Background())
	s := &starting{node: n, joined: true}
	s.undo(t.Context())
	<-n.done
}

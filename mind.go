package baton

import (
	"context"
	"errors"
	"time"

	"github.com/dee2748c/baton/cluster/topology"
)

// ErrFenced says that another process has started as this node: this one may
// not go on.
var ErrFenced = errors.New("another process runs as this node")

// stopWithin bounds the stop of a node that ends by itself.
const stopWithin = 30 * time.Second

// mind follows what the record says of this node, and ends it when its time has
// come: it has given everything away, was removed, or another process is the
// node now (rule F2: the higher incarnation counts).
func (n *Node) mind(incarnation uint64) {
	for u := range n.record.Watch(n.ctx) {
		m, ok := u.State.Member(n.self)
		switch {
		case !ok || m.Nonce != n.id.Nonce || m.Status == topology.Removed:
			n.end(ErrRemoved)
			return
		case m.Incarnation > incarnation:
			n.end(ErrFenced)
			return
		case m.Status == topology.Exiting:
			if n.exit() {
				n.end(nil)
				return
			}
		}
	}
}

// exit finishes what the node's snapshots still feed and takes it out of the
// record.
func (n *Node) exit() bool {
	if err := n.host.Quiesce(n.ctx); err != nil {
		return false
	}
	_, err := n.ask(n.ctx, topology.RemoveMember{Node: n.self})
	if err != nil && n.ctx.Err() == nil {
		n.opts.Logger.Error("not removed from the record", "err", err)
	}
	return err == nil
}

// end stops the node for a reason of its own.
func (n *Node) end(why error) {
	if why != nil {
		n.opts.Logger.Error("node ends", "err", why)
	} else {
		n.opts.Logger.Info("node has left the cluster")
	}
	n.ended = why
	go func() { // Stop waits for the task that this is
		ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
		defer cancel()
		_ = n.Stop(ctx)
	}()
}

// commitJoins commits what is staged once at least that many members take part
// or are about to.
func (n *Node) commitJoins(members int) {
	for u := range n.record.Watch(n.ctx) {
		joining, there := 0, 0
		for _, m := range u.State.Members() {
			switch m.Status {
			case topology.Joining:
				joining++
			case topology.Valid:
				there++
			}
		}
		if joining == 0 && there >= members {
			return
		}
		if joining+there < members {
			continue
		}
		if err := n.planAndCommit(n.ctx); err != nil && n.ctx.Err() == nil {
			n.opts.Logger.Warn("joins not committed yet", "err", err)
		}
	}
}

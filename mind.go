package baton

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
			n.end(fmt.Errorf("node %s: %w: to join as a new node, start it with an empty data directory", n.self, ErrRemoved))
			return
		case m.Incarnation > incarnation:
			n.end(fmt.Errorf("node %s, incarnation %d: %w, incarnation %d: stop one of the two for good", n.self, incarnation, ErrFenced, m.Incarnation))
			return
		case m.Status == topology.Exiting:
			if n.exit() {
				n.end(nil)
				return
			}
		}
	}
}

// lameDuck is how long a node that is out of the record stays to answer, with
// the owner's name, what others send it who do not know yet. Without it those
// requests would end with an unknown outcome.
const lameDuck = 300 * time.Millisecond

// exit finishes what the node's snapshots still feed, takes it out of the
// record, and waits until the others have had time to hear of it.
func (n *Node) exit() bool {
	if err := n.host.Quiesce(n.ctx); err != nil {
		return false
	}
	_, err := n.ask(n.ctx, topology.RemoveMember{Node: n.self})
	if err != nil {
		if n.ctx.Err() == nil {
			n.opts.Logger.Error("not removed from the record", "err", err)
		}
		return false
	}
	timer := time.NewTimer(lameDuck)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-n.ctx.Done():
	}
	return true
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

// commitJoins commits what is staged as soon as ready says so, until done does.
func (n *Node) commitJoins(ready, done func(topology.State) bool) {
	for u := range n.record.Watch(n.ctx) {
		switch {
		case done(u.State):
			return
		case !ready(u.State):
			continue
		}
		err := n.insist(n.ctx, "commit the joins", func() error { return n.planAndCommit(n.ctx) })
		if err != nil && n.ctx.Err() == nil {
			n.opts.Logger.Warn("joins not committed yet", "err", err)
		}
	}
}

// commitOwn commits this node's own join.
func (n *Node) commitOwn() {
	status := func(s topology.State) topology.Status {
		m, _ := s.Member(n.self)
		return m.Status
	}
	n.commitJoins(
		func(s topology.State) bool { return status(s) == topology.Joining },
		func(s topology.State) bool { return status(s) != topology.Joining },
	)
}

// commitExpected commits the first members of an unattended cluster together.
func (n *Node) commitExpected() {
	count := func(s topology.State, statuses ...topology.Status) int {
		k := 0
		for _, m := range s.Members() {
			if slices.Contains(statuses, m.Status) {
				k++
			}
		}
		return k
	}
	n.commitJoins(
		func(s topology.State) bool {
			return count(s, topology.Joining, topology.Valid) >= n.opts.BootstrapExpect
		},
		func(s topology.State) bool { return count(s, topology.Valid) >= n.opts.BootstrapExpect },
	)
	if n.ctx.Err() != nil {
		return
	}
	n.id.Gathers = false
	if err := n.keepIdentity(); err != nil {
		n.opts.Logger.Warn("identity not saved", "err", err)
	}
}

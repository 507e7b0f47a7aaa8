package baton

import (
	"context"
	"fmt"

	"github.com/dee2748c/baton/actors"
	"github.com/dee2748c/baton/api/admin"
	"github.com/dee2748c/baton/cluster/ring"
	"github.com/dee2748c/baton/handoff/history"
)

// historyReply is how the transfers of a node ended, and what came too late to it.
type historyReply struct {
	Entries []history.Entry
	Damage  []string
	Whole   bool // nothing was ever removed from the log
	Late    actors.LateFrames
}

// History returns how the transfers that this node took part in have ended, the oldest first, and what of it
// can't be read. Each completed one has a certificate, which the record has too while it is the last of its
// partition. An entry may be there twice.
func (n *Node) History() ([]history.Entry, []history.Damage, error) {
	all, damage, err := n.host.History()
	if err != nil {
		return nil, nil, fmt.Errorf("history of node %s: %w", n.self, err)
	}
	return all, damage, nil
}

// LateFrames counts what came too late to this node since its start.
func (n *Node) LateFrames() actors.LateFrames { return n.host.Late() }

func (a *administration) history() (historyReply, error) {
	r, err := a.reached()
	if err != nil || r.host == nil {
		return historyReply{}, err
	}
	all, damage, err := r.host.History()
	out := historyReply{Entries: all, Whole: r.host.HistoryWhole(), Late: r.host.Late()}
	for _, d := range damage {
		out.Damage = append(out.Damage, d.Error())
	}
	return out, err
}

func (a *administration) History(ctx context.Context) []admin.NodeHistory {
	return each(ctx, a, "/history", a.history, func(m historyReply, node ring.NodeID, err error) admin.NodeHistory {
		return admin.NodeHistory{Node: node, Entries: m.Entries, Damage: m.Damage, Whole: m.Whole, Late: admin.LateFrames(m.Late), Err: err}
	})
}

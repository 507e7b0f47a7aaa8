package swim

import (
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/dee2748c/baton/cluster"
	"github.com/dee2748c/baton/cluster/ring"
)

// A route is where a member lives. Its epoch grows whenever the member was given
// up: connections from before may hang for minutes after the network is back.
type route struct {
	addr  string
	epoch int
}

// A watched member is one that memberlist may or may not know.
type watched struct {
	route
	reach   cluster.Reach
	missing time.Time // since when memberlist does not know it; zero while it does
	calling bool      // somebody tries to reach it now
	next    time.Time // not before
	pause   time.Duration
}

// assess sets the reach of a member from what memberlist believes of it. A
// member that memberlist does not know is trusted first, and then goes the same
// steps as one that stopped answering.
func (w *watched) assess(s state, known bool, now time.Time, suspectAfter, deadAfter time.Duration) {
	before := w.reach
	defer func() {
		if w.reach == cluster.Unreachable && before != w.reach {
			w.epoch++
		}
	}()
	if known {
		w.missing = time.Time{}
		switch s.NodeStateType {
		case memberlist.StateAlive:
			w.reach, w.pause = cluster.Reachable, 0
			if s.struggling {
				w.reach = cluster.Struggling
			}
		case memberlist.StateSuspect:
			w.reach = cluster.Suspect
		default:
			w.reach = cluster.Unreachable
		}
		return
	}
	if w.missing.IsZero() {
		w.missing = now
	}
	switch away := now.Sub(w.missing); {
	case w.reach == cluster.Unreachable || away >= deadAfter:
		w.reach = cluster.Unreachable
	case away >= suspectAfter:
		w.reach = cluster.Suspect
	}
}

// due reports whether memberlist has to be led to the member now.
func (w *watched) due(known bool, now time.Time) bool {
	return !w.calling && (!known || w.reach == cluster.Unreachable) && !now.Before(w.next)
}

// called takes note of an attempt that has ended.
func (w *watched) called(now time.Time, slowest time.Duration) {
	w.calling = false
	w.pause = min(max(2*w.pause, slowest/32), slowest)
	w.next = now.Add(w.pause)
}

// update makes members the ones that are watched and keeps what is known of them.
func update(old map[ring.NodeID]*watched, members map[ring.NodeID]string, self ring.NodeID) map[ring.NodeID]*watched {
	next := make(map[ring.NodeID]*watched, len(members))
	for node, addr := range members {
		w := old[node]
		switch {
		case node == self:
			continue
		case w == nil:
			w = &watched{route: route{addr: addr}}
		case w.addr != addr:
			w.addr, w.next, w.pause = addr, time.Time{}, 0
		}
		next[node] = w
	}
	return next
}

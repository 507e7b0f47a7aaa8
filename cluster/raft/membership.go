package raft

import (
	"fmt"

	hraft "github.com/hashicorp/raft"

	"github.com/dee2748c/baton/cluster/topology"
)

// maxVoters bounds the servers that vote; more would only slow every commit down.
const maxVoters = 5

// An action is one change of raft's configuration.
type action byte

const (
	nothing action = iota
	addNonvoter
	addVoter
	demoteVoter
	removeServer
	handOver // the leader's place to server, so that the leader itself can be changed
)

var actionNames = [...]string{"nothing", "add non-voter", "give vote", "take vote", "remove server", "hand over"}

// A change is the next step towards the configuration that the record asks for.
type change struct {
	action action
	server hraft.Server
	// again: a vote is free, and the servers that could get it were not ready.
	again bool
}

func (c change) String() string {
	return fmt.Sprintf("%s %s", actionNames[c.action], c.server.ID)
}

// desired returns the next change of raft's configuration. It is a pure function. Every member that is
// not Removed is a server. The first Valid members vote, up to five, an odd number of them; who votes
// goes on voting. A voter that is Down, Leaving or Exiting keeps its vote until a Valid member that is
// ready can have it, so that votes are moved and not lost. The leader hands over before it is demoted
// or removed.
func desired(state topology.State, servers []hraft.Server, leader hraft.ServerID, ready func(hraft.Server) bool) change {
	if state.Ring() == nil {
		return change{}
	}
	members := map[hraft.ServerID]topology.Member{}
	for _, m := range state.Members() {
		if m.Status != topology.Removed && m.Addr != "" {
			members[hraft.ServerID(serverOf(m))] = m
		}
	}
	if c := desiredServers(state, members, servers); c.action != nothing {
		return c
	}
	return desiredVotes(members, servers, leader, ready)
}

// desiredServers removes servers that are no members and have no vote, and adds members. A server's
// address in the configuration is its name, whatever the record says: see book.
func desiredServers(state topology.State, members map[hraft.ServerID]topology.Member, servers []hraft.Server) change {
	known := map[hraft.ServerID]bool{}
	for _, s := range servers {
		if _, ok := members[s.ID]; !ok && s.Suffrage != hraft.Voter {
			return change{action: removeServer, server: s}
		}
		known[s.ID] = true
	}
	for _, m := range state.Members() {
		s := configured(serverOf(m), hraft.Nonvoter)
		if _, ok := members[s.ID]; ok && !known[s.ID] {
			return change{action: addNonvoter, server: s}
		}
	}
	return change{}
}

// configured returns a server as the configuration has it.
func configured(id string, s hraft.ServerSuffrage) hraft.Server {
	return hraft.Server{Suffrage: s, ID: hraft.ServerID(id), Address: hraft.ServerAddress(id)}
}

// desiredVotes moves votes.
func desiredVotes(members map[hraft.ServerID]topology.Member, servers []hraft.Server, leader hraft.ServerID, ready func(hraft.Server) bool) change {
	var good, weak, gone, fresh []hraft.Server
	for _, s := range servers {
		m, ok := members[s.ID]
		voter := s.Suffrage == hraft.Voter
		switch {
		case voter && !ok:
			gone = append(gone, s)
		case voter && m.Status == topology.Valid:
			good = append(good, s)
		case voter:
			weak = append(weak, s)
		case m.Status == topology.Valid:
			fresh = append(fresh, s)
		}
	}
	// Only as many are asked as could get a vote.
	var free []hraft.Server
	again := false
	for _, s := range fresh {
		if len(good)+len(free) >= maxVoters {
			break
		}
		if ready(s) {
			free = append(free, s)
		} else {
			again = true
		}
	}
	all := append(append(append([]hraft.Server(nil), leaderFirst(good, leader)...), free...), weak...)
	size := min(maxVoters, len(all))
	if size%2 == 0 {
		size--
	}
	if size < 1 {
		return change{again: again} // nobody else can have the vote
	}
	votes := map[hraft.ServerID]bool{}
	for _, s := range all[:size] {
		votes[s.ID] = true
	}
	next := hraft.Server{} // who leads when the leader must not
	for _, s := range append(append([]hraft.Server(nil), good...), weak...) {
		if votes[s.ID] && s.ID != leader && next.ID == "" {
			next = s
		}
	}
	take := func(a action, s hraft.Server) (change, bool) {
		switch {
		case s.ID != leader:
			return change{action: a, server: s, again: again}, true
		case next.ID != "":
			return change{action: handOver, server: next, again: again}, true
		}
		return change{}, false // somebody must get a vote first
	}
	// A vote that nobody casts is taken before another is given, so that the quorum never grows by
	// the dead; one that is still cast is taken after.
	for _, s := range gone {
		if c, ok := take(removeServer, s); ok && len(good)+len(weak)+len(gone) > 1 {
			return c
		}
	}
	for _, s := range weak {
		if c, ok := take(demoteVoter, s); ok && !votes[s.ID] && members[s.ID].Status == topology.Down && len(good) > 0 {
			return c
		}
	}
	for _, s := range free {
		if votes[s.ID] {
			return change{action: addVoter, server: s, again: again}
		}
	}
	for _, s := range append(weak, good...) {
		if c, ok := take(demoteVoter, s); ok && !votes[s.ID] {
			return c
		}
	}
	return change{again: again}
}

// leaderFirst returns the servers with the leader in front: it is the last to lose its vote.
func leaderFirst(servers []hraft.Server, leader hraft.ServerID) []hraft.Server {
	var out []hraft.Server
	for _, s := range servers {
		if s.ID == leader {
			out = append([]hraft.Server{s}, out...)
		} else {
			out = append(out, s)
		}
	}
	return out
}

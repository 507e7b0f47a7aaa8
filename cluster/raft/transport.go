package raft

import (
	"sync/atomic"

	hraft "github.com/hashicorp/raft"
)

// A transport is raft's, but for elections. The library refuses a vote to whoever is no voter in the
// configuration of the one that is asked, which may be older than the candidate's: when a leader dies
// just after it gave a vote, those who have heard of it and those who have not could never elect
// anybody without the dead one (v1.8.0). A vote depends on terms and logs only; who may stand is said
// by the candidate's own configuration, and who lost its vote has a log that is too short.
type transport struct {
	*hraft.NetworkTransport
	raft  atomic.Pointer[hraft.Raft]
	beats calls // heartbeats under way
}

// SetHeartbeatHandler keeps count of the heartbeats under way: raft takes them in the transport's
// goroutines, which its shutdown does not wait for, and panics at a storage that is closed.
func (t *transport) SetHeartbeatHandler(handle func(hraft.RPC)) {
	t.NetworkTransport.SetHeartbeatHandler(func(rpc hraft.RPC) {
		if t.beats.enter() {
			defer t.beats.leave()
			handle(rpc)
		}
	})
}

// still returns when no heartbeat is under way, and none will be.
func (t *transport) still() {
	t.beats.close()
	t.beats.wait()
}

// RequestVote asks for a vote without a name, which stands for a candidate of unknown standing.
func (t *transport) RequestVote(id hraft.ServerID, to hraft.ServerAddress, args *hraft.RequestVoteRequest, resp *hraft.RequestVoteResponse) error {
	nameless := *args
	nameless.ID = nil
	return t.NetworkTransport.RequestVote(id, to, &nameless, resp)
}

// RequestPreVote asks under the names of all voters, until one is a voter for the other side: here the
// library wants a name, and looks at nothing else by it.
func (t *transport) RequestPreVote(id hraft.ServerID, to hraft.ServerAddress, args *hraft.RequestPreVoteRequest, resp *hraft.RequestPreVoteResponse) error {
	err := t.NetworkTransport.RequestPreVote(id, to, args, resp)
	r := t.raft.Load()
	if r == nil {
		return err
	}
	for _, s := range r.GetConfiguration().Configuration().Servers {
		if err != nil || resp.Granted || resp.Term > args.Term {
			break
		}
		if s.Suffrage == hraft.Voter && string(s.ID) != string(args.ID) {
			as := *args
			as.ID = []byte(s.ID)
			err = t.NetworkTransport.RequestPreVote(id, to, &as, resp)
		}
	}
	return err
}

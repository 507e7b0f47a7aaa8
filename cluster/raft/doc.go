// Package raft keeps the record in a replicated log among the nodes themselves: the default, with
// nothing to install.
//
//	Propose --here--> raft log, fsync --quorum--> machine = topology.State --> Watch
//	        --elsewhere--> Record port of the leader (one hop if another node is asked)
//	Read    --here--> Barrier once a term, VerifyLeader --> the machine's state
//	        --elsewhere--> which entry? --> wait for it here; a node outside takes the whole record
//	leader: record changed --> desired(record, configuration) --> one change of raft's configuration
//
// A server is named node/nonce; a node that lost its data comes back as another server. A first server
// is bootstrapped, all others are members of the record that the leader adds:
//
//	s, err := raft.Open(raft.Options{Node: "n1", Nonce: nonce, Dir: dir, Addr: addr, ...})
//	err = s.Bootstrap(ctx) // once in the life of a cluster, on one node
//
// Raft's configuration has names only; where a server is says the book, from the record, the log and
// what servers tell each other while no leader is known, so that all may move at once.
//
// Joining members follow without a vote; of the Valid ones one, three or five vote. Votes move when a
// voter is Down, leaves or is removed. Everything comes through two listeners: raft's own traffic, and
// questions about the record (proposals, reads, pings) as frames.
//
// Invariants, which the tests name:
//
//	I1  an entry is a batch of commands and takes effect once, in all servers alike
//	I2  ErrUnavailable means that nothing was applied; any doubt is ErrUnknown
//	I3  a read has what was answered before it, also on a follower and on a node outside
//	I4  what was answered survives compaction and the restart of all servers
//	I5  a damaged or foreign directory is refused with its path and the way out, never by a panic
//	I6  a failed Open leaves no listener, file or goroutine behind
//	I7  voters are odd in number, or as near to it as their members allow; changes end; a leader hands
//	    over before it loses its vote
//	I8  a server takes raft messages only that are meant for it, not for one that was at its address
//	I9  a server with a record cannot be bootstrapped again
//	I10 losing the leadership is an outcome, never a panic
//	I11 a majority that reaches each other elects a leader, wherever its servers started and whichever
//	    configuration each of them has heard of
package raft

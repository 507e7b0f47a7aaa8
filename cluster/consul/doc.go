// Package consul keeps the replicated record in a Consul server, for fleets that have one, and tells
// from its health checks which nodes answer.
//
// The record is a log, as with raft: one proposal is one entry, and whoever applies the entries in order
// has the record. In Consul's key-value store:
//
//	<prefix>/head                          which log, its last index, the newest snapshot
//	<prefix>/log/<index, 20 digits>        the commands of one proposal
//	<prefix>/snapshot/<name>/<chunk>       a record, compressed
//	<prefix>/leader                        locked by who may run the coordinator
//	<prefix>/presence/<node>.<life>        locked by the session of one life of a node
//
//	Propose --> [check-session presence, check-session leader (who leads, in its term), cas head, add entries]
//	            one Txn --> applied | another was first: read on, again | session lost: another one, again
//	Read    --> [head, next entries], consistent --> apply
//	head changed (blocking query) --> read on --> watchers
//	many entries, leading --> snapshot --> head --> delete entries before it, all but a tail
//	entry gone --> load snapshot
//
// A node registers itself as a service with a check that it renews. Its session hangs on the check, so a
// process that stops for long loses session and leadership, and what it had under way fails as a whole.
// It gets another session when it goes on, and stays the member that it was.
//
//	store, err := consul.Open(ctx, consul.Options{Address: "127.0.0.1:8500", Node: "n1", Addr: "10.0.0.1:7000"})
//	defer store.Close()
//	store.Liveness().Health().Up("n2")
//
// Invariants:
//
//	I1 a proposal takes effect only under a session that its writer holds at that moment
//	I2 a proposal by a node that leads, made in a term, takes effect only while it leads
//	I3 the record never goes back: a server that lost it gets no change and no read until Restore
//	I4 watchers keep the newest record that the handle has applied while the server is away or lost it
//	I5 no entry is deleted that the snapshot in the head does not contain
//	I6 a node whose check fails is Suspect, then Unreachable; it is never deregistered by others
package consul

package replica

import "github.com/dee2748c/baton/cluster/ring"

// A Copy is one primary of a Set.
type Copy struct {
	// Entry is the primary's vnode: its partition and the partition's owner.
	ring.Entry
	// Up says that the owner's node seems to answer. It is advice.
	Up bool
	// Spare is the node that stands in for a primary that is not up; empty if
	// there is none, or the primary is up.
	Spare ring.NodeID
}

// A Set is where the copies of what belongs to one head partition are.
type Set struct {
	// Head is the partition that the keys hash to, the first of Copies.
	Head ring.Partition
	// Self is the node that asks.
	Self ring.NodeID
	// Grace is the grace period of the record that the set was made from.
	Grace uint64
	// Copies are the primaries in preflist order.
	Copies []Copy
}

// EventType says what an Event tells.
type EventType uint8

// Types of events.
const (
	// Begin starts the machine.
	Begin EventType = iota + 1
	// Answer is the reply of a replica.
	Answer
	// Fail is the end of a Send that got no reply.
	Fail
	// Expire says that the time is up: the machine decides with what it has.
	Expire
)

// An Event tells a machine what happened.
type Event struct {
	Type EventType
	// Send is the ID of the Send that an Answer or a Fail ends.
	Send int
	// Body is the reply of an Answer, without the bytes of Tail, by which it goes
	// on: what a store of this node holds, which is not copied. Both are immutable
	// and may be kept.
	Body, Tail []byte
	// Err is why a Send failed.
	Err error
	// Unknown says of a Fail that the command may have been done.
	Unknown bool
	// Spare is, with a Fail, the node to try next in place of the one that
	// failed; empty if there is none.
	Spare ring.NodeID
}

// A Send is a command for one replica.
type Send struct {
	// ID names the Send in the machine.
	ID int
	// To is the vnode: the primary's, or with Fallback set the one on Node that
	// stands in for it.
	To ring.Entry
	// Body is the command, in a buffer of its own. It is immutable from here on;
	// a replica on the asking node may keep it.
	Body []byte
	// Session is the repair that the command changes a copy under, 0 for others.
	Session uint64
	// Volatile lets the replica answer before what it wrote is durable.
	Volatile bool
}

// A Machine is one request to several replicas. It is pure and belongs to one
// goroutine at a time.
type Machine interface {
	// Step takes what happened and appends what is to be sent.
	Step(e Event, sends []Send) []Send
	// Ready reports that the outcome is decided; it stays what it is.
	Ready() bool
	// Done reports that nothing is waited for any more. It implies Ready.
	Done() bool
}
